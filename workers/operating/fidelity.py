"""Report what a connector in shadow mode would have done: the numbers that a pilot is judged by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from connector.config import Connector
from workers.desk import Desk
from workers.operating.pace import quantile
from workers.shadowing import fields_of
from workers.stores.shadows import HOUR_MS, HOURS

LONGEST: Final = timedelta(hours=HOURS)
"""How far back a report looks at most."""

VERDICTS: Final = ("new", "equal", "changed", "conflict", "left alone", "refused")
"""What becomes of a target field, as `workers.shadowing` says; ``lost`` is counted beside it."""

ACTIONS: Final = ("create", "update", "comment", "edit_comment", "delete_comment", "relate")


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What was seen between ``since`` and ``until`` (ms); ``first`` and ``last`` are the hours with any (0: none).

    ``events`` came to a decision; of these ``merged`` went along with a later state of their item.  ``outcomes``:
    ``would`` (write), ``skipped``, ``refused``.  ``writes`` are the calls that would have been, at most; ``reads``
    those that were made, by connection.  ``fields``: field -> verdict -> how often.  ``waited``: attempts that had to
    be repeated.  ``lag_p50`` and ``lag_p95`` are upper bounds in ms from the event to the decision, 0 for none.
    """

    connector: str
    since: int
    until: int
    first: int = 0
    last: int = 0
    events: int = 0
    merged: int = 0
    waited: int = 0
    writes: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    would: Mapping[str, int] = field(default_factory=dict)
    reads: Mapping[str, int] = field(default_factory=dict)
    fields: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    losses: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    lag_p50: int = 0
    lag_p95: int = 0
    examples: Sequence[Mapping[str, Any]] = ()

    @property
    def hours(self) -> float:
        """Over how many hours events were seen: from the first hour with any to now, one at least."""
        return max(1.0, (self.until - self.first) / HOUR_MS) if self.first else 0.0

    @property
    def creates_an_hour(self) -> float:
        """How many items it would create an hour."""
        return self.would.get("create", 0) / self.hours if self.hours else 0.0

    @property
    def calls_each(self) -> float | None:
        """How many API calls an event would take, reads made and writes that would be; None before the first."""
        return (sum(self.reads.values()) + self.writes) / self.events if self.events else None

    @property
    def share(self) -> float | None:
        """Which part of what it would write could be written, 0 to 1; None where there was nothing to write."""
        would, refused = self.outcomes.get("would", 0), self.outcomes.get("refused", 0)
        return would / (would + refused) if would + refused else None

    def as_json(self) -> dict[str, Any]:
        """Return it as a document."""
        rest = {"hours": round(self.hours, 2), "creates_an_hour": round(self.creates_an_hour, 2)}
        each = self.calls_each
        more = {"calls_each": None if each is None else round(each, 2), "share": self.share}
        return {**asdict(self), **rest, **more}


def fidelity(desk: Desk, connector: Connector, span: timedelta = LONGEST) -> Fidelity:
    """Look at what shadow mode saw in the last ``span``, in whole hours."""
    until = desk.now_ms()
    since = until - int(min(span, LONGEST).total_seconds() * 1000)
    books = desk.deliveries(connector)
    counts, first, last = books.shadow_counts(since, until)
    groups = _grouped(counts)
    lags = {int(step): number for step, number in groups["lag"].items() if step.isdigit()}
    return Fidelity(
        connector=connector.name,
        since=since,
        until=until,
        first=first,
        last=last,
        events=counts["events"],
        merged=counts["merged"],
        waited=counts["waited"],
        writes=counts["writes"],
        outcomes=_ranked(groups["outcome"]),
        kinds=_ranked(groups["kind"]),
        would={name: groups["would"][name] for name in ACTIONS if groups["would"][name]},
        reads=_ranked(groups["reads"]),
        fields=_fields(groups["field"], groups["lost"]),
        losses=_ranked(groups["lost"]),
        refused=_ranked(groups["refused"]),
        skipped=_ranked(groups["skipped"]),
        lag_p50=quantile(lags, 0.5),
        lag_p95=quantile(lags, 0.95),
        examples=[one for one in books.shadow_examples() if one["at"] >= since],
    )


def _grouped(counts: Mapping[str, int]) -> Mapping[str, Counter[str]]:
    groups: dict[str, Counter[str]] = {
        name: Counter() for name in ("outcome", "kind", "would", "reads", "field", "lost", "refused", "skipped", "lag")
    }
    for name, number in counts.items():
        group, colon, what = name.partition(":")
        if colon and group in groups:
            groups[group][what] += number
    return groups


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common())


def _fields(verdicts: Counter[str], losses: Counter[str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for name, number in sorted(verdicts.items()):
        verdict, colon, target = name.partition(":")
        if colon:
            found.setdefault(target, dict.fromkeys((*VERDICTS, "lost"), 0))[verdict] = number
    lost: Counter[str] = Counter()
    for loss, number in losses.items():
        for target in fields_of([loss]):
            lost[target] += number
    for target, number in lost.items():
        if target in found:
            found[target]["lost"] = number
    return found


# --- for people ------------------------------------------------------------------------------------------
def summary(one: Fidelity) -> list[str]:
    """Say in a few sentences what was seen."""
    if not one.events:
        return [f"{one.connector} has seen no event in shadow mode"]
    told = {name: one.outcomes.get(name, 0) for name in ("would", "skipped", "refused")}
    actions = ", ".join(f"{number} {name}" for name, number in one.would.items()) or "nothing"
    begun, each, reads = moment(max(one.since, one.first)), one.calls_each or 0.0, sum(one.reads.values())
    came = f"{told['would']} would be written, {told['skipped']} skipped, {told['refused']} refused"
    lines = [f"{one.events} events since {begun}: {came}, {one.merged} told by a later one"]
    lines.append(f"would: {actions}; {one.creates_an_hour:.1f} creates an hour")
    lines.append(
        f"{each:.1f} API calls for each event: {reads} reads were made, {one.writes} writes would have been, at most"
    )
    if one.lag_p50:
        lines.append(
            f"from the event to the decision: half within {one.lag_p50 / 1000:g} s, "
            f"95 of 100 within {one.lag_p95 / 1000:g} s"
        )
    if one.waited:
        lines.append(f"{one.waited} attempts had to wait or be repeated")
    return lines


def markdown(one: Fidelity) -> str:
    """Write the report as Markdown, for a pilot's file or a ticket."""
    parts = [
        f"# What {one.connector} would have done",
        "",
        f"{moment(one.since)} to {moment(one.until)} (UTC). In shadow mode everything happened but the last call.",
        "",
        *(f"- {line}" for line in summary(one)),
    ]
    if one.fields:
        rows = [(name, *(verdicts[column] for column in _COLUMNS)) for name, verdicts in one.fields.items()]
        parts += _table("Fields", ("Field", *(column.capitalize() for column in _COLUMNS)), rows)
    parts += _table("Refused: these would have become dead letters", ("Error and cause", "Events"), refusals(one))
    parts += _table("Lost", ("What", "Events"), one.losses.items())
    parts += _table("Skipped", ("Why", "Events"), one.skipped.items())
    shown = [one for one in one.examples if one["outcome"] == "refused" or "conflict" in one["fields"].values()][:20]
    rows = [(moment(each["at"]), each["key"], each["kind"], _word(each)) for each in shown]
    parts += _table("Examples of what needs a look", ("At", "Item", "Event", "What"), rows)
    return "\n".join(parts) + "\n"


_COLUMNS: Final = (*VERDICTS, "lost")


def _word(example: Mapping[str, Any]) -> str:
    if example["outcome"] == "refused":
        return f"{_cause(example['cause'])}: {example['why']}"
    return "conflict: " + ", ".join(name for name, verdict in example["fields"].items() if verdict == "conflict")


def refusals(one: Fidelity) -> list[tuple[str, int]]:
    """Return what would have died: class and cause in words, and of how many events."""
    return [(_cause(name), number) for name, number in one.refused.items()]


def _cause(name: str) -> str:
    error, _, cause = name.partition(":")
    return f"{error} ({cause})" if cause else error


def _table(title: str, columns: Sequence[str], rows: Any) -> list[str]:
    found = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    if not found:
        return []
    return ["", f"## {title}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *found]


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")


def moment(ms: int) -> str:
    """Show a time given in ms."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
