"""Write one change exactly once: announce it, send it, and after an unknown outcome look before sending again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import orjson

from connector.errors import ConnectorError, RateLimited, Retryable, Scope
from connector.event import Entity
from connector.ports import Request, Response, Site
from connector.system import Absent, Action, Change, Target, Written
from workers.batch import Batch
from workers.stores.deliveries import Deliveries
from workers.stores.keys import DAY_MS
from workers.stores.records import Intent, Settlement

ADDS: Final = frozenset({Action.CREATE, Action.COMMENT})
"""Actions that add something: done twice they double it, so they are looked up by marker."""

EFFECT_LIFE: Final = 400 * DAY_MS
"""How long the record of an added thing is kept: edits of a comment need to know its copy."""

LOOKS: Final = (timedelta(seconds=2), timedelta(seconds=10), timedelta(seconds=60), timedelta(minutes=5))
"""When an unknown write is looked for again while its absence does not yet mean anything."""


class Fenced(Exception):
    """The subject is no longer this turn's: nothing more may be written on its behalf."""


class Braked(Exception):
    """The connector is new and has created as much as it may until a person confirms."""


class Unsent(Exception):
    """A digest that was announced was never sent, and some of its letters are elsewhere: the rest is combined anew."""


class Together(Protocol):
    """Changes of several deliveries that go with one call; see `workers.together`."""

    def outcome(self, change: Change, /) -> Written | ConnectorError | None:
        """Return what became of a change; None for one that is not among them, or was not sent."""
        ...


def is_unknown(error: ConnectorError) -> bool:
    """Tell whether what was sent may have been done although it failed."""
    return isinstance(error, Retryable) and error.sent


@dataclass(slots=True)
class Pen:
    """Writes the changes of one delivery; what is to be settled gathers in ``book``.

    Everything but the last change is settled (kept) before the next one is announced, so that a crash
    between two changes repeats neither.
    """

    store: Deliveries
    turn: str
    subject: str
    delivery: str
    site: Site
    target: Target
    settings: Any
    budget: timedelta
    book: Settlement
    batch: Batch | None = None
    brake: tuple[int, int] | None = None
    """Creations until a person must confirm, and for how long they are counted, in ms."""
    together: Together | None = None
    """Sends what this and others announced with one call."""
    sent: list[Change] = field(default_factory=list)
    """What may have left and is not in the books yet."""

    def write(self, change: Change, *, doubt: str = "") -> tuple[Written, bool]:
        """Perform a change; returns what it left, and False where nothing had to be done for it.

        What is in ``doubt`` (see `Deliveries.intend`) is looked for before it is added, although no send is known.
        Raises `Fenced`, `Braked`, `Unsent` or a `ConnectorError`.
        """
        self._keep()
        if self.together is not None and (outcome := self.together.outcome(change)) is not None:
            return self._of_many(change, outcome), True
        intent = self._announce(change, resend=False, doubt=doubt if change.action in ADDS else "")
        if intent.answer == "done" and change.action is not Action.UPDATE:
            return _remembered(intent), False
        if intent.answer == "unknown":
            found = self._resolve(change, intent)
            if found is not None:
                return self._done(change, found), True
            if (batch := self._digest(change)) and not batch.whole:
                self.book.forget.append(change.effect)
                self._keep()
                raise Unsent
            self._announce(change, resend=True)
            # Where the target holds it already, it was the earlier send that brought it.
            return self._done(change, self._send(change)), True
        written = self._send(change)
        return self._done(change, written), written.fresh

    # --- one of many ----------------------------------------------------------------------------------------
    def announce(self, change: Change) -> bool:
        """Announce a change that is sent together with others; False where an earlier send must be seen to first."""
        self._keep()
        return self._announce(change, resend=False).answer == "go"

    def record(self, change: Change, written: Written) -> None:
        """Write down what was done of many before anything else is done; raises `Fenced`."""
        self._done(change, written)
        self._keep()

    def withdraw(self, change: Change) -> None:
        """Write down that a change was not sent after all; raises `Fenced`."""
        self.book.forget.append(change.effect)
        self._keep()

    def _of_many(self, change: Change, outcome: Written | ConnectorError) -> Written:
        if not isinstance(outcome, ConnectorError):
            return outcome
        if not is_unknown(outcome):
            self.book.forget.append(change.effect)
        raise outcome

    def _announce(self, change: Change, *, resend: bool, doubt: str = "") -> Intent:
        intent = self.store.intend(
            self.turn,
            self.subject,
            change.effect,
            action=change.action,
            delivery=self.delivery,
            request=_digest(change),
            deadline=int(self.budget.total_seconds() * 1000),
            resend=resend,
            sets=sorted(change.fields) if change.action is Action.UPDATE else (),
            doubt=doubt,
            brake=self.brake,
            together=(batch.name, [one.id for one in batch.letters]) if (batch := self._digest(change)) else None,
        )
        if intent.answer == "stale":
            raise Fenced
        if intent.answer == "braked":
            raise Braked
        return intent

    def _digest(self, change: Change) -> Batch | None:
        """Return the digest that a change is; None where it is another."""
        batch = self.batch
        if batch is None or batch.digest is None or change.marker.effect != batch.effect:
            return None
        return batch

    def _send(self, change: Change) -> Written:
        answered: list[Request] = []
        self.sent.append(change)

        def send(request: Request, /) -> Response:
            response = self.site.send(request)
            if request.writes:
                answered.append(request)
            return response

        try:
            return self.target.write(replace(self.site, send=send), self.settings, change)
        except ConnectorError as error:
            # A refusal is an answer: the target did not do it.  But where a write was taken and only a
            # read after it fails, the thing may be there: it is looked up, not added again.
            if not (is_unknown(error) or (answered and change.action in ADDS)):
                self.sent.remove(change)
                self.book.forget.append(change.effect)
            raise

    def _resolve(self, change: Change, intent: Intent) -> Written | None:
        """Find out whether an earlier send landed; None says: not, and it may be sent again."""
        now = self.site.now()
        if change.action not in ADDS:
            # Setting a value twice is harmless; an update reads the target and does what is missing.
            return None
        deadline = datetime.fromtimestamp(intent.deadline / 1000, UTC)
        if now < deadline:
            raise _look_later(deadline - now)
        first = datetime.fromtimestamp(intent.since / 1000, UTC)
        found = self.target.look_up(self.site, self.settings, change, first)
        if isinstance(found, Absent):
            # Its bytes may have landed as late as the deadline, and the index lags behind that.
            left = deadline + found.settled_in - now
            if found.settled_in and left > timedelta(0):
                step = LOOKS[min(intent.looks, len(LOOKS) - 1)]
                raise _look_later(min(left, step))
            return None
        return found

    def _done(self, change: Change, written: Written) -> Written:
        if change.action is Action.UPDATE:
            # An update has no lasting effect key: the next one differs.
            self.book.forget.append(change.effect)
        else:
            self.book.done.append(
                (change.effect, written.remote, entity_json(written.entity), EFFECT_LIFE),
            )
        return written

    def _keep(self) -> None:
        if not (self.book.done or self.book.links or self.book.forget or self.book.audit):
            return
        # What an earlier attempt wrote makes the delivery *delivered*, even if the last one has nothing left to do.
        wrote = [(self.delivery, {"wrote": "1", "free": "1"})] if self.book.done or self.book.audit else []
        kept = replace(self.book, settle=[], bury=[], failed=wrote, aliases=[], supersede=[], next="keep")
        if self.store.settle(self.turn, self.subject, kept) is None:
            raise Fenced
        self.sent.clear()
        self.book.recorded += self.book.audit
        self.book.done, self.book.links, self.book.forget, self.book.audit = [], [], [], []


def _look_later(wait: timedelta) -> RateLimited:
    return RateLimited(
        "an earlier send may still land; it is looked for again later",
        scope=Scope.ENTITY,
        retry_after=wait,
        cause="unknown_outcome",
        status=None,
    )


def _digest(change: Change) -> str:
    body: Mapping[str, Any] = {"fields": change.fields, "body": change.body, "remote": change.remote}
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def entity_json(entity: Entity) -> str:
    """Return an entity as the record of an effect holds it."""
    return orjson.dumps([entity.connection, entity.type, entity.id, entity.key, entity.url, entity.scope]).decode()


def _remembered(intent: Intent) -> Written:
    return Written(Entity(*orjson.loads(intent.entity)), remote=intent.remote, fresh=False)
