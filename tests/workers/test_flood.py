from __future__ import annotations

from workers.flood import Suspects


class Ticks:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_peer_is_free_until_it_failed_too_often() -> None:
    suspects = Suspects(Ticks(), burst=3)
    for _ in range(3):
        assert suspects.wait("1.2.3.4", "jira") == 0.0
        suspects.failed("1.2.3.4", "jira")
    assert suspects.wait("1.2.3.4", "jira") > 0


def test_neither_other_peers_nor_other_connections_pay_for_it() -> None:
    suspects = Suspects(Ticks(), burst=1)
    suspects.failed("1.2.3.4", "jira")
    assert suspects.wait("1.2.3.5", "jira") == 0.0
    assert suspects.wait("1.2.3.4", "github") == 0.0


def test_patience_comes_back_with_time() -> None:
    ticks = Ticks()
    suspects = Suspects(ticks, burst=1, per_second=0.5)
    suspects.failed("1.2.3.4", "jira")
    assert suspects.wait("1.2.3.4", "jira") == 2.0
    ticks.now += 2.0
    assert suspects.wait("1.2.3.4", "jira") == 0.0


def test_memory_is_bounded_and_the_oldest_is_forgotten_first() -> None:
    suspects = Suspects(Ticks(), burst=1, most=2)
    for peer in ("a", "b", "a", "c"):
        suspects.failed(peer, "jira")
    assert [bool(suspects.wait(peer, "jira")) for peer in "abc"] == [True, False, True]
