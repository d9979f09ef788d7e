"""Run a worker's turn: claim ready subjects of a connector, deliver their letters in order, settle.

A doorbell brings a turn here; the turn ends when the lanes are empty, the time is over, the
connection is closed or the process is told to stop.  One entity failing parks that entity only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from connector.config import Config, Connector
from connector.errors import ConnectorError
from connector.versions import kept, tables
from workers.desk import Desk
from workers.resting import rest_of
from workers.stores import versions
from workers.stores.connections import State
from workers.stores.deliveries import Deliveries
from workers.stores.records import Claim, Settlement
from workers.together import Together, group_of
from workers.work import Work

log = logging.getLogger("connector.delivery")


@dataclass(slots=True)
class Turn:
    """What a turn did, for its log line and for Flower."""

    delivered: int = 0
    skipped: int = 0
    failed: int = 0
    dead: int = 0
    ended: str = ""

    def add(self, what: Settlement) -> None:
        """Count what a settlement did."""
        for _, outcome, _ in what.settle:
            if outcome == "delivered":
                self.delivered += 1
            else:
                self.skipped += 1
        if not what.held:
            self.dead += len(what.bury)
            self.skipped += len(what.swallow)
        self.failed += len(what.failed) + what.held

    @property
    def worked(self) -> bool:
        """Whether anything became of any letter."""
        return bool(self.delivered or self.skipped or self.failed or self.dead)

    def join(self, other: Turn) -> None:
        """Add what another turn did."""
        self.delivered += other.delivered
        self.skipped += other.skipped
        self.failed += other.failed
        self.dead += other.dead


def run_turn(desk: Desk, name: str, token: str) -> Turn:
    """Answer one doorbell of connector ``name``, which may be a former one; returns what was done."""
    config = desk.config()
    connector = config.called(name)
    if connector is None:
        return Turn(ended="no such connector")
    store = desk.deliveries(connector)
    ends = (connector.target.connection, connector.source.connection)

    def begin(turn: str) -> tuple[Claim, dict[str, State]]:
        # One round trip for both: an event that comes alone waits for each of them.
        claim = store.begin(token, turn=turn, beside=desk.connections.asking(*ends))
        return claim, desk.connections.told(claim.beside, *ends)

    with desk.working(connector.uid):
        return _run(desk, config, connector, store, turn=store.new_turn(), begin=begin)


def run_alone(desk: Desk, name: str) -> Turn:
    """Try the suspects of connector ``name``, one letter at a time; `workers.quarantine` says where."""
    config = desk.config()
    connector = config.called(name)
    if connector is None:
        return Turn(ended="no such connector")
    store = desk.deliveries(connector)

    def begin(turn: str) -> tuple[Claim, dict[str, State]]:
        # Asked first: what is claimed and not tried must not be accused by whatever happens meanwhile.
        states = desk.connections.states(connector.target.connection, connector.source.connection)
        return store.isolate(turn=turn), states

    with desk.working(connector.uid):
        return _run(desk, config, connector, store, turn=store.new_turn(alone=True), begin=begin)


def _run(
    desk: Desk,
    config: Config,
    connector: Connector,
    store: Deliveries,
    *,
    turn: str,
    begin: Callable[[str], tuple[Claim, dict[str, State]]],
) -> Turn:
    done = Turn()
    told = False
    desk.turns.begin(connector.uid, turn)
    try:
        claim, states = begin(turn)
        if claim.status != "work":
            told, done.ended = True, claim.status
            return done
        try:
            if _may_work(desk, config, connector, store, states):
                _keep_version(desk, config, connector, store)
                _drain(desk, config, connector, store, claim=claim, done=done)
            else:
                done.ended = "closed"
        finally:
            if done.ended not in _OVER or turn.startswith("q"):
                # Whatever happened: what is still held goes back, and what is left is rung for.
                bell = store.end(turn)
                told = True
                if bell:
                    desk.ring(connector, [bell])
    finally:
        desk.turns.end(connector.uid, turn, told=told or done.ended == "empty")
    return done


def _keep_version(desk: Desk, config: Config, connector: Connector, store: Deliveries) -> None:
    """Have the store know by what this turn decides; once for each version that this process works with."""
    known = connector.uid, connector.made_by
    if connector.made_by and known not in desk.versions:
        document = connector.document
        versions.keep(store, connector.made_by, kept(document), tables(document), config=config.hash)
        desk.versions.add(known)


_OVER: Final = frozenset({"empty", "gone"})
"""What a claim says when the slot has been given back in the same script: there is nothing left to end, nor to
ring for; but a turn of the quarantine may have made subjects ready that it does not serve."""


def _drain(desk: Desk, config: Config, connector: Connector, store: Deliveries, *, claim: Claim, done: Turn) -> None:
    turn = claim.turn
    over = desk.ticks() + desk.turn.total_seconds()
    while claim.status == "work":
        works = [Work(desk, config, connector, store=store, turn=turn, box=box) for box in claim.boxes]
        if len(works) > 1:
            works = _together(desk, config, connector, works)
        for place, work in enumerate(works):
            what, shut = work.settle()
            more = not shut and not desk.stopping() and desk.ticks() < over and desk.config() is config
            more = more and not desk.crowded(connector) and rest_of(desk, config, connector) is None
            most = group_of(desk, config, connector) if work.box.lane == "backfill" else 1
            answer = store.settle(turn, work.box.subject, what, claim=most if more else 0)
            if answer is None:
                done.ended = "fenced"
                for left in works[place:]:
                    left.overtaken()
                return
            work.told(what)
            done.add(what)
            if shut:
                _close(desk, connector, store, *shut)
                done.ended = "closed"
                return
            claim = answer
            if not more:
                break  # what is still held goes back when the turn ends
    done.ended = done.ended or claim.status


def _together(desk: Desk, config: Config, connector: Connector, works: list[Work]) -> list[Work]:
    """Let the creates among the works of a backlog go with one call; returns the works in the order to take them."""
    target = desk.system_of(config, connector.target.connection).target
    # What cannot be prepared soon goes alone: the lease is not renewed before something is announced.
    enough = desk.ticks() + desk.call.total_seconds() / 3
    ahead = [work for work in works if not work.connector.turned]
    creates = [(work, create) for work in ahead if desk.ticks() < enough and (create := work.prepare()) is not None]
    if target is None or len(creates) < 2:
        return works
    site = works[0].calls(connector.target.connection, desk.ticks() + desk.call.total_seconds())
    together = Together(target, connector.target.settings, site)
    first = [work for work, (pen, change) in creates if together.add(pen, change)]
    return [*first, *(work for work in works if work not in first)]


def _may_work(desk: Desk, config: Config, connector: Connector, store: Deliveries, states: Mapping[str, State]) -> bool:
    """Judge by the truth about both connections; copy a closing into the connector."""
    if (rest := rest_of(desk, config, connector)) is not None:
        _close(desk, connector, store, rest.closed_until(desk.now_ms()), rest.why)
        return False
    for name, state in states.items():
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


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
