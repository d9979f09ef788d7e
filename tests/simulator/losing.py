"""Play histories in which the store is put back to an older copy of itself, at any step and under live workers.

The rest of the world is not put back: vendors hold what was written, processes go on with what they knew, doorbells
and webhooks are on their way.  In the end everything must have arrived, once.

python -m tests.simulator.losing --number 2000 --seed 1
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from random import Random
from typing import Any

from connector.config import Config, Connector
from tests.simulator.history import MOVES
from tests.simulator.judge import judge
from tests.simulator.process import Process
from tests.simulator.stage import Broken
from tests.simulator.world import World
from workers.poller import OWED
from workers.recovery import recover
from workers.stores.deliveries import Deliveries, look_at_all
from workers.stores.marks import Marks

Copy = dict[bytes, tuple[bytes, int]]


class Watchful(Process):
    """A process that looks after each scan how far the books have come, as a worker does once a second."""

    def __init__(self, world: Losing, name: str, config: Config, *, skew: int, known: Mapping[str, int]) -> None:
        """``known``: what earlier processes have left in the file of the home."""
        super().__init__(world, name, config, skew=skew)
        self.marks = Marks()
        for uid, writes in known.items():
            self.marks.saw(uid, writes)

    def books(self, connector: Connector) -> Deliveries:
        found = super().books(connector)
        found.marks = self.marks
        return found

    def scan(self) -> None:
        super().scan()
        self.spawn("recovery", self._recover)

    def _recover(self) -> None:
        connectors = list(self.config.connectors.values())
        books = {connector.uid: self.books(connector) for connector in connectors}
        halted = {one.uid for one in look_at_all(self.wire, list(books.values()))}
        for connector in connectors:
            if connector.uid in halted:
                recover(self.desk, self.inbox, connector)


class Losing(World):
    """A world whose store can be put back."""

    def __init__(self, seed: int, town: str = "chain", **more: Any) -> None:
        self.copy: Copy = {}
        self.copied = 0
        self.held: tuple[dict[Any, str], dict[Any, str]] = ({}, {})
        self.losses = 0
        self.file = Marks()
        super().__init__(seed, town, **more)

    def _process(self) -> Process:
        self.born += 1
        skew = 0 if self.calm else self.dice.choice((0, 0, -1500, 1500))
        return Watchful(self, f"p{self.born}", self.config(), skew=skew, known=self.file.all())

    def crash(self, pick: int) -> None:
        # Its last second is written, too: what the file may lack then is a known weakness, and not looked for here.
        dying = self.processes[pick % len(self.processes)]
        assert isinstance(dying, Watchful)
        for uid, writes in dying.marks.all().items():
            self.file.saw(uid, writes)
        super().crash(pick)

    def remember(self) -> None:
        """Copy the store as it is."""
        client: Any = self.server.client
        self.copy = {key: (client.dump(key), client.pttl(key)) for key in client.keys("*")}
        self.copied = len(self.witness.place)
        self.held = (dict(self.witness.holder), dict(self.witness.reader))

    def go_back(self) -> None:
        """Put the store back to the copy."""
        if not self.copy:
            return
        client: Any = self.server.client
        client.flushall()
        for key, (value, life) in self.copy.items():
            client.restore(key, max(0, life), value)
        self.losses += 1
        # Who loses the store reads the file of the home and lets others look first (`Wiring.look_first`).
        for process in self.processes:
            assert isinstance(process, Watchful)
            for uid, writes in process.marks.all().items():
                self.file.saw(uid, writes)
        for process in self.processes:
            assert isinstance(process, Watchful)
            for uid, writes in self.file.all().items():
                process.marks.saw(uid, writes)
        # What was accepted since may come in again, in another order: nobody can say any more which was first.
        again = [mark for mark, place in self.witness.place.items() if place >= self.copied]
        for mark in again:
            del self.witness.place[mark]
        self.witness.died |= {*again, *self.witness.place}
        self.witness.holder, self.witness.reader = dict(self.held[0]), dict(self.held[1])
        self.witness.failures.clear()

    def quiet(self) -> bool:
        books = [self.outside(name) for name in self.config().connectors]
        return super().quiet() and not any(one.halt() or one.cursor(OWED) for one in books)


def play(seed: int, *, moves: int = 60, told: Callable[[str], None] | None = None) -> Losing:
    """Play the history of a seed to its end; raises `Broken`."""
    rnd = Random(seed)
    town = rnd.choice(("chain", "chain", "ring"))
    world = Losing(rnd.getrandbits(32), town, index_lag=timedelta(seconds=rnd.choice((0, 0, 20, 90))))
    world.vendors.open()
    names, weights = list(MOVES), [weight for weight, _ in MOVES.values()]
    chosen = rnd.choices(names, weights, k=moves)
    back = sorted(rnd.sample(range(moves // 6, moves), 2))
    for number, name in enumerate(chosen):
        if told:
            told(f"{number} {name}: {[(thread.name, thread.where) for _, thread in world.able()]}")
        if number == back[0]:
            world.remember()
        MOVES[name][1](world, rnd)
        if number == back[1]:
            world.go_back()
        world.check()
    world.heal()
    world.check()
    world.stays_quiet()
    if any(world.outside(name).tally()["restored"] for name in world.config().connectors):
        # What came in again is told in the order in which it happened, not in that of its acceptance.
        world.witness.place.clear()
    if not world.vendors.landed_late:
        # What lands beyond every deadline may bring back a text that was edited since.
        judge(world)
    return world


def main() -> None:
    """Play ``--number`` histories from ``--seed`` on; end with 1 at the first that breaks a promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--tell", action="store_true")
    parser.add_argument("--keep-going", action="store_true")
    asked = parser.parse_args()
    broken = noticed = 0
    for seed in range(asked.seed, asked.seed + asked.number):
        try:
            world = play(seed, moves=asked.moves, told=print if asked.tell else None)
        except Broken as error:
            broken += 1
            sys.stdout.write(f"broken: seed {seed}: {str(error)[:1500]}\n")
            sys.stdout.flush()
            if not asked.keep_going:
                sys.exit(1)
            continue
        noticed += any(world.outside(name).tally()["restored"] for name in world.config().connectors)
    sys.stdout.write(f"{asked.number} histories, {noticed} losses noticed, {broken} broken\n")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
