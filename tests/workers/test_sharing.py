"""One budget over all workers is used fully, never passed, and shared by weight and lane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.crowd import Caller, per_second, run
from workers.stores.connections import Connections
from workers.stores.keys import connection_tag
from workers.stores.scripts import text_of

RATE = 50


def test_four_workers_use_the_whole_rate_and_are_never_refused() -> None:
    got = run([Caller("web", threads=16)], per_second(RATE))
    assert got.rate() >= 0.98 * RATE
    assert got.refusals(RATE, burst=RATE // 10 + 16) == 0


def test_a_high_rate_is_used_fully_in_batches() -> None:
    got = run([Caller("web", threads=40)], per_second(200), seconds=6)
    assert got.rate() >= 0.98 * 200
    assert got.refusals(200, burst=20 + 40) == 0


def test_few_threads_share_with_many_by_weight_alone() -> None:
    got = run([Caller("many", threads=16), Caller("few", threads=3)], per_second(RATE))
    assert got.rate("few") >= 0.95 * RATE / 2
    assert got.rate() >= 0.98 * RATE
    heavy = run([Caller("light", threads=8), Caller("heavy", threads=8, weight=4)], per_second(RATE))
    assert heavy.rate("heavy") == pytest.approx(0.8 * RATE, rel=0.05)
    assert heavy.rate("light") >= 0.95 * 0.2 * RATE


def test_what_one_leaves_the_others_use_and_it_never_waits_long_for_its_own() -> None:
    got = run([Caller("hungry", threads=8), Caller("quiet", threads=1, pause=0.5)], per_second(RATE))
    assert got.rate() >= 0.98 * RATE
    assert got.rate("quiet") >= 0.95 / 0.55
    assert got.waited["quiet"] < 0.5


def test_a_backfill_leaves_the_tokens_of_live_alone_and_keeps_a_part_of_its_own() -> None:
    both = run([Caller("web", lane="live", threads=8), Caller("web", lane="backfill", threads=8)], per_second(RATE))
    assert both.rate(lane="live") >= 0.8 * RATE
    assert both.rate(lane="backfill") >= 0.1 * RATE
    assert both.rate() >= 0.98 * RATE
    alone = run([Caller("web", lane="backfill", threads=8)], per_second(RATE))
    assert alone.rate() >= 0.98 * RATE, "nobody else wants them"
    quiet = run([Caller("web", lane="backfill", threads=8), Caller("web", threads=1, pause=0.3)], per_second(RATE))
    assert quiet.rate("web", "live") >= 0.95 / 0.35


@settings(max_examples=4)
@given(
    weights=st.lists(st.integers(1, 5), min_size=2, max_size=5),
    threads=st.lists(st.integers(4, 8), min_size=6, max_size=6),
    rate=st.integers(20, 60),
)
def test_whoever_is_hungry_gets_its_share_and_together_they_get_the_limit(
    weights: list[int], threads: list[int], rate: int
) -> None:
    callers = [Caller(f"c{number}", threads=threads[number], weight=weight) for number, weight in enumerate(weights)]
    got = run(callers, per_second(rate))
    assert rate * 0.97 <= got.rate() <= rate * 1.02
    for one in callers:
        # Nobody can use more than its threads can call.
        share = min(rate * one.weight / sum(weights), one.threads / 0.25)
        assert got.rate(one.connector) >= 0.85 * share - 0.3, (one, got.rate(one.connector), share)


@pytest.mark.parametrize(
    ("piece", "other"),
    [
        ("one.part = part_of(one.name)", "one.part = 1"),
        ("one.own, one.own_gap = own, one.gap / one.part", "one.own, one.own_gap = micros, one.gap / one.part"),
    ],
)
def test_without_shares_the_many_would_take_what_is_others(piece: str, other: str) -> None:
    text = text_of("take_tokens")
    assert piece in text

    def spoil(store: Connections) -> None:
        store._run = _spoilt(store, text.replace(piece, other))  # type: ignore[method-assign]

    got = run([Caller("many", threads=16), Caller("few", threads=3)], per_second(RATE), spoil=spoil)
    assert got.rate("few") < 0.9 * RATE / 2


def _spoilt(store: Connections, text: str) -> Callable[..., Any]:
    def answered(_name: str, connection: str, *arguments: Any) -> Any:
        assert store._clock is not None
        return store.client.eval(text, 1, connection_tag(connection), store._clock(), *arguments)

    return answered
