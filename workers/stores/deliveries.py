"""Hold the deliveries of one connector: every transition one script, every view one look.

The protocol (doorbells, slots, turns, fencing) is explained in ``docs/delivery.md``; the keys in
`workers.stores.keys`; what each script promises at its head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final, NamedTuple

import orjson
from redis import Redis

from connector.event import Kind
from workers.stores.conflicts import Conflicts
from workers.stores.keys import DAY_MS, FORMAT, INTENT_DAYS, connector_tag
from workers.stores.linking import Linking
from workers.stores.losses import Losses
from workers.stores.marks import Marks
from workers.stores.mending import Mending
from workers.stores.records import Bell, Box, Claim, Intent, Letter, Settlement, UnknownFormat, bells_of, unpack_link
from workers.stores.scripts import Command, NoScriptError, run, run_all, run_beside
from workers.stores.shadows import Shadows
from workers.stores.views import Views

_numbers: Final = count(1)
"""Numbers of the turns of this process."""

_COLLAPSE: Final = orjson.dumps(sorted(kind.value for kind in Kind if kind.is_state))
"""The kinds of event that may be collapsed into a later one."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The timing of the protocol, in ms; tests shrink it.

    ``ring``: how long a doorbell may be unanswered before its slot is given to another; ``slot``: how
    long a turn lives without a sign of life (each step renews it, and each scan of the process that runs
    it); ``scan``: least time between scans.  ``crashes``: deaths in quarantine until a letter is dead.
    """

    ring: int = 20_000
    slot: int = 15_000
    scan: int = 200
    crashes: int = 5


class Scan(NamedTuple):
    """What a scan did: subjects ``freed`` of dead turns, subjects become ``due``, bells to ring.

    ``isolate``: suspects wait, and the caller is the one to start a quarantine.  ``buried``: ids of
    letters that died of having ended their process too often.
    """

    freed: int
    due: int
    bells: tuple[Bell, ...]
    isolate: bool = False
    buried: tuple[str, ...] = ()


class Signs(NamedTuple):
    """What a process tells when it scans.

    ``running``: its turns of this connector, whose slots are renewed.  ``died``: names (nonces) of processes
    that it knows to be gone.  ``able``: it could start a quarantine.
    """

    running: Sequence[str] = ()
    died: Sequence[str] = ()
    able: bool = True


@dataclass(frozen=True, slots=True)
class Accepted:
    """Say what an accept did: bells to ring, the write count, and an outcome per delivery.

    An outcome is ``accepted``, ``duplicate``, ``revived`` or ``filtered``.
    """

    outcomes: tuple[str, ...]
    bells: tuple[Bell, ...]
    writes: int


@dataclass(frozen=True, slots=True)
class Fresh:
    """A delivery to accept.  ``life`` is how long, in ms, its source may send it again."""

    id: str
    event: str
    entity: str
    kind: str
    key: str
    body: bytes
    lane: str = "live"
    life: int = 7 * DAY_MS
    follows: bool = False
    """Take it only where its entity is linked already, or is about to be."""
    expected: bool = False
    """A poll brings it, and its webhook should too; see `Deliveries.count_missed`."""


class Deliveries(Conflicts, Linking, Losses, Mending, Shadows, Views):
    """The books of one connector."""

    def __init__(
        self,
        client: Redis,
        uid: str,
        *,
        concurrency: int = 4,
        pace: Pace | None = None,
        clock: Callable[[], int] | None = None,
        nonce: str = "p",
        blocks: bool = False,
        marks: Marks | None = None,
    ) -> None:
        """``clock`` returns ms and is given by tests only; without it the server's time counts.

        ``blocks``: a dead letter keeps back what comes after it.  ``marks`` remember how far these books had
        come, for the whole process.  ``nonce`` names the process: no two that may meet have the same.
        """
        # redis-py types every answer as str | bytes; ours are bytes (decode_responses is off).
        self.client: Any = client
        self.uid = uid
        self.tag = connector_tag(uid)
        self.concurrency = concurrency
        self.pace = pace or Pace()
        self._clock = clock
        self._nonce = nonce
        self.blocks = blocks
        self.marks = marks if marks is not None else Marks()
        self._unbraked = False
        """The brake is known to be over: it need not be told any more."""

    # --- the protocol ------------------------------------------------------------------------------
    def head(self) -> tuple[Any, ...]:
        """Return the arguments that every script starts with."""
        limit = f"{self.concurrency}:{self.marks.of(self.uid)}"
        return (self._clock() if self._clock else "", limit, self.pace.ring, self.pace.slot)

    def _run(self, name: str, *arguments: Any) -> Any:
        return run(self.client, name, self.tag, *self.head(), *arguments)

    def _run_beside(self, name: str, commands: Sequence[Command], *arguments: Any) -> tuple[Any, list[Any]]:
        return run_beside(self.client, name, self.tag, (*self.head(), *arguments), commands)

    def accept_arguments(
        self,
        fresh: Sequence[Fresh],
        *,
        revive: bool = False,
        cursor: tuple[str, Mapping[str, Any]] | None = None,
    ) -> tuple[Any, ...]:
        """Return the arguments of ``accept``, for a caller that pipelines it."""
        flat: list[Any] = []
        for one in fresh:
            flat += (
                one.id,
                one.event,
                one.entity,
                one.kind,
                one.lane,
                one.key,
                one.life,
                one.follows + 2 * one.expected,
                one.body,
            )
        field, value = (cursor[0], orjson.dumps(cursor[1])) if cursor else ("", "")
        return (*self.head(), "1" if revive else "0", field, value, *flat)

    def accept(
        self,
        fresh: Sequence[Fresh],
        *,
        revive: bool = False,
        cursor: tuple[str, Mapping[str, Any]] | None = None,
    ) -> Accepted:
        """Store deliveries, each once; with ``cursor`` (field, value) move it in the same commit."""
        return self.accepted(
            run(self.client, "accept", self.tag, *self.accept_arguments(fresh, revive=revive, cursor=cursor)),
        )

    def accepted(self, answer: Any) -> Accepted:
        """Read the answer of ``accept``."""
        writes, outcomes, *bells = answer
        self.marks.saw(self.uid, writes)
        return Accepted(tuple(one.decode() for one in outcomes), tuple(bells_of(bells)), writes)

    def new_turn(self, *, alone: bool = False) -> str:
        """Name a turn that is about to begin; ``alone`` is one of the quarantine."""
        return f"{'q' if alone else 't'}{next(_numbers)}-{self._nonce}"

    def begin(
        self, token: str, *, turn: str = "", subjects: int = 1, letters: int = 50, beside: Sequence[Command] = ()
    ) -> Claim:
        """Trade a doorbell's token for a turn and take ready subjects into it.

        Where the status is not ``work`` there is no turn: nothing to do, closed, or no free slot (``full``).
        ``turn`` is a name by `new_turn`.  ``beside`` are commands that are asked in the same round trip.
        """
        turn = turn or self.new_turn()
        arguments = (token, turn, subjects, letters)
        if not beside:
            return replace(_claim(self._run("begin", *arguments)), turn=turn)
        got, answers = self._run_beside("begin", beside, *arguments)
        return replace(_claim(got), turn=turn, beside=tuple(answers))

    def isolate(self, *, turn: str = "") -> Claim:
        """Begin a turn of the quarantine with the first suspect, unless there is one (``full``)."""
        turn = turn or self.new_turn(alone=True)
        return replace(_claim(self._run("isolate", turn)), turn=turn)

    def intend(
        self,
        turn: str,
        subject: str,
        effect: str,
        *,
        action: str,
        delivery: str,
        request: str,
        deadline: int,
        resend: bool = False,
        sets: Sequence[str] = (),
        doubt: str = "",
        together: tuple[str, Sequence[str]] | None = None,
        brake: tuple[int, int] | None = None,
        life: int = INTENT_DAYS * DAY_MS,
    ) -> Intent:
        """Announce a write.  ``deadline``: ms from now after which its bytes can no longer arrive.

        ``sets``: the fields of an update; until it is done or forgotten, letters of the entity come
        with them as their field ``unsure``.  ``doubt`` is that of the letter (its field of this name) where
        the same may have been sent in a time that the store has forgotten.
        ``together``: (text, deliveries): the write tells all of them, which is noted in their field ``batch``.
        ``brake``: (creations, within ms) of a connector; counted are those whose action is ``create``.
        """
        got = self._run(
            "intent",
            turn,
            subject,
            effect,
            action,
            delivery,
            request,
            deadline,
            life,
            "1" if resend else "0",
            orjson.dumps(list(sets)).decode() if sets else "",
            doubt,
            together[0] if together else "",
            f"{brake[0]}:{brake[1]}" if brake and action == "create" and not self._unbraked else "",
            *(together[1] if together else ()),
        )
        intent = Intent.of(got)
        if intent.answer == "go":
            self.marks.saw(self.uid, int(got[1]))
            self._unbraked = self._unbraked or got[2] == b"over"
        return intent

    def settle(self, turn: str, subject: str, what: Settlement, *, claim: int = 0, letters: int = 50) -> Claim | None:
        """Write down what became of a subject; None when it is no longer this turn's.

        With ``claim`` the next subjects come back in the same round trip; without, an empty claim
        of status ``ok``.  What the books made of a cause or of a canary stands in ``what`` afterwards
        (`Settlement.verdict`, ``gate``).
        """
        got = self._run("settle", turn, subject, what.pack(), claim, letters)
        if got[0] == b"stale":
            return None
        _, writes, verdict, gate, *claimed = got
        self.marks.saw(self.uid, int(writes))
        what.verdict, what.gate = verdict.decode(), gate.decode()
        return _claim(claimed) if claimed else Claim("ok")

    def end(self, turn: str) -> Bell | None:
        """End a turn; what it holds goes back; the bell it returns must be rung."""
        return next(bells_of([self._run("end", turn)]), None)

    def scan_arguments(self, signs: Signs) -> tuple[Any, ...]:
        """Return the arguments of ``scan``, for a caller that pipelines it."""
        running, died = orjson.dumps(list(signs.running)), orjson.dumps(list(signs.died))
        return (self.pace.crashes, self.pace.scan, int(self.blocks), int(signs.able), _COLLAPSE, running, died)

    def scan(self, signs: Signs | None = None) -> Scan:
        """Put right what crashes and time left behind."""
        return _scan(self._run("scan", *self.scan_arguments(signs or Signs())))

    def close(self, until: int, why: str) -> Bell | None:
        """Close the connector until ``until`` (ms; 0 opens it)."""
        return next(bells_of([self._run("close", until, why)]), None)

    def hush(self, until: int) -> None:
        """Ring no doorbell until ``until`` (ms): its limits leave no room for more turns than there are."""
        self._run("close", until, "", "1")

    def shut_lane(self, lane: str, until: int) -> None:
        """Leave a lane (replay or backfill) alone until ``until`` (ms): its part of the limits is used up."""
        self._run("close", until, "", lane)

    def landed_late(self, entity: str, fields: Sequence[str], *, effects: Sequence[str] = ()) -> int:
        """Believe the base of a source entity no more about these fields; count effects that may stand twice, once."""
        return int(self._run("late", entity, orjson.dumps(list(fields)).decode(), *effects))

    # --- marks --------------------------------------------------------------------------------------
    def claim_alerts(self, span: int) -> bool:
        """Win the right to tell the owner; nobody else does for ``span`` ms."""
        return bool(self.client.set(self.tag + "alerting", "1", px=max(1, span), nx=True))

    def remember_alert(self, key: str, record: bytes | None) -> None:
        """Remember what the owner has been told of a cause; None forgets it."""
        if record is None:
            self.client.hdel(self.tag + "alerted", key)
        else:
            self.client.hset(self.tag + "alerted", key, record)

    def claim_poll(self, span: int) -> bool:
        """Win the right to poll; nobody else does for ``span`` ms, so a doubled tick is harmless."""
        return bool(self.client.set(self.tag + "polling", "1", px=max(1, span), nx=True))

    def count_missed(self, older: int) -> int:
        """Count what polls brought more than ``older`` ms ago and no webhook has brought since; returns how many."""
        return int(self._run("missed", older))

    def enter(self, *, known_for: int = 0) -> None:
        """Enter the connector in the books; raises `UnknownFormat` where its records are of a newer version.

        ``known_for``: ms for which this process has known it; polls read from then on.
        """
        found, _, writes = (int(one) for one in self._run("enter", FORMAT, known_for))
        self._unbraked = False
        self.marks.saw(self.uid, writes)
        if found > FORMAT:
            message = f"connector {self.uid!r} was written by a newer version (format {found}, this one knows {FORMAT})"
            raise UnknownFormat(message)


def look_at_all(client: Redis, books: Sequence[Deliveries]) -> list[Deliveries]:
    """See in one round trip how far each connector's books have come; returns those that are halted.

    Books that are behind what this process knows are told so, which halts them.
    """
    known = [one.marks.of(one.uid) for one in books]
    pipeline = client.pipeline(transaction=False)
    for one in books:
        pipeline.hmget(one.tag + "meta", ["w", "halted"])
    halted = []
    for one, before, (writes, why) in zip(books, known, pipeline.execute(), strict=True):
        one.marks.saw(one.uid, int(writes or 0))
        if int(writes or 0) < before:
            one.enter()
            halted.append(one)
        elif why is not None:
            halted.append(one)
    return halted


def scan_all(client: Redis, books: Sequence[Deliveries], signs: Sequence[Signs] = ()) -> list[Scan]:
    """Scan many connectors in one round trip; see `Deliveries.scan`.  ``signs``: of each of them, or of none."""
    if not books:
        return []
    told = signs or [Signs()] * len(books)
    calls = [("scan", one.tag, (*one.head(), *one.scan_arguments(mine))) for one, mine in zip(books, told, strict=True)]
    try:
        return [_scan(answer) for answer in run_all(client, calls)]
    except NoScriptError:
        return [one.scan(mine) for one, mine in zip(books, told, strict=True)]


def _scan(answer: Any) -> Scan:
    freed, due, isolate, buried, *bells = answer
    return Scan(freed, due, tuple(bells_of(bells)), bool(isolate), tuple(one.decode() for one in buried))


def _claim(got: Sequence[Any]) -> Claim:
    status, open_at, *boxes = got
    return Claim(status.decode(), int(open_at), tuple(_box(row) for row in boxes))


def _box(row: Sequence[Any]) -> Box:
    subject, lane, links, *letters = row
    return Box(
        subject=subject.decode(),
        lane=lane.decode(),
        links={links[i].decode(): unpack_link(links[i + 1]) for i in range(0, len(links), 2)},
        letters=tuple(
            Letter.of(
                one[0].decode(),
                one[1],
                {one[i].decode(): one[i + 1].decode("utf-8", "replace") for i in range(2, len(one), 2)},
            )
            for one in letters
        ),
    )
