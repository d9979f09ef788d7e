"""Watch every script at the moment it runs, and hold the engine to what must be true at every step.

It keeps a model of its own (who holds what, what was accepted in which order), told by the answers that workers
get, and never looks at the keys that the scripts keep for the same purpose.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from tests.simulator.stage import Broken


@dataclass
class Witness:
    """``client`` is outside of the simulation; ``now`` the store's clock in ms; ``attempts`` the cap by tag."""

    client: Redis
    now: Callable[[], int]
    attempts: Callable[[str], int]
    place: dict[tuple[str, str], int] = field(default_factory=dict)
    """(tag, delivery) -> when it was accepted, among all."""
    entity: dict[tuple[str, str], str] = field(default_factory=dict)
    holder: dict[tuple[str, str], str] = field(default_factory=dict)
    """(tag, subject) -> the turn that claimed it last and has not let it go."""
    reader: dict[tuple[str, str], str] = field(default_factory=dict)
    """(tag, entity) -> the turn that was given letters of it last."""
    cause: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Effect -> (tag, delivery) that announced it first."""
    died: set[tuple[str, str]] = field(default_factory=set)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    fenced: int = 0
    ran: Counter[str] = field(default_factory=Counter)

    def saw(self, name: str, tag: str, args: tuple[Any, ...], got: Any) -> None:
        """Hear of a script that has run."""
        self.ran[name] += 1
        own = args[4:]
        match name:
            case "accept":
                self._accepted(tag, own, got)
            case "begin":
                self._claimed(tag, _text(own[1]), got)
            case "isolate":
                self._claimed(tag, _text(own[0]), got)
            case "intent":
                self._announced(tag, own, got)
            case "settle":
                self._settled(tag, own, got)
            case "end":
                self._let_go(tag, _text(own[0]))
            case "replay" | "order_step" if got[0]:
                self.failures.clear()
            case _:
                pass

    def _accepted(self, tag: str, own: tuple[Any, ...], got: Any) -> None:
        rows = own[3:]
        for number, outcome in enumerate(got[1]):
            row = rows[number * 9 : number * 9 + 9]
            mark = (tag, _text(row[0]))
            if _text(outcome) == "accepted":
                if mark in self.place:
                    raise Broken(f"accepted twice: {mark}")
                self.place[mark] = len(self.place)
                self.entity[mark] = _text(row[2])
            elif _text(outcome) == "revived":
                self.failures[mark] = 0

    def _claimed(self, tag: str, turn: str, got: Any) -> None:
        self._let_go(tag, turn)
        for box in got[2:]:
            subject = _text(box[0])
            self.holder[tag, subject] = turn
            for letter in box[3:]:
                entity = self.entity.get((tag, _text(letter[0])), "")
                before = self.reader.get((tag, entity))
                if before not in {None, turn} and self._alive(tag, str(before)):
                    raise Broken(f"{entity} is read by {before} and by {turn}")
                self.reader[tag, entity] = turn

    def _announced(self, tag: str, own: tuple[Any, ...], got: Any) -> None:
        turn, subject, effect, delivery = (_text(own[n]) for n in (0, 1, 2, 4))
        if _text(got[0]) == "stale":
            self.fenced += 1
            return
        self._pass(tag, turn, subject, "announces")
        self.cause.setdefault(effect, (tag, delivery))

    def _settled(self, tag: str, own: tuple[Any, ...], got: Any) -> None:
        turn, subject = _text(own[0]), _text(own[1])
        if _text(got[0]) == "stale":
            self.fenced += 1
            return
        self._pass(tag, turn, subject, "settles")
        what = json.loads(own[2])
        for delivery, fields in what.get("failed", ()):
            if "attempts" in fields:
                self._failed((tag, delivery))
        self.died |= {(tag, delivery) for delivery, _ in what.get("bury", ())}
        if what.get("next") != "keep":
            self._let_go(tag, turn)
            if got[4:]:
                self._claimed(tag, turn, got[4:])

    def _failed(self, mark: tuple[str, str]) -> None:
        self.failures[mark] += 1
        if self.failures[mark] >= self.attempts(mark[0]):
            raise Broken(f"{mark} was tried {self.failures[mark]} times and is still not dead")

    def _pass(self, tag: str, turn: str, subject: str, what: str) -> None:
        holder = self.holder.get((tag, subject))
        if holder != turn:
            raise Broken(f"{turn} {what} {subject}, which {holder} holds: two passed the fence")

    def _let_go(self, tag: str, turn: str) -> None:
        for held in (self.holder, self.reader):
            for key in [key for key, its in held.items() if its == turn and key[0] == tag]:
                del held[key]

    def _alive(self, tag: str, turn: str) -> bool:
        score: Any = self.client.zscore(f"{tag}slots", turn)
        return score is not None and score > self.now()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
