"""Let hypothesis drive the same world: it invents histories, and shrinks one that breaks a promise to its core.

A failing history is printed as the moves that lead to it; ``@reproduce_failure`` (printed too) plays it again.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.simulator.judge import judge
from tests.simulator.vendors import KINDS
from tests.simulator.world import World

EXAMPLES = int(os.environ.get("EXAMPLES", "12"))
PICK = st.integers(0, 7)
STEPS = st.sampled_from((1, 2, 5, 15, 40))
BOTH = st.sampled_from((0, 1))


class Engine(RuleBasedStateMachine):
    """The moves of a world as rules; at the end it heals, everything has arrived once, and stays quiet."""

    world: World

    @initialize(town=st.sampled_from(("chain", "ring")), seed=st.integers(0, 2**16))
    def begin(self, town: str, seed: int) -> None:
        self.world = World(seed, town)
        self.world.vendors.open()

    @rule(deed=st.sampled_from(("open", "rename", "flip", "comment", "edit", "jira")), pick=PICK)
    def deliver(self, deed: str, pick: int) -> None:
        vendors = self.world.vendors
        self.world.wait(1100)
        number = sorted(vendors.titles)[pick % len(vendors.titles)]
        match deed:
            case "open":
                vendors.open()
            case "rename":
                vendors.rename(number)
            case "flip":
                vendors.flip(number)
            case "comment":
                vendors.comment(number)
            case "edit":
                vendors.edit_comment(pick)
            case _:
                vendors.say_in_jira(pick)

    @rule(pick=PICK, by=BOTH)
    def reorder(self, pick: int, by: int) -> None:
        """Any of the waiting webhooks may come next."""
        self.world.carry(pick, by)

    @rule(pick=PICK, by=BOTH)
    def duplicate(self, pick: int, by: int) -> None:
        self.world.carry(pick, by, keep=True)

    @rule(pick=PICK)
    def drop(self, pick: int) -> None:
        self.world.lose(pick)

    @rule(pick=PICK, by=BOTH, keep=st.booleans())
    def answer(self, pick: int, by: int, keep: bool) -> None:
        self.world.answer(pick, by, keep=keep)

    @rule(pick=PICK)
    def lose_bell(self, pick: int) -> None:
        self.world.lose_bell(pick)

    @precondition(lambda self: self.world.able())
    @rule(pick=PICK, steps=STEPS)
    def go(self, pick: int, steps: int) -> None:
        self.world.go(pick, steps)

    @rule(pick=BOTH, steps=st.integers(0, 30))
    def crash_at(self, pick: int, steps: int) -> None:
        self.world.go(pick, steps)
        self.world.crash(pick)

    @rule(pick=BOTH, ms=st.sampled_from((2_000, 60_000)))
    def freeze(self, pick: int, ms: int) -> None:
        self.world.freeze(pick, ms)

    @rule()
    def expire_lease(self) -> None:
        self.world.expire()

    @rule(pick=BOTH)
    def steal_lease(self, pick: int) -> None:
        self.world.steal(pick)

    @rule(ms=st.sampled_from((-30_000, -1_000, 1_000, 50_000)))
    def clock_jump(self, ms: int) -> None:
        self.world.jump(ms)

    @rule(
        kind=st.sampled_from(KINDS),
        vendor=st.sampled_from(("git", "jira", "chat")),
        times=st.integers(1, 3),
        writes=st.booleans(),
    )
    def api_fault(self, kind: str, vendor: str, times: int, writes: bool) -> None:
        self.world.arm(kind, vendor, times, writes=writes)

    @rule(times=st.integers(1, 3))
    def lost_answer(self, times: int) -> None:
        self.world.lost_answers = times

    @rule()
    def replay(self) -> None:
        self.world.replay()

    @rule(pick=BOTH, options=st.integers(0, 3))
    def config_reload(self, pick: int, options: int) -> None:
        self.world.reload(pick, options)

    @rule(by=BOTH)
    def scan(self, by: int) -> None:
        self.world.scan(by)

    @rule(pick=BOTH, by=BOTH)
    def poll(self, pick: int, by: int) -> None:
        self.world.poll(pick, by)

    @rule(ms=st.sampled_from((50, 5_000, 40_000)))
    def wait(self, ms: int) -> None:
        self.world.wait(ms)

    @invariant()
    def always(self) -> None:
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.heal()
        self.world.check()
        self.world.stays_quiet()
        judge(self.world)


Engine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestEngine = Engine.TestCase
