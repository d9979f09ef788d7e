"""Be one process: receiver, worker threads, scanner and poller of the product, over doors that stop at every step."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector.config import Config, Connector
from connector.errors import ConnectorError, Retryable, Untrusted
from connector.ports import Request, Response, Site
from connector.registry import SYSTEMS
from connector.system import Inbound
from tests.simulator.server import Wire
from tests.simulator.stage import Own, Stage
from tests.simulator.towns import SECRETS
from tests.simulator.vendors import Waiting
from tests.systems.direct import reveals
from workers.clock import StoreClock
from workers.delivery import run_turn
from workers.desk import Desk
from workers.inbox import Inbox
from workers.limits import Limiter
from workers.poller import poll
from workers.quarantine import work_off
from workers.scanner import carry_on, scan
from workers.stores.connections import Connections
from workers.stores.deliveries import Deliveries
from workers.stores.envelopes import Envelopes
from workers.stores.records import Bell
from workers.tools import tools
from workers.transport import LEAST
from workers.wiring import Remembered

if TYPE_CHECKING:
    from tests.simulator.world import World

_TOOLS = tools()
_REVEAL = reveals(SECRETS)


class Ward:
    """A quarantine in a thread of its process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._busy = False

    def able(self) -> bool:
        return not self._busy

    def start(self) -> None:
        def run() -> None:
            try:
                work_off(self._process.desk)
            finally:
                self._busy = False

        self._busy = True
        self._process.spawn("quarantine", run)

    def died(self) -> tuple[str, ...]:
        return ()

    def reported(self, _names: Sequence[str], /) -> None:
        return


class Process:
    """A process of the product; what it must not share with others is made here."""

    def __init__(self, world: World, name: str, config: Config, *, skew: int = 0) -> None:
        """``skew``: ms by which its wall clock is wrong."""
        self.world, self.name, self.config, self.skew = world, name, config, skew
        self.stage = Stage()
        self.frozen_until = 0.0
        self.wire = Wire(world.server, self.stage, world.witness.saw, twice=world.twice)
        self.now = StoreClock(self.read_clock, self.ticks, self.wall)
        self._books: dict[tuple[str, int, bool], Deliveries] = {}
        self._limiters: dict[str, Limiter] = {}
        self._memories: dict[str, Remembered] = {}
        self.desk = Desk(
            config=lambda: self.config,
            systems=SYSTEMS,
            tools=_TOOLS,
            deliveries=self.books,
            connections=Connections(self.wire, clock=world.store_ms),
            site=self.site,
            ring=self.ring,
            record=world.audit.append,
            now=self.now,
            ticks=self.ticks,
            jitter=world.dice.random,
            quarantine=Ward(self),
        )
        self.inbox = Inbox(
            config=lambda: self.config,
            systems=SYSTEMS,
            tools=_TOOLS,
            deliveries=self.books,
            envelopes=Envelopes(self.wire),
            ring=self.ring,
        )

    # --- the doors ----------------------------------------------------------------------------------------
    def wall(self) -> datetime:
        return datetime.fromtimestamp((self.world.ms + self.skew) / 1000, UTC)

    def read_clock(self) -> int:
        self.stage.pause("time<")
        told = self.world.store_ms()
        self.stage.pause("time>")
        return told

    def ticks(self) -> float:
        return self.world.ms / 1000

    def books(self, connector: Connector) -> Deliveries:
        key = (connector.uid, connector.concurrency, connector.on_dead == "block")
        if key not in self._books:
            self._books[key] = Deliveries(
                self.wire,
                connector.uid,
                concurrency=connector.concurrency,
                pace=self.world.pace,
                clock=self.world.store_ms,
                nonce=f"{self.name}",
                blocks=key[2],
            )
        return self._books[key]

    def ring(self, connector: Connector, bells: Sequence[Bell]) -> None:
        self.stage.pause("ring")
        self.world.ring(connector.name, bells)

    def site(self, connection: str, until: float) -> Site:
        system = SYSTEMS[self.config.connections[connection].system]
        if connection not in self._limiters:
            self._limiters[connection] = self.world.limiter(
                connection,
                system.limits(self.config.connections[connection].settings),
                Connections(self.wire, clock=self.world.store_ms),
                self.ticks,
                lambda seconds: self.stage.pause("token", until=self.world.ms + seconds * 1000),
                system.headroom,
            )
            self._limiters[connection]._mine = Own(probing=False, buckets=())  # type: ignore[assignment]
            self._memories[connection] = Remembered(self.ticks)
        limiter = self._limiters[connection]

        def send(request: Request) -> Response:
            self.stage.pause(f"{connection} {request.method}<")
            self._still(until)
            limiter.take(request)
            self._still(until)
            # From this look at the clock to the bytes on the wire nothing stops: what a freeze just here does is
            # the fault "too_late".
            answer: Response | None = None
            error: ConnectorError | None = None
            try:
                answer = self.world.vendors.call(connection, request, until * 1000)
            except ConnectorError as raised:
                error = raised
                error.connection = connection
                raise
            finally:
                self.stage.pause(f"{connection} {request.method}>")
                limiter.learn(request, answer, error)
            return answer

        return Site(
            connection,
            self.config.connections[connection].settings,
            send,
            self.now,
            instance=self.config.instance,
            memory=self._memories[connection],
        )

    def _still(self, until: float) -> None:
        if until - self.ticks() < LEAST:
            raise Retryable("the lease ends too soon for another call", sent=False, cause="lease")

    # --- what its threads do ----------------------------------------------------------------------------------
    def spawn(self, name: str, run: Callable[[], object]) -> None:
        self.stage.spawn(f"{self.name}: {name}", run)

    def answer(self, connector: str, token: str) -> None:
        """Answer a doorbell."""
        self.spawn(f"turn of {connector}", lambda: run_turn(self.desk, connector, token))

    def scan(self) -> None:
        def round_() -> None:
            scan(self.desk)
            carry_on(self.desk)
            for limiter in list(self._limiters.values()):
                limiter.give_back()

        self.spawn("scan", round_)

    def readmit(self) -> None:
        def leftovers() -> None:
            for connection in self.config.connections:
                self.inbox.readmit(connection, older=timedelta(0))

        self.spawn("readmit", leftovers)

    def poll(self, connector: str) -> None:
        self.spawn(f"poll of {connector}", lambda: poll(self.desk, self.inbox, self.config.connectors[connector]))

    def receive(self, waiting: Waiting, taken: Callable[[], None]) -> None:
        """Take a webhook in; ``taken`` is called where its sender gets a 2xx."""

        def take() -> None:
            system = SYSTEMS[self.config.connections[waiting.vendor].system]
            settings = self.config.connections[waiting.vendor].settings
            headers = {name.lower(): value for name, value in waiting.hook.headers.items()}
            inbound = Inbound(headers, waiting.hook.body)
            try:
                trust = self.world.verify(system, settings, inbound, _REVEAL, self.now())
            except Untrusted:
                return
            events = system.receive(waiting.vendor, settings, inbound, trust).events
            if events:
                awaited: Any = _Awaited(self.wire)
                name = _done(self.inbox.envelopes.keep(awaited, waiting.vendor, events))
                self.inbox.accept(events, revive=True)
                self.inbox.envelopes.drop(waiting.vendor, [name])
            taken()

        self.spawn(f"webhook of {waiting.vendor}", take)


class _Awaited:
    """A client whose commands can be awaited: they are done by then."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def hset(self, name: str, key: str, value: bytes) -> Any:
        return self._wire.hset(name, key, value)


def _done(running: Coroutine[Any, Any, str]) -> str:
    """Run what never really waits."""
    try:
        running.send(None)
    except StopIteration as end:
        return str(end.value)
    raise AssertionError("it waits for something")
