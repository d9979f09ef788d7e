"""Decide what becomes of a subject whose attempt failed: later, closed, paused, behind a gate, or a dead letter."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import orjson

from connector.config import Config, Connector, Mode
from connector.errors import ConnectorError
from connector.event import Event
from workers.desk import Desk
from workers.holding import gate_of_class
from workers.outcome import OWN_PACE, WORTH_PARKING, Step, outcome_of, wait_before
from workers.resting import AT_ONCE_MS, in_maintenance
from workers.stores.records import Letter, Settlement

log = logging.getLogger("connector.delivery")

LOG_ROWS: Final = 10


@dataclass(slots=True)
class Failure:
    """The failed attempt at some letters that were worked on together; its consequences go into ``book``."""

    desk: Desk
    config: Config
    connector: Connector
    letters: tuple[Letter, ...]
    kind: str
    """What was tried, in the words of `holding.kind_of`."""
    book: Settlement
    lane: str = "live"
    """The lane that the subject was claimed from."""
    each: bool = False
    """Each letter says something that no other says, so each becomes a dead letter."""

    @property
    def letter(self) -> Letter:
        """The letter that speaks for those collapsed into it."""
        return self.letters[-1]

    def of(self, error: ConnectorError, event: Event, *, bug: str = "") -> tuple[int, str] | None:
        """Follow an error; ``bug`` is the traceback of one of ours.  Returns (until, why) to close the connector."""
        desk, outcome = self.desk, outcome_of(error)
        connection = error.connection or self.connector.target.connection
        attempts = max(letter.attempts for letter in self.letters)
        fields = self._story(error, attempts + 1, bug)
        counted = {**fields, "attempts": str(attempts + 1)}
        shut: tuple[int, str] | None = None
        if outcome.step is not Step.BURY and (over := in_maintenance(desk, self.config, connection)) is not None:
            # It was begun before: nothing is counted, nobody's breaker opens.
            self.book.failed.append((self.letter.id, {**fields, "free": "1"}))
            until = min(int(over.timestamp() * 1000), desk.now_ms() + AT_ONCE_MS)
            return until, f"{connection} is in maintenance"
        match outcome.step:
            case Step.WAIT | Step.CLOSE if error.cause == OWN_PACE and self.lane != "live":
                # Its lane has had its part: live events that come must not wait for that.
                desk.deliveries(self.connector).shut_lane(self.lane, desk.now_ms() + _ms(outcome.wait))
                shut = (desk.now_ms(), f"{connection}: {error}")
            case Step.SNOOZE:
                self._later(fields, outcome.wait)
            case Step.WAIT:
                self.book.failed.append((self.letter.id, {**fields, "free": "1"}))
                self.book.park(gate_of_class(connection, outcome.endpoint), str(error), delay=_ms(outcome.wait))
            case Step.CLOSE:
                if error.cause == OWN_PACE and outcome.wait < WORTH_PARKING:
                    # Too many turns for what may be called now: one fewer is enough, and no new one until then.
                    desk.deliveries(self.connector).hush(desk.now_ms() + _ms(outcome.wait))
                    until = desk.now_ms()
                elif error.status is None:
                    # Our own budget is empty: the target has refused nothing, only this connector waits.
                    until = desk.now_ms() + _ms(outcome.wait)
                else:
                    until = desk.connections.close(connection, outcome.wait, "limit", str(error))
                shut = (until, f"{connection}: {error}")
            case Step.PAUSE:
                until = desk.connections.close(connection, desk.probe, "paused", str(error))
                log.error("connection %s is paused: %s", connection, error)
                shut = (until, f"{connection}: paused: {error}")
            case Step.RETRY | Step.REPLAN:
                # A bug of ours, or a target that answers "it moved", says nothing of the connection's health.
                until = 0 if bug or outcome.step is Step.REPLAN else self._broken(connection, event, error)
                if until:
                    shut = (until, f"{connection}: breaker: {error}")
                elif attempts + 1 >= (2 if bug else self.connector.attempts):
                    self._bury(counted)
                else:
                    self._later(counted, wait_before(attempts + 1, desk.jitter(), desk.backoff))
            case Step.BURY:
                self._bury(counted)
                self.book.hold = desk.holding.of(error, self.kind) if self.book.bury else {}
        log.log(
            # Our own budget running dry is the normal way to keep a limit, not news.
            logging.DEBUG if error.status is None and outcome.step is Step.CLOSE else logging.INFO,
            "%s: %s: %s",
            self.letter.id,
            outcome.step,
            error,
            extra={"connector": self.connector.name, "delivery": self.letter.id, "entity": event.entity.ref},
        )
        return shut

    def _broken(self, connection: str, event: Event, error: ConnectorError) -> int:
        self.desk.failing.add(connection)
        return self.desk.connections.fail(connection, event.entity.ref, str(error), first=self.desk.backoff)

    def _story(self, error: ConnectorError, attempt: int, bug: str) -> dict[str, str]:
        # A newer state may have joined since: the story goes on with it.
        told = max(self.letters, key=lambda letter: (letter.attempts, letter.seq))
        rows = orjson.loads(told.fields.get("log", "[]"))
        rows.append(
            {
                "at": self.desk.now().isoformat(),
                "attempt": attempt,
                "error": type(error).__name__,
                "message": str(error)[:1000],
                **({"exchange": error.exchange} if error.exchange else {}),
            }
        )
        return {
            "error": type(error).__name__,
            "cause": error.cause[:200],
            "message": str(error)[:2000],
            "status": str(error.status or ""),
            "config": self.config.hash,
            "made_by": self.connector.made_by,
            "log": orjson.dumps(rows[-LOG_ROWS:], default=str).decode(),
            **({"fields": orjson.dumps(fields).decode()} if (fields := getattr(error, "fields", None)) else {}),
            **({"traceback": bug[-4000:]} if bug else {}),
        }

    def _later(self, fields: Mapping[str, str], wait: timedelta) -> None:
        self.book.failed.append((self.letter.id, {**fields, "free": "1"}))
        self.book.next, self.book.delay = "due", _ms(wait)

    def _bury(self, fields: dict[str, str]) -> None:
        told = self.letters[:-1]
        if self.connector.mode is Mode.SHADOW:
            # Nothing needs a person yet, and what was seen in shadow is not delivered later: it is told by the report.
            why = f"shadow: would be refused: {fields['error']} ({fields['cause']})"[:300]
            self.book.settle += [(letter.id, "skipped", f"merged into {self.letter.id}") for letter in told]
            self.book.settle.append((self.letter.id, "skipped", why))
            return
        if self.each:
            self.book.bury += [(letter.id, dict(fields)) for letter in told]
        else:
            self.book.swallow += [(letter.id, f"merged into {self.letter.id}") for letter in told]
        self.book.bury.append((self.letter.id, fields))
        if self.connector.on_dead == "block":
            self.book.park(f"dead-{self.letter.id}", fields["message"])


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
