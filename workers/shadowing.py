"""Find out what shadow mode would have done with an event, and count it for the fidelity report.

Everything here happens in shadow mode only.  What would be written is compared with what the target holds: for a
linked item with the target as it is now (one read, as a preview makes), for one that is not linked with what shadow
mode would have left there before.  So an item that is changed ten times is one create and nine updates, as it would
be live.  Names, verdicts and reasons are kept, values are not.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from connector.errors import ConnectorError, Rejected
from connector.event import Event
from connector.planning import target_entity
from connector.system import Action
from workers.logs import redact
from workers.operating.pace import LAG_MS
from workers.stores.deliveries import Deliveries
from workers.stores.records import Letter, Settlement
from workers.stores.scripts import StoreError

if TYPE_CHECKING:
    from workers.attempt import Attempt, Result

log = logging.getLogger("connector.shadow")

STATE: Final = frozenset({Action.CREATE, Action.UPDATE, Action.RELATE})
"""Actions that are about an item's state; the others add what an event says."""

LONGEST: Final = 120
"""Characters of a reason or a loss that are told apart."""

_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"|[^\s@]+@[^\s@]+")


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one event: ``would`` (write), ``skipped`` or ``refused``, and why.

    ``fields`` tells of each target field, by the name the user wrote: ``new``, ``changed``, ``equal``, ``conflict``
    (its target has been changed since we wrote it, and would be written over), ``left alone``, ``refused``.
    ``calls`` are writing calls.  ``held`` are digests of what the target would hold now, None where that is known
    from its link or did not change.
    """

    event: Event
    outcome: str
    why: str = ""
    cause: str = ""
    actions: Mapping[str, int] = field(default_factory=dict)
    calls: int = 0
    fields: Mapping[str, str] = field(default_factory=dict)
    losses: tuple[str, ...] = ()
    held: Mapping[str, str] | None = None


# --- finding out ------------------------------------------------------------------------------------------
def seen(attempt: Attempt, result: Result) -> Seen:
    """Say what an attempt in shadow mode came to; may read the target's item once."""
    event = attempt.event
    if not attempt.would:
        return Seen(event, "skipped", result.reason, fields=_verdicts(attempt, None), losses=_losses(attempt))
    known = attempt.store.shadowed(event.entity.ref) if attempt.link is None else None
    fields = _verdicts(attempt, known)
    actions = Counter(one.change.action.value for one in attempt.would)
    calls = sum(one.calls for one in attempt.would)
    held = None
    if attempt.link is None and attempt.shaped is not None:
        held = {name: _digest(attempt, name, value) for name, value in attempt.shaped.fields.items()}
    if known is not None:
        # Live, an earlier event would have made the item: what is left of the create is what has changed since.
        differs = event.kind.is_state and any(verdict != "equal" for verdict in fields.values())
        appends = [one for one in attempt.would if one.change.action not in STATE]
        actions = Counter(one.change.action.value for one in appends) + Counter({Action.UPDATE.value: int(differs)})
        calls = sum(one.calls for one in appends) + differs
        held = held if event.kind.is_state else None
        fields = fields if event.kind.is_state else {}
    if not actions:
        return Seen(event, "skipped", "nothing to change", fields=fields, held=held)
    absent = dict.fromkeys(attempt.plan.absent, "left alone")
    return Seen(
        event,
        "would",
        "",
        actions=actions,
        calls=calls,
        fields={**absent, **fields},
        losses=_losses(attempt),
        held=held,
    )


def refusal(event: Event, error: ConnectorError) -> Seen:
    """Say what would have died, and of what."""
    wrong = dict.fromkeys(error.fields, "refused") if isinstance(error, Rejected) else {}
    return Seen(event, "refused", f"{error}", cause=f"{type(error).__name__}:{error.cause}", fields=wrong)


def _verdicts(attempt: Attempt, known: Mapping[str, str] | None) -> dict[str, str]:
    shaped = attempt.shaped
    if attempt.link is not None and attempt.whole.back is not None:
        return _of_pair(attempt)
    if shaped is None:
        return {}
    if attempt.link is None:
        verdicts = {
            name: _before(known or {}, name, _digest(attempt, name, shaped.fields[name])) for name in shaped.fields
        }
    else:
        written = {
            name: value
            for one in attempt.would
            if one.change.action is Action.UPDATE
            for name, value in one.change.fields.items()
        }
        now = _present(attempt) if written else {}
        base = attempt.link.base
        verdicts = dict.fromkeys(shaped.fields, "equal")
        for name, value in written.items():
            if name in now and now[name] == value:
                continue
            foreign = name in base and name in now and now[name] != base[name]
            verdicts[name] = "conflict" if foreign else "changed"
    return {shaped.names.get(name, name): verdict for name, verdict in verdicts.items()}


def _of_pair(attempt: Attempt) -> dict[str, str]:
    """Tell of a two-way pair, by the target's fields and, for what goes back, by the source's.

    What a person would be asked is a conflict; nothing is told of fields where both sides were not looked at.
    """
    verdicts: dict[str, str] = {}
    for one in attempt.would:
        names = one.shaped.names if one.shaped is not None else {}
        verdicts |= {names.get(name, name): "changed" for name in one.change.fields}
    if verdicts or attempt.asked or attempt.notes:
        rules = (*attempt.whole.mapping, *attempt.whole.returns)
        verdicts = {**{rule.target: "equal" for rule in rules}, **verdicts}
    return verdicts | dict.fromkeys(attempt.asked, "conflict")


def _before(known: Mapping[str, str], name: str, digest: str) -> str:
    if name not in known:
        return "new"
    return "equal" if known[name] == digest else "changed"


def _present(attempt: Attempt) -> Mapping[str, Any]:
    if attempt.link is None:
        return {}
    try:
        now = attempt.target.read(attempt.there, attempt.settings, target_entity(attempt.link))
    except ConnectorError:
        return {}  # it is only compared with; what is wrong with the target is found by the attempt itself
    return now["fields"] if now is not None else {}


def _digest(attempt: Attempt, name: str, value: Any) -> str:
    key = f"{attempt.connector.uid} {attempt.event.entity.ref} {name}".encode()
    document = orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.blake2b(document, key=hashlib.sha256(key).digest(), digest_size=6).hexdigest()


def _losses(attempt: Attempt) -> tuple[str, ...]:
    told: list[str] = list(attempt.plan.losses)
    for would in attempt.would:
        told += would.shaped.losses if would.shaped is not None else ()
        told += (f"{would.change.action.value}: {one}" for one in would.losses)
    return tuple(dict.fromkeys(told))


# --- counting ---------------------------------------------------------------------------------------------
def count(
    books: Deliveries, what: Settlement, one: Seen | None, letter: Letter, *, lane: str, now: int, config: str
) -> None:
    """Count what a settlement in shadow mode was about; ``now`` in ms, ``config`` the hash in force.

    Counts are for people: where the store will not take them the turn goes on.
    """
    counts: Counter[str] = Counter({f"reads:{name}": number for name, number in what.calls.items() if number})
    example = None
    if what.settle and one is not None:
        counts.update(_counted(one, len(what.settle)))
        if lane == "live":
            counts[f"lag:{_step(now - int(one.event.at.timestamp() * 1000))}"] += 1
        example = _example(one, letter, now=now, config=config) if one.outcome != "skipped" else None
    elif what.failed:
        counts["waited"] += 1
    if not counts:
        return
    held = one.held if what.settle and one is not None else None
    try:
        books.shadow(counts, example=example, entity=letter.entity, held=held)
    except StoreError as error:
        log.warning("%s: what shadow mode saw is not counted: %s", letter.id, error)


def _counted(one: Seen, letters: int) -> Counter[str]:
    found = Counter({"events": letters, "merged": letters - 1, "writes": one.calls})
    found[f"kind:{one.event.kind.value}"] = found[f"outcome:{one.outcome}"] = 1
    if one.outcome == "skipped":
        found[f"skipped:{told(one.why)}"] = 1
    if one.outcome == "refused":
        found[f"refused:{told(one.cause)}"] = 1
    found.update({f"would:{action}": number for action, number in one.actions.items()})
    found.update(f"field:{verdict}:{name}" for name, verdict in one.fields.items())
    found.update(f"lost:{told(loss)}" for loss in one.losses)
    return +found


def _example(one: Seen, letter: Letter, *, now: int, config: str) -> dict[str, Any]:
    return {
        "at": now,
        "delivery": letter.id,
        "key": one.event.entity.key,
        "kind": one.event.kind.value,
        "outcome": one.outcome,
        "why": redact(one.why)[:300],
        "cause": one.cause,
        "actions": dict(one.actions),
        "fields": dict(one.fields),
        "losses": [told(loss) for loss in one.losses],
        "config": config,
    }


def told(text: str) -> str:
    """Return a reason without what differs from one item to the next: quoted values, addresses of people."""
    return _QUOTED.sub("…", redact(text))[:LONGEST]


def _step(lag: int) -> int:
    """Return the step of a lag in ms, as the store counts those of deliveries."""
    return max(0, min(20, math.ceil(math.log2(max(1, lag) / LAG_MS))))


def fields_of(losses: Iterable[str]) -> Counter[str]:
    """Return what is lost by field: a loss begins with the name of its field."""
    return Counter(loss.partition(": ")[0] for loss in losses if ": " in loss)
