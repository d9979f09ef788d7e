"""Run a worker's turn: claim ready subjects of a connector, deliver their letters in order, settle.

A doorbell brings a turn here; the turn ends when the lanes are empty, the time is over, the
connection is closed or the process is told to stop.  One entity failing parks that entity only.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

import orjson

from connector.config import Config, Connector, Mode
from connector.errors import ConnectorError, Retryable, Stale, Unauthorized
from connector.event import Event, Kind
from connector.link import Link
from connector.planning import collapse
from workers.attempt import Attempt, Result
from workers.desk import Desk
from workers.outcome import Step, outcome_of, wait_before
from workers.stores.deliveries import Deliveries
from workers.stores.records import Box, Letter, Settlement, UnknownFormat, unpack_event
from workers.stores.scripts import StoreError
from workers.writing import Fenced

log = logging.getLogger("connector.delivery")

REPLANS: Final = 3
LOG_ROWS: Final = 10
HOLD_AFTER: Final = 3
"""Dead letters of one *forbidden* cause after which the rest waits behind a gate instead."""


@dataclass(slots=True)
class Turn:
    """What a turn did, for its log line and for Flower."""

    delivered: int = 0
    skipped: int = 0
    failed: int = 0
    dead: int = 0
    ended: str = ""


def run_turn(desk: Desk, name: str, token: str) -> Turn:
    """Answer one doorbell of connector ``name``; returns what was done."""
    config = desk.config()
    connector = config.connectors.get(name)
    if connector is None:
        return Turn(ended="no such connector")
    store = desk.deliveries(connector)
    turn = store.begin(token)
    if not turn:
        return Turn(ended="nothing to do")
    done = Turn()
    try:
        _drain(desk, config, connector, store, turn=turn, done=done)
    finally:
        # Whatever happened: what is still held goes back, and what is left is rung for.
        bell = store.end(turn)
        if bell:
            desk.ring(connector, [bell])
    return done


def _drain(desk: Desk, config: Config, connector: Connector, store: Deliveries, *, turn: str, done: Turn) -> None:
    if not _may_work(desk, config, connector, store):
        done.ended = "closed"
        return
    over = desk.ticks() + desk.turn.total_seconds()
    claim = store.claim(turn)
    while claim.status == "work":
        box = claim.boxes[0]
        work = _Work(desk, config, connector, store=store, turn=turn, box=box)
        what, shut = work.settle()
        more = not shut and not desk.stopping() and desk.ticks() < over and desk.config() is config
        answer = store.settle(turn, box.subject, what, claim=1 if more else 0)
        if answer is None:
            done.ended = "fenced"
            return
        work.settled(what, done)
        if shut:
            _close(desk, connector, store, *shut)
            done.ended = "closed"
            return
        claim = answer
    done.ended = done.ended or claim.status


def _may_work(desk: Desk, config: Config, connector: Connector, store: Deliveries) -> bool:
    """Ask the truth about both connections; copy a closing into the connector."""
    if connector.mode is Mode.PAUSED:
        _close(desk, connector, store, desk.now_ms() + 60_000, "paused by its configuration")
        return False
    for name, state in desk.connections.states(connector.target.connection, connector.source.connection).items():
        if state.failing:
            desk.failing.add(name)
        if state.closed_until > desk.now_ms():
            _close(desk, connector, store, state.closed_until, f"{name}: {state.kind}: {state.why}")
            return False
        if state.kind == "paused":
            if not desk.connections.claim_probe(name, desk.probe / 3):
                # Somebody else is trying it right now.
                _close(desk, connector, store, desk.now_ms() + _ms(desk.probe / 3), f"{name}: paused: {state.why}")
                return False
            if not _works_again(desk, config, name):
                until = desk.connections.close(name, desk.probe, "paused", state.why)
                _close(desk, connector, store, until, f"{name}: paused: {state.why}")
                return False
    return True


def _close(desk: Desk, connector: Connector, store: Deliveries, until: int, why: str) -> None:
    # Where the moment has passed by the server's clock it stays open, and the reserved bell must ring.
    if bell := store.close(until, why):
        desk.ring(connector, [bell])


def _works_again(desk: Desk, config: Config, connection: str) -> bool:
    """Try a paused connection's credential, read anew."""
    try:
        who = desk.system_of(config, connection).probe(desk.site(connection, desk.ticks() + desk.call.total_seconds()))
    except ConnectorError as error:
        log.info("connection %s is still paused: %s", connection, error)
        return False
    desk.connections.open(connection)
    log.warning("connection %s works again as %s", connection, who.name)
    desk.record({"action": "resume", "connection": connection, "actor": "worker", "who": who.id})
    return True


def _not_before(one: Event, last: Event) -> bool:
    mine, its = one.data.get("updated"), last.data.get("updated")
    if not mine or not its or one.data == last.data:
        return False
    return datetime.fromisoformat(mine) >= datetime.fromisoformat(its)


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)


class _Work:
    """One claimed subject: its first letters become a settlement."""

    def __init__(
        self, desk: Desk, config: Config, connector: Connector, *, store: Deliveries, turn: str, box: Box
    ) -> None:
        self.desk, self.config, self.connector = desk, config, connector
        self.store, self.turn, self.box = store, turn, box
        self.letters: tuple[Letter, ...] = ()
        self.links: dict[str, Link] = dict(box.links)
        self.book = Settlement()
        self.result: Result | None = None

    @property
    def letter(self) -> Letter:
        """The letter that speaks for those collapsed into it."""
        return self.letters[-1]

    def settle(self) -> tuple[Settlement, tuple[int, str] | None]:
        """Work on the first letters; returns the settlement, and (until, why) to close the connector."""
        try:
            event = self._open()
        except UnknownFormat as error:
            return self._park("format", str(error)), None
        for replan in range(REPLANS + 1):
            try:
                return self._tried(event), None
            except Fenced:
                # Somebody else has it; an empty settlement will be refused, and nothing is lost.
                return Settlement(), None
            except Stale as error:
                if replan == REPLANS:
                    return self._failed(error, event)
            except ConnectorError as error:
                return self._failed(error, event)
            except StoreError:
                raise  # without books nothing can be settled: the turn dies, its slot expires, nothing is lost
            except Exception as error:  # the one place: a bug of ours must not stop a worker
                log.exception("a bug while delivering %s", self.letter.id)
                return self._failed(_bug(error), event, bug=traceback.format_exc(limit=20))
        raise AssertionError  # the loop always returns

    def _open(self) -> Event:
        # Only what may collapse is unpacked: a mailbox full of comments must not be read anew for each.
        first = self.box.letters[0]
        near = list(takewhile(lambda one: one.entity == first.entity and one.kind in _STATES, self.box.letters))
        events = [unpack_event(letter.body) for letter in near or [first]]
        count = collapse(self.connector, events)
        self.letters = self.box.letters[:count]
        last = events[count - 1]
        if any(_not_before(one, last) for one in events[: count - 1]):
            # They came out of order, or within one tick of their source's clock: it is asked which is true.
            return replace(last, partial=True)
        return last

    def _tried(self, event: Event) -> Settlement:
        try:
            return self._deliver(event)
        except ConnectorError as error:
            connection = error.connection or self.connector.target.connection
            refused = outcome_of(error).step is Step.BURY and error.status in {403, 404}
            if refused and self._refused_too(connection):
                message = f"{error} (and the credential itself is refused)"
                paused = Unauthorized(message, status=error.status)
                paused.connection, paused.exchange = connection, error.exchange
                raise paused from error
            raise

    def _deliver(self, event: Event) -> Settlement:
        attempt = Attempt(
            desk=self.desk,
            config=self.config,
            connector=self.connector,
            store=self.store,
            turn=self.turn,
            box=self.box,
            letter=self.letter,
            event=event,
            book=self.book,
            links=self.links,
        )
        self.result = attempt.deliver()
        for letter in self.letters[:-1]:
            self.book.settle.append((letter.id, self.result.outcome, f"merged into {self.letter.id}"))
        self.book.settle.append((self.letter.id, self.result.outcome, self.result.reason[:300]))
        if event.kind.is_state and self.result.outcome == "delivered":
            self.book.supersede.append((self.letter.id, _told_by_newer(self.connector)))
        target = self.connector.target.connection
        if self.result.wrote and target in self.desk.failing:
            self.desk.connections.succeed(target)
            self.desk.failing.discard(target)
        return self.book

    def _failed(
        self, error: ConnectorError, event: Event, *, bug: str = ""
    ) -> tuple[Settlement, tuple[int, str] | None]:
        desk, outcome = self.desk, outcome_of(error)
        connection = error.connection or self.connector.target.connection
        attempts = max(letter.attempts for letter in self.letters)
        fields = self._story(error, attempts + 1, bug)
        counted = {**fields, "attempts": str(attempts + 1)}
        shut: tuple[int, str] | None = None
        match outcome.step:
            case Step.SNOOZE:
                self._later(fields, outcome.wait)
            case Step.CLOSE:
                if error.status is None:
                    # Our own budget is empty: the target has refused nothing, only this connector waits.
                    until = desk.now_ms() + int(outcome.wait.total_seconds() * 1000)
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
                if error.status == 403 and self._many(fields["cause"]):
                    self._park(f"forbidden-{fields['cause']}", str(error))
                else:
                    self._bury(counted)
        log.log(
            # Our own budget running dry is the normal way to keep a limit, not news.
            logging.DEBUG if error.status is None and outcome.step is Step.CLOSE else logging.INFO,
            "%s: %s: %s",
            self.letter.id,
            outcome.step,
            error,
            extra={"connector": self.connector.name, "delivery": self.letter.id, "entity": event.entity.ref},
        )
        return self.book, shut

    def _broken(self, connection: str, event: Event, error: ConnectorError) -> int:
        self.desk.failing.add(connection)
        return self.desk.connections.fail(connection, event.entity.ref, str(error), first=self.desk.backoff)

    def _refused_too(self, connection: str) -> bool:
        try:
            self.desk.system_of(self.config, connection).probe(
                self.desk.site(connection, self.desk.ticks() + self.desk.call.total_seconds())
            )
        except Unauthorized:
            return True
        except ConnectorError:
            return False
        return False

    def _many(self, cause: str) -> bool:
        same = [one for one in self.store.dead(most=20) if one.fields.get("cause") == cause]
        return len({one.entity for one in same}) >= HOLD_AFTER

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
            "log": orjson.dumps(rows[-LOG_ROWS:], default=str).decode(),
            **({"fields": orjson.dumps(fields).decode()} if (fields := getattr(error, "fields", None)) else {}),
            **({"traceback": bug[-4000:]} if bug else {}),
        }

    def _later(self, fields: Mapping[str, str], wait: timedelta) -> None:
        self.book.failed.append((self.letter.id, {**fields, "free": "1"}))
        self.book.next, self.book.delay = "due", int(wait.total_seconds() * 1000)

    def _bury(self, fields: dict[str, str]) -> None:
        for letter in self.letters[:-1]:
            self.book.settle.append((letter.id, "skipped", f"merged into {self.letter.id}"))
        self.book.bury.append((self.letter.id, fields))
        if self.connector.on_dead == "block":
            self._park(f"dead-{self.letter.id}", fields["message"])

    def _park(self, gate: str, why: str) -> Settlement:
        self.book.next, self.book.gate, self.book.why = "park", gate, why[:500]
        return self.book

    def settled(self, what: Settlement, done: Turn) -> None:
        """Tell the outside what is now in the books."""
        for row in (*what.recorded, *what.audit):
            self.desk.record(orjson.loads(row))
        for _, outcome, _ in what.settle:
            if outcome == "delivered":
                done.delivered += 1
            else:
                done.skipped += 1
        for delivery, fields in what.bury:
            done.dead += 1
            self.desk.buried(self.connector, delivery, fields)
        done.failed += len(what.failed)


_STATES: Final = frozenset(kind.value for kind in Kind if kind.is_state)


def _told_by_newer(connector: Connector) -> list[str]:
    """Return the kinds of event that say nothing any more once a newer state is delivered."""
    owed = frozenset().union(*(message.on for message in connector.messages))
    return sorted(kind.value for kind in Kind if kind.is_state and kind not in owed)


def _bug(error: Exception) -> ConnectorError:
    wrapped = Retryable(
        f"a bug of ours: {type(error).__name__}: {error}", sent=True, cause=f"bug:{type(error).__name__}"
    )
    wrapped.__cause__ = error
    return wrapped
