"""One connection that is slow, or has very much to do, leaves threads of a process to the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest

from connector.config import Connector, End
from workers.stores.records import Bell
from workers.threads import REMEMBERED, Threads


class Workshop:
    """A process with threads, a clock, and the bells that it rang again."""

    def __init__(self, total: int = 16) -> None:
        self.at = 1000.0
        self.rung: list[tuple[str, str]] = []
        self.threads = Threads(total, lambda: self.at, self.ring)

    def ring(self, connector: Connector, bells: Sequence[Bell]) -> None:
        self.rung += [(connector.name, bell.token) for bell in bells]

    def call(self, connection: str, seconds: float) -> None:
        with self.threads.calling(connection):
            self.at += seconds

    def fill(self, connector: Connector) -> int:
        """Enter as often as it may; returns how often."""
        count = 0
        while self.threads.enter(connector, f"b{count}"):
            count += 1
            assert count <= 100
        return count


def to(target: str, source: str = "") -> Connector:
    end = SimpleNamespace()
    return Connector(f"to-{target}", target, End(source or f"source-of-{target}", end), End(target, end))


@pytest.fixture
def shop() -> Workshop:
    return Workshop()


def test_a_quick_connection_takes_all_but_the_last_threads(shop: Workshop) -> None:
    assert shop.fill(to("jira")) == 14
    assert shop.fill(to("slack")) == 2, "and the last are for others"


def test_few_threads_are_used_fully() -> None:
    assert Workshop(4).fill(to("jira")) == 4


def test_a_slow_connection_holds_half_of_the_threads_while_the_rest_is_idle(shop: Workshop) -> None:
    for _ in range(4):
        shop.call("jira", 20)
    assert shop.threads.slow("jira")
    assert shop.fill(to("jira")) == 8


def test_a_slow_connection_holds_a_quarter_while_others_have_work(shop: Workshop) -> None:
    for _ in range(4):
        shop.call("jira", 20)
    assert shop.fill(to("slack")) == 14
    for _ in range(8):
        shop.threads.leave(to("slack"))
    assert shop.fill(to("jira")) == 4


def test_slow_connections_together_leave_a_quarter(shop: Workshop) -> None:
    names = ("a", "b", "c", "d", "e")
    for name in names:
        shop.call(name, 5)
    assert sum(shop.fill(to(name)) for name in names) == 12
    assert shop.fill(to("healthy")) == 4


def test_a_slow_source_counts_like_a_slow_target(shop: Workshop) -> None:
    shop.call("git", 20)
    assert shop.fill(to("jira", source="git")) == 8


def test_calls_that_hang_right_now_are_slow_before_they_end(shop: Workshop) -> None:
    with shop.threads.calling("jira"):
        assert not shop.threads.slow("jira")
        shop.at += 1.5
        assert shop.threads.slow("jira")
    assert not shop.threads.slow("jira"), "one call alone says nothing"


def test_slowness_is_forgotten(shop: Workshop) -> None:
    for _ in range(4):
        shop.call("jira", 20)
    shop.at += REMEMBERED
    assert not shop.threads.slow("jira")
    shop.call("jira", 20)
    for _ in range(20):
        shop.call("jira", 0.05)
    assert not shop.threads.slow("jira")


def test_a_bell_that_waits_is_rung_again_with_its_token_when_a_thread_is_free(shop: Workshop) -> None:
    jira = to("jira")
    held = shop.fill(jira)
    assert (shop.threads.waiting, shop.rung) == (1, [])
    shop.threads.leave(jira)
    assert shop.rung == [("to-jira", f"b{held}")]
    assert shop.threads.waiting == 0
    assert shop.threads.enter(jira, "again")


def test_a_bell_that_has_waited_too_long_is_left_to_the_scanner(shop: Workshop) -> None:
    jira = to("jira")
    shop.fill(jira)
    shop.at += 20
    shop.threads.leave(jira)
    assert (shop.threads.waiting, shop.rung) == (0, [])


def test_a_turn_of_a_slow_connection_ends_early_where_others_need_threads(shop: Workshop) -> None:
    jira, slack = to("jira"), to("slack")
    assert shop.fill(jira) == 14
    assert not shop.threads.crowded(jira)
    for _ in range(4):
        shop.call("jira", 20)
    assert shop.threads.crowded(jira)
    assert not shop.threads.crowded(slack)
    for _ in range(10):
        shop.threads.leave(jira)
    assert not shop.threads.crowded(jira)


def test_what_a_connector_took_it_gives_back_whatever_was_changed_meanwhile(shop: Workshop) -> None:
    jira = to("jira")
    assert shop.threads.enter(jira, "b")
    changed = replace(jira, target=End("other", None))
    assert shop.threads.enter(changed, "b")
    shop.threads.leave(jira)
    shop.threads.leave(changed)
    assert shop.fill(to("jira")) == 14
