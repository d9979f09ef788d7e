"""Bring the two sides of a pair to agree: read both, merge field by field, write what either owes the other.

An event of a two-way connector, from whichever side, is only a reason to look: what counts is what both sides hold
now, against what they held when they last agreed.  So a lost, doubled or late event changes nothing, and an echo
is what finds nothing to do.  That a write arrived is believed only once it was read back: what a person changed in
between is seen as their change, and never taken for ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from connector.config import Connector, Mode
from connector.errors import Rejected, Stale
from connector.event import Entity, Kind
from connector.expression import MISSING
from connector.link import Link, flipped
from connector.mapping import Policy, spoken_of
from connector.merge import Move, Verdict, moved
from connector.planning import UNFINISHED, marker_for
from connector.ports import Site
from connector.system import Action, Change, Shaped, Target
from workers.deciding import MOVES, SAID, Deciding, both, mapped_by
from workers.sides import NEVER, Seen, Side, merged_text, same, shown, source_of, target_of
from workers.slipping import WROTE, Slip, noted, slips
from workers.stores.conflicts import CONFLICTS
from workers.writing import Pen

if TYPE_CHECKING:
    from workers.attempt import Attempt

ROUNDS: Final = 5
"""How often both sides are looked at in one attempt: people may be faster than we are, but not for ever."""


@dataclass(slots=True)
class Sent:
    """What was written and is to be read back: per field, what was sent, and what the other side held then."""

    to: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=dict)
    back: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=dict)


def converge(attempt: Attempt, pair: Link, *, prefer: Policy | None = None) -> None:
    """Bring a pair (as seen from its source) to agree; what is learnt of it is remembered.

    ``prefer`` says which side holds where it is not known that both ever agreed: the one that was just copied.
    Raises a `ConnectorError`; `Stale` where people change things faster than that.
    """
    slipped = slips(attempt, pair)
    if prefer is None and not slipped and _is_quiet(attempt, pair):
        return
    work = _Convergence(attempt, pair, prefer, slipped)
    try:
        for _ in range(ROUNDS):
            if work.round():
                return
    except _Gone as gone:
        attempt.notes.append(f"{gone} is gone, or may not be seen any more: nothing is written to the other side")
        return
    except Rejected:
        work.forget()
        raise
    message = f"{pair.source_key} and {pair.key} keep changing while they are compared"
    raise Stale(message, cause="moving")


def _is_quiet(attempt: Attempt, pair: Link) -> bool:
    """Tell by the event alone that its side is as it was when both agreed: an echo, or no field that is shared."""
    event = attempt.event
    if event.partial or pair.extra.get(CONFLICTS) or pair.extra.get(UNFINISHED) or attempt.letter.fields.get("unsure"):
        return False
    if attempt.letter.fields.get("replays"):
        return False
    if attempt.connector.turned:
        if event.kind is Kind.ISSUE_CREATED:
            return True  # that it was made is no news: what has happened to it since has events of its own
        if not event.change:
            return False
        spoken = spoken_of(attempt.connector.mapping, event.change)
        keys = {rule.path for rule in attempt.connector.mapping if rule.target in spoken}
        return all(key in pair.kept and event.data.get(key) == pair.kept[key] for key in keys)
    mapped = mapped_by(attempt, both(attempt.whole), event)
    shaped = attempt.target.shape(attempt.there, attempt.settings, mapped.values, target_of(pair))
    said = pair.extra.get(SAID, {})
    return all(name in said and said[name] == value for name, value in shaped.fields.items())


class _Gone(Exception):
    """One side of the pair is not there; carries its key."""


class _Convergence(Deciding):
    """Both sides of one pair, in one attempt."""

    def __init__(self, attempt: Attempt, pair: Link, prefer: Policy | None, slipped: Mapping[str, Slip]) -> None:
        self.attempt, self.pair, self.prefer, self.slipped = attempt, pair, prefer, dict(slipped)
        self.lost = {}
        self.first = pair
        whole, back = attempt.whole, attempt.whole.back
        if back is None:
            message = f"{whole.name} has no way back"
            raise ValueError(message)
        self.whole, self.back = whole, back
        self.rules = both(whole)
        self.rule_of = {rule.target: rule for rule in self.rules}
        self.back_of = {rule.back.target: rule for rule in back.mapping if rule.back is not None}
        self.to = self._side(whole, target_of(pair))
        self.here = self._side(back, source_of(pair))
        self.sent = Sent()
        self.decided = attempt.store.decisions(pair.source, sorted(pair.extra.get(CONFLICTS, {})))
        self.seen: dict[str, Seen] = {}
        """What was read and not written since, by side."""

    def _side(self, writer: Connector, entity: Entity) -> Side:
        attempt, name = self.attempt, writer.target.connection
        mine = writer.turned is attempt.connector.turned
        site = attempt.there if mine else attempt.post(name, attempt.until)
        target = attempt.desk.system_of(attempt.config, name).target
        if target is None:
            message = f"{name} cannot be written to"
            raise Rejected(message, cause="no_target")
        return Side(target, writer.target.settings, site, entity, writer)

    def forget(self) -> None:
        """Forget decisions that cannot be carried out: their questions stay open, and nothing else fails of them."""
        if self.decided and self.attempt.connector.mode is not Mode.SHADOW:
            self.attempt.store.decided(self.pair.source, sorted(self.decided), last=False)

    # --- one look at both ----------------------------------------------------------------------------------
    def round(self) -> bool:
        """Look at both sides and do what they owe each other; True where that was nothing."""
        source, target = self._source(), self._target()
        self._believe(source, target)
        verdicts = {name: self.verdict(name, source, target) for name in self.names(source.shaped)}
        self.ask(verdicts, source, target)
        to = {name: one for name, one in verdicts.items() if one.move is Move.TO}
        back = [name for name, one in verdicts.items() if one.move is Move.FROM]
        if not to and not back:
            self._agree([name for name, one in verdicts.items() if one.move is Move.AGREE], source, target)
            self._remember(target)
            return True
        self._note_moves(to, back)
        if to:
            self._write_to(to, source, target)
        if back:
            self._write_back(back, source, target)
        return self.attempt.connector.mode is Mode.SHADOW

    def _source(self) -> Seen:
        if (known := self.seen.get("source")) is not None:
            return known
        attempt, here = self.attempt, self.here
        read = here.system.read(here.site, here.settings, here.entity)
        if read is None:
            raise _Gone(here.entity.key)
        event = shown(here.entity, read, attempt.desk.now())
        mapped = mapped_by(attempt, self.rules, event)
        to = self.to
        shaped = to.system.shape(to.site, to.settings, mapped.values, to.entity)
        self.seen["source"] = Seen(read["fields"], event, shaped, mapped.values)
        return self.seen["source"]

    def _target(self) -> Seen:
        if (known := self.seen.get("target")) is not None:
            return known
        to = self.to
        read = to.system.read(to.site, to.settings, to.entity)
        if read is None:
            raise _Gone(to.entity.key)
        self.seen["target"] = Seen(read["fields"], shown(to.entity, read, self.attempt.desk.now()))
        return self.seen["target"]

    def _note_moves(self, to: Mapping[str, Verdict], back: Sequence[str]) -> None:
        now, moves = self.attempt.desk.now_ms(), dict(self.pair.extra.get(MOVES, {}))
        for name in (*to, *back):
            moves[name] = moved(moves.get(name, ()), Move.TO if name in to else Move.FROM, now)
        self.pair = replace(self.pair, extra={**self.pair.extra, MOVES: moves})

    # --- writing -------------------------------------------------------------------------------------------------
    def _write_to(self, to: Mapping[str, Verdict], source: Seen, target: Seen) -> None:
        fields: dict[str, Any] = {}
        for name, verdict in to.items():
            natives = self.natives(name, source.shaped)
            wants = {native: source.shaped.fields[native] for native in natives}
            if verdict.value is MISSING:
                wanted = self._merged_to(name, wants, target)
                self.sent.to[name] = (wanted, wants)
            else:
                wanted = verdict.value if len(natives) > 1 else {natives[0]: verdict.value}
            fields |= wanted
        self._write(self.to, fields, source.shaped, "to", list(to))

    def _merged_to(self, name: str, wants: Mapping[str, Any], target: Seen) -> Mapping[str, Any]:
        """Return what to write: of a rich text only what was edited, for the target may hold more than that."""
        there = target.event.data.get("body")
        if name not in self.back_of or self.back_of[name].path != "body" or len(wants) != 1 or not there:
            return wants
        ((native, edited),) = wants.items()
        rendered = self.pair.extra.get(SAID, {}).get(native)
        if not rendered or not edited:
            return wants
        text = merged_text(there, {**there, "content": rendered}, {**there, "content": edited})
        shaped = self.to.system.shape(self.to.site, self.to.settings, {name: text}, self.to.entity)
        return {native: shaped.fields[native]}

    def _write_back(self, names: Sequence[str], source: Seen, target: Seen) -> None:
        rules = tuple(self.back_of[name] for name in names)
        mapped = mapped_by(self.attempt, self.back.mapping, target.event)
        here = self.here
        wanted = {rule.target: mapped.values[rule.target] for rule in rules if rule.target in mapped.values}
        for name, rule in zip(names, rules, strict=True):
            if rule.path == "body" and rule.target in wanted:
                wanted[rule.target] = self._merged_back(name, wanted[rule.target], source)
        shaped = here.system.shape(here.site, here.settings, wanted, here.entity)
        fields: dict[str, Any] = {}
        for name, rule in zip(names, rules, strict=True):
            natives = {
                native: value
                for native, value in shaped.fields.items()
                if shaped.names.get(native, native) == rule.target
            }
            held = {native: target.fields.get(native) for native in self.natives(name, source.shaped)}
            self.sent.back[name] = (natives, held)
            fields |= {
                native: value
                for native, value in natives.items()
                if native not in source.fields or source.fields[native] != value
            }
        # Where the source has another word for the same, or none, nothing is written: as they stand they agree.
        if fields:
            self._write(here, fields, shaped, "back", names)

    def _merged_back(self, name: str, edited: Any, source: Seen) -> Any:
        """Return what to write: of a rich text only what was edited, for the source may hold more than that."""
        here = source.event.data.get(self.rule_of[name].path)
        natives = self.natives(name, source.shaped)
        rendered = self.pair.base.get(natives[0]) if len(natives) == 1 else None
        if not here or not edited or not rendered:
            return edited
        return merged_text(here, {**edited, "content": rendered}, edited)

    def _write(self, side: Side, fields: Mapping[str, Any], shaped: Shaped, sub: str, names: Sequence[str]) -> None:
        attempt = self.attempt
        marker = marker_for(side.connector, attempt.event, attempt.config.instance, Action.UPDATE, sub)
        change = Change(Action.UPDATE, marker.effect, marker, fields=fields, entity=side.entity, base=self.pair.base)
        seen = self.seen.pop("target" if side is self.to else "source")
        attempt.write(change, shaped, pen=pen_for(attempt, side.system, side.settings, side.site))
        self._note_writes(side, names, seen)

    def _note_writes(self, side: Side, names: Sequence[str], seen: Seen) -> None:
        """Note what stood where we wrote, and since when we knew it: who changed it meanwhile was written over."""
        now, fresh = self.attempt.desk.now_ms(), {}
        for name in names:
            key = self.back_of[name].path if side is self.to and name in self.back_of else self.rule_of[name].path
            if name in self.back_of:
                fresh[name] = {
                    "side": "to" if side is self.to else "from",
                    "key": key,
                    "from": int(seen.event.at.timestamp() * 1000),
                    "till": now,
                    "was": seen.event.data.get(key),
                    "is": seen.event.data.get(key),
                }
        self.pair = replace(self.pair, extra=noted(self.pair, fresh, now))

    # --- believing ---------------------------------------------------------------------------------------------
    def _believe(self, source: Seen, target: Seen) -> None:
        """Compare what was sent with what is there now: where it arrived, both sides agree on it."""
        said, base = dict(self.pair.extra.get(SAID, {})), dict(self.pair.base)
        wrote = dict(self.pair.extra.get(WROTE, {}))
        for name in {*self.sent.to, *self.sent.back} & wrote.keys():
            seen = target if wrote[name]["side"] == "to" else source
            wrote[name] = {**wrote[name], "is": seen.event.data.get(wrote[name]["key"])}
        for name, (sent, wants) in self.sent.to.items():
            arrived = all(same(target.fields.get(native), value) for native, value in sent.items())
            if not arrived:
                wrote.pop(name, None)
            for native, value in sent.items():
                said[native] = wants[native]
                if arrived or native not in base:
                    # What the target made of it otherwise is a change of the target's, and goes back.
                    base[native] = target.fields.get(native) if arrived else value
        for name, (natives_sent, held) in self.sent.back.items():
            arrived = all(same(source.fields.get(native), value) for native, value in natives_sent.items())
            if not arrived:
                wrote.pop(name, None)
            for native in self.natives(name, source.shaped):
                base[native] = held.get(native)
                if arrived:
                    said[native] = source.shaped.fields[native]
                elif native not in said:
                    said[native] = NEVER
        self.sent = Sent()
        self.pair = replace(self.pair, base=base, extra={**self.pair.extra, SAID: said, WROTE: wrote})

    def _agree(self, names: Sequence[str], source: Seen, target: Seen) -> None:
        said, base = dict(self.pair.extra.get(SAID, {})), dict(self.pair.base)
        for name in names:
            for native in self.natives(name, source.shaped):
                said[native], base[native] = source.shaped.fields[native], target.fields.get(native)
        self.pair = replace(self.pair, base=base, extra={**self.pair.extra, SAID: said})

    def _remember(self, target: Seen) -> None:
        """Keep what is now known of the pair; with what its target holds, so that an echo is known by value."""
        if self.attempt.connector.mode is Mode.SHADOW:
            return
        data = target.event.data
        agreed = {rule.path for name, rule in self.back_of.items() if name not in self.pair.extra.get(CONFLICTS, {})}
        kept = {key: data.get(key) for key in sorted(agreed)}
        entity = target.event.entity
        pair = replace(self.pair, kept=kept, key=entity.key or self.pair.key, url=entity.url or self.pair.url)
        if pair != self.first:
            self.attempt.remember(flipped(pair) if self.attempt.connector.turned else pair)
            self.first = pair
        self.pair = pair


def pen_for(attempt: Attempt, target: Target, settings: Any, site: Site) -> Pen:
    """Return what writes to one side in this attempt; both write into one settlement."""
    if site is attempt.there:
        return attempt.pen
    return replace(attempt.pen, site=site, target=target, settings=settings)
