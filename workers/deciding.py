"""Decide what is to be done about each field of a pair, and which of them a person must decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from connector.config import Connector, Mode
from connector.errors import Rejected
from connector.event import Event
from connector.expression import MISSING
from connector.link import Link
from connector.mapping import Mapped, Policy, Rule
from connector.merge import Conflict, Move, Stand, Verdict, judge, loops
from connector.planning import INITIAL
from connector.system import Shaped
from workers.auditing import question_row
from workers.sides import Seen, Side, in_words, last, newer, same, values
from workers.slipping import WROTE, Slip, events_of, given_back
from workers.stores.conflicts import CONFLICTS

if TYPE_CHECKING:
    from workers.attempt import Attempt

SAID: Final = "said"
"""In a pair's ``extra``: per native field of the target, what the source wanted there when both last agreed."""

MOVES: Final = "moves"
"""In a pair's ``extra``: per field as the user wrote it, when it was last moved, and which way."""


def both(connector: Connector) -> tuple[Rule, ...]:
    """Return all rules of a two-way connector as they read forward."""
    return (*connector.mapping, *connector.returns)


def mapped_by(attempt: Attempt, rules: tuple[Rule, ...], event: Event) -> Mapped:
    """Map an event by rules; raises `Rejected`."""
    return attempt.desk.tools.apply(rules, attempt.desk.tools.view(event))


class Deciding:
    """What `workers.converging` knows of one pair, judged."""

    attempt: Attempt
    whole: Connector
    pair: Link
    prefer: Policy | None
    rules: tuple[Rule, ...]
    rule_of: Mapping[str, Rule]
    """The rules as they read forward, by the field as the user wrote it."""
    back_of: Mapping[str, Rule]
    """Those for the way back, by the same name."""
    to: Side
    slipped: dict[str, Slip]
    lost: dict[str, str]
    """The side whose edit of a field was written over, by field."""
    decided: dict[str, dict[str, Any]]

    def names(self, shaped: Shaped) -> list[str]:
        """Return the fields of a shaped state, as the user wrote them."""
        return list(dict.fromkeys(shaped.names.get(name, name) for name in shaped.fields))

    def natives(self, name: str, shaped: Shaped) -> list[str]:
        """Return what a field is made of in the target."""
        return [native for native in shaped.fields if shaped.names.get(native, native) == name]

    def stand(self, name: str, source: Seen, target: Seen) -> Stand:
        """Say how a field stands."""
        natives = self.natives(name, source.shaped)
        said: Mapping[str, Any] = self.pair.extra.get(SAID, {})
        base = self.pair.base
        return Stand(
            values(natives, source.shaped.fields),
            values(natives, target.fields, missing=None),
            values(natives, {**base, **said}),
            values(natives, base),
        )

    # --- judging -----------------------------------------------------------------------------------------------
    def verdict(self, name: str, source: Seen, target: Seen) -> Verdict:
        """Judge one field."""
        rule, stand = self.rule_of[name], self.stand(name, source, target)
        found = (
            self._decision(name, source, target)
            or self._slip(name, source, target)
            or judge(
                stand,
                direction=rule.direction,
                policy=rule.policy or self.whole.policy,
                initial=self.prefer or self._initial,
                same=same,
                newer=lambda: newer(source.event, target.event),
            )
        )
        if found.move is Move.BOTH:
            # A third value goes to the target first; then it is the target's, and goes to the source.
            found = Verdict(Move.FROM if same(stand.holds, found.value) else Move.TO, found.value)
        if found.move is Move.FROM and name not in self.back_of:
            return Verdict(Move.LEAVE)
        if found.move in {Move.TO, Move.FROM} and name not in self.decided:
            moves = self.pair.extra.get(MOVES, {}).get(name, ())
            if loops(moves, found.move, self.attempt.desk.now_ms()):
                return Verdict(Move.ASK, why="loop")
        return found

    @property
    def _initial(self) -> Policy:
        said = self.pair.extra.get(INITIAL)
        return Policy(said) if said else self.whole.initial

    def _slip(self, name: str, source: Seen, target: Seen) -> Verdict | None:
        """Judge an edit that was written over, as long as what was written over it stands there and nothing newer."""
        stand = self.stand(name, source, target)
        asked = self.pair.extra.get(CONFLICTS, {}).get(name, {})
        if asked.get("lost"):
            stands = asked["wants" if asked["lost"] == "to" else "holds"]
            return Verdict(Move.ASK, why="slipped") if same(stand.wants, stands) and same(stand.holds, stands) else None
        slip = self.slipped.pop(name, None)  # once: what is given back is ours to bring about from there
        if slip is None or not same(stand.wants, stand.holds):
            return None
        seen = target if slip.side == "to" else source
        if seen.event.data.get(slip.key) != self.pair.extra.get(WROTE, {}).get(name, {}).get("is"):
            return None
        try:
            lost = self._shaped_slip(name, slip, source, target)
        except Rejected:
            return None  # what it says cannot be said on the other side
        self.lost[name] = slip.side
        return given_back(slip, stand, lost, self.rule_of[name].policy or self.whole.policy)

    def _shaped_slip(self, name: str, slip: Slip, source: Seen, target: Seen) -> Any:
        """Return what was written over in the target's form."""
        to, wanted = self.to, slip.value
        if slip.side == "from":
            event = replace(source.event, data={**source.event.data, slip.key: slip.value})
            wanted = mapped_by(self.attempt, self.rules, event).values.get(name)
        shaped = to.system.shape(to.site, to.settings, {name: wanted}, to.entity)
        return values(self.natives(name, source.shaped), {**target.fields, **shaped.fields})

    def _decision(self, name: str, source: Seen, target: Seen) -> Verdict | None:
        """Return what a person decided about an open question."""
        said = self.decided.get(name)
        if said is None or name not in self.pair.extra.get(CONFLICTS, {}):
            return None
        asked, stand = self.pair.extra[CONFLICTS][name], self.stand(name, source, target)
        wants, holds = asked["wants"], asked["holds"]
        if asked.get("lost"):
            wants = holds = asked["wants" if asked["lost"] == "to" else "holds"]
        match said["take"]:
            case "from" | "to" if asked.get("lost"):
                value = asked["wants" if said["take"] == "from" else "holds"]
                found, kept = Verdict(Move.BOTH, value), (wants, holds)
            case "from":
                value, found, kept = MISSING, Verdict(Move.TO), (MISSING, holds)
            case "to":
                value, found, kept = MISSING, Verdict(Move.FROM), (wants, MISSING)
            case _:
                value = self._shaped_decision(name, said["value"], source, target)
                found, kept = Verdict(Move.BOTH, value), (wants, holds)
        if self._equal(name, source, target, value):
            return Verdict(Move.AGREE)
        for now, seen in zip((stand.wants, stand.holds), kept, strict=True):
            if seen is not MISSING and not same(now, seen) and not same(now, value):
                self._asks_again(name, asked)
                return None
        return found

    def _shaped_decision(self, name: str, given: Any, source: Seen, target: Seen) -> Any:
        """Return a third value in the target's form."""
        to = self.to
        if isinstance(given, str) and self.back_of[name].path == "body":
            given = {"format": "markdown", "content": given}
        shaped = to.system.shape(to.site, to.settings, {name: given}, to.entity)
        return values(self.natives(name, source.shaped), {**target.fields, **shaped.fields})

    def _asks_again(self, name: str, asked: Mapping[str, Any]) -> None:
        """Forget a decision that would write over what nobody had seen when it was taken."""
        del self.decided[name]
        if self.attempt.connector.mode is not Mode.SHADOW:
            self.attempt.store.decided(self.pair.source, [name], last=False)
        _tell(self.attempt, self.pair, Conflict(**asked), "asked again")

    def _equal(self, name: str, source: Seen, target: Seen, value: Any = MISSING) -> bool:
        stand = self.stand(name, source, target)
        if value is not MISSING and not same(stand.holds, value):
            return False
        agreed = same(stand.wants, stand.wanted) and same(stand.holds, stand.held)
        return agreed or same(stand.wants, stand.holds)

    def _question(self, name: str, verdict: Verdict, source: Seen, target: Seen) -> Conflict:
        """Put a field as it is to be asked, with who changed it where this attempt's events tell, or one before did."""
        known = self.pair.extra.get(CONFLICTS, {}).get(name, {})
        stand = self.stand(name, source, target)
        lost = self.lost.get(name, "") if verdict.why == "slipped" else ""
        wants = verdict.value if lost == "from" else stand.wants
        holds = verdict.value if lost == "to" else stand.holds
        told = list(events_of(self.attempt))
        turned = self.attempt.connector.turned
        there_key = self.back_of[name].path if name in self.back_of else ""
        here = last(source.event, () if turned else told, self.rule_of[name].path)
        there = last(target.event, told if turned else (), there_key)
        if "by" not in here and known and same(known["wants"], wants):
            here = known["here"]
        if "by" not in there and known and same(known["holds"], holds):
            there = known["there"]
        return Conflict(
            name=name,
            wants=wants,
            holds=holds,
            lost=lost,
            wanted=None if stand.wanted is MISSING else stand.wanted,
            held=None if stand.held is MISSING else stand.held,
            why=verdict.why,
            at=known.get("at") or self.attempt.desk.now().isoformat(),
            here={**here, **({} if lost == "from" else in_words(wants, source.mapped.get(name)))},
            there={**there, **({} if lost == "to" else in_words(holds, target.event.data.get(there_key)))},
        )

    def ask(self, verdicts: Mapping[str, Verdict], source: Seen, target: Seen) -> None:
        """Open, keep up to date and close what a person must decide."""
        open_, closed = dict(self.pair.extra.get(CONFLICTS, {})), []
        for name, verdict in verdicts.items():
            if verdict.move is Move.ASK:
                if open_.get(name, {}).get("lost"):
                    continue  # as it was asked
                fresh = self._question(name, verdict, source, target)
                if name not in open_:
                    _tell(self.attempt, self.pair, fresh, "conflict")
                open_[name] = fresh.as_json()
                self.attempt.asked.append(name)
            elif name in open_ and verdict.move is Move.AGREE:
                _tell(self.attempt, self.pair, Conflict(**open_.pop(name)), "agreed")
                closed.append(name)
        if self.attempt.connector.mode is Mode.SHADOW:
            return
        if open_:
            self.attempt.store.note_conflict(self.pair.source)
        if open_ != self.pair.extra.get(CONFLICTS, {}):
            self.pair = replace(self.pair, extra={**self.pair.extra, CONFLICTS: open_})
        if closed:
            # Where this process dies before it has settled, the next attempt finds them open, and notes them again.
            self.attempt.store.decided(self.pair.source, closed, last=not open_)


def _tell(attempt: Attempt, pair: Link, conflict: Conflict, action: str) -> None:
    if attempt.connector.mode is not Mode.SHADOW:
        attempt.book.audit.append(question_row(attempt, pair, conflict, action))
