"""Work on one claimed subject: its first letters become a settlement."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import orjson

from connector.config import Config, Connector, Mode
from connector.errors import ConnectorError, Rejected, Retryable, Stale, Unauthorized
from connector.event import Event, Kind
from connector.link import Link
from connector.system import Change
from workers.attempt import Attempt, Result
from workers.batch import Batch, alone, batch_of
from workers.behalf import on_behalf_of
from workers.calls import Calls
from workers.desk import Desk
from workers.failure import Failure
from workers.holding import BRAKE_GATE, FORMAT_GATE, kind_of, why_braked
from workers.outcome import Step, outcome_of
from workers.overtaken import look_again
from workers.shadowing import Seen, count, refusal, seen
from workers.stores.deliveries import Deliveries
from workers.stores.records import Box, Letter, Settlement, UnknownFormat
from workers.stores.scripts import StoreError
from workers.writing import Braked, Fenced, Pen, Unsent

log = logging.getLogger("connector.delivery")

REPLANS: Final = 3

_Ended = tuple[Settlement, tuple[int, str] | None]


class Work:
    """One claimed subject, as far as this turn gets with it."""

    def __init__(
        self, desk: Desk, config: Config, connector: Connector, *, store: Deliveries, turn: str, box: Box
    ) -> None:
        first = box.letters[0].entity if box.letters else ""
        # Whoever speaks first decides which way this goes: letters of both sides share a mailbox.
        self.desk, self.config, self.connector = desk, config, connector.facing(first.partition(":")[0])
        self.store, self.turn, self.box = store, turn, box
        self.batch: Batch | None = None
        self.links: dict[str, Link] = dict(box.links)
        self.book = Settlement(config=config.hash, made_by=connector.made_by)
        self.calls = Calls(desk.site)
        self.attempt: Attempt | None = None
        self.result: Result | None = None
        self.seen: Seen | None = None
        """What shadow mode saw."""
        self._create: Change | None = None
        self._ended: _Ended | None = None

    @property
    def letters(self) -> tuple[Letter, ...]:
        """The letters that are worked on together."""
        return self.batch.letters if self.batch else ()

    @property
    def letter(self) -> Letter:
        """The letter that speaks for those collapsed into it."""
        return self.batch.letter if self.batch else self.box.letters[0]

    def prepare(self) -> tuple[Pen, Change] | None:
        """Go as far as can be gone without writing; returns the create that comes next, and whose it is.

        None where something else comes next.  `settle` goes on from here.
        """
        with self._on_behalf():
            self._ended = self._stepped(self._prepared)
        if self._ended is not None or self._create is None or self.attempt is None:
            return None
        return self.attempt.pen, self._create

    def settle(self) -> _Ended:
        """Work on the first letters; returns the settlement, and (until, why) to close the connector."""
        with self._on_behalf():
            what, shut = self._ended or self._stepped(self._tried) or (self.book, None)
        what.calls = dict(self.calls.made)
        return what, shut

    def _on_behalf(self) -> AbstractContextManager[None]:
        return on_behalf_of(self.connector.uid, weight=self.connector.weight, lane=self.box.lane)

    def _stepped(self, step: Callable[[Event], Settlement | None]) -> _Ended | None:
        """Take a step with the batch, and follow what comes of it; None where it is not at its end."""
        for replan in range(REPLANS + 1):
            try:
                batch = self.batch = self.batch or self._chosen()
                if batch.wait:
                    # The window of a digest: more may come that goes with it.
                    self.book.next, self.book.delay = "due", batch.wait - self.desk.now_ms()
                    return self.book, None
                found = self._judged(batch.event, step)
            except UnknownFormat as error:
                self.book.park(FORMAT_GATE, str(error), canary=self.desk.holding.canary(readable=True))
                return self.book, None
            except Braked:
                self.book.park(BRAKE_GATE, why_braked(self.connector))
                return self.book, None
            except Fenced:
                # Somebody else has it; an empty settlement will be refused, and nothing is lost.
                return Settlement(), None
            except Unsent:
                self.batch = None
            except Stale as error:
                if replan == REPLANS:
                    return self._failed(error, batch)
            except ConnectorError as error:
                return self._failed(error, batch)
            except StoreError:
                raise  # without books nothing can be settled: the turn dies, its slot expires, nothing is lost
            except Exception as error:  # the one place: a bug of ours must not stop a worker
                log.exception("a bug while delivering %s", self.letter.id)
                if self.batch is None:
                    # In choosing what goes together: then the first goes alone, and whose fault it was fails alone.
                    self.batch = alone(self.box)
                    continue
                return self._failed(_bug(error), self.batch, bug=traceback.format_exc(limit=20))
            else:
                return None if found is None else (found, None)
        return self.book, None  # a digest was found unsent over and over: back into its lane

    def _chosen(self) -> Batch:
        try:
            return batch_of(self.connector, self.box, self.desk.tools, effect=self.store.effect, now=self.desk.now_ms())
        except Rejected:
            return alone(self.box)

    def _judged(self, event: Event, step: Callable[[Event], Settlement | None]) -> Settlement | None:
        """Take a step; a refusal of the credential itself is told apart from one of this delivery."""
        try:
            return step(event)
        except ConnectorError as error:
            connection = error.connection or self.connector.target.connection
            refused = outcome_of(error).step is Step.BURY and error.status in {403, 404}
            if refused and self._refused_too(connection):
                message = f"{error} (and the credential itself is refused)"
                paused = Unauthorized(message, status=error.status)
                paused.connection, paused.exchange = connection, error.exchange
                raise paused from error
            raise

    def _prepared(self, event: Event) -> None:
        self._create = self._attempt(event).prepare()

    def _attempt(self, event: Event) -> Attempt:
        self.calls.begin()
        self.attempt = Attempt(
            desk=self.desk,
            config=self.config,
            connector=self.connector,
            store=self.store,
            turn=self.turn,
            box=self.box,
            letter=self.letter,
            event=event,
            book=self.book,
            batch=self.batch,
            links=self.links,
            post=self.calls,
            doubt=next((found for one in self.letters if (found := one.fields.get("doubt"))), ""),
        )
        return self.attempt

    def _tried(self, event: Event) -> Settlement:
        attempt = self.attempt
        if attempt is None or attempt.ready is None or attempt.begun:
            attempt = self._attempt(event)
        else:
            attempt.go_on()
        self.result = attempt.deliver()
        if self.connector.mode is Mode.SHADOW:
            self.seen = seen(attempt, self.result)
        for letter in self.letters:
            reason = self.result.reason[:300] if letter is self.letter else f"merged into {self.letter.id}"
            self.book.settle.append((letter.id, self.result.outcome, reason))
        if self.result.outcome == "delivered":
            scope = attempt.link.scope if attempt.link else ""
            self.book.won = (self._kind(event), [scope, event.entity.scope])
        if event.kind.is_state and self.result.outcome == "delivered":
            self.book.supersede.append((self.letter.id, _told_by_newer(self.connector)))
        target = self.connector.target.connection
        if self.result.wrote and target in self.desk.failing:
            self.desk.connections.succeed(target)
            self.desk.failing.discard(target)
        return self.book

    def _refused_too(self, connection: str) -> bool:
        # Where thousands are forbidden one place, asking once in a while is enough: a credential that was lost
        # meanwhile pauses the connection a little later, and what died in between comes back with its gate.
        if self.desk.proven.get(connection, 0.0) > self.desk.ticks():
            return False
        self.calls.begin()
        try:
            self.desk.system_of(self.config, connection).probe(
                self.calls(connection, self.desk.ticks() + self.desk.call.total_seconds())
            )
        except Unauthorized:
            return True
        except ConnectorError:
            return False
        self.desk.proven[connection] = self.desk.ticks() + self.desk.probe.total_seconds()
        return False

    def _failed(self, error: ConnectorError, batch: Batch, *, bug: str = "") -> _Ended:
        event = batch.event
        failure = Failure(
            desk=self.desk,
            config=self.config,
            connector=self.connector,
            letters=self.letters,
            each=batch.digest is not None,
            kind=self._kind(event),
            lane=self.box.lane,
            book=self.book,
        )
        if self.connector.mode is Mode.SHADOW:
            self.seen = refusal(event, error)
        return self.book, failure.of(error, event, bug=bug)

    def _kind(self, event: Event) -> str:
        back = self.connector.turned and self.attempt is not None and self.attempt.link is not None
        return kind_of(event.kind.value, linked=back or event.entity.ref in self.box.links)

    def overtaken(self) -> None:
        """See to what was sent although the settlement was refused."""
        if self.attempt is not None and self.attempt.pen.sent:
            look_again(
                self.desk,
                self.connector,
                self.store,
                turn=self.turn,
                event=self.attempt.event,
                sent=self.attempt.pen.sent,
            )

    def told(self, what: Settlement) -> None:
        """Tell the outside what is now in the books."""
        for row in (*what.recorded, *what.audit):
            self.desk.record(orjson.loads(row))
        if not what.held:
            keys = {letter.id: letter.key for letter in self.letters}
            for delivery, fields in what.bury:
                self.desk.buried(self.connector, delivery, {**fields, "key": keys.get(delivery, "")})
        self._tell_gate(what)
        if self.connector.mode is Mode.SHADOW and self.batch is not None:
            lane, now, config = self.box.lane, self.desk.now_ms(), self.config.hash
            count(self.store, what, self.seen, self.letter, lane=lane, now=now, config=config)

    def _tell_gate(self, what: Settlement) -> None:
        about: dict[str, str] = what.hold.get("about", {}) if what.held else {}
        match what.verdict:
            case "shut" if about:
                why = str(what.hold["why"])
                log.error("%s is held for one cause, %s: %s", self.connector.name, what.gate, why)
                self.desk.held(self.connector, what.gate, {**about, "message": why})
                self._record("hold", what.gate, **about)
            case "shut" if what.gate == BRAKE_GATE:
                log.error("%s creates nothing more: %s", self.connector.name, what.why)
                self.desk.held(self.connector, what.gate, {"error": "Brake", "cause": what.gate, "message": what.why})
                self._record("brake", what.gate)
            case "failed" if what.hold or what.canary:
                log.warning("%s stays held: %s let one through, and it failed", self.connector.name, what.gate)
            case "shut" | "held" | "failed":
                log.info("%s: %s waits behind %s", self.connector.name, self.box.subject, what.gate)
            case "opened":
                log.warning("%s: %s opens: one got through", self.connector.name, what.gate)
                self._record("open", what.gate)
            case _:
                pass

    def _record(self, action: str, gate: str, **more: str) -> None:
        row = {"action": action, "connector": self.connector.name, "gate": gate, "actor": "worker", **more}
        self.desk.record({"at": self.desk.now().isoformat(), **row})


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
