"""What is remembered of webhooks: arrivals, addresses, places, and that one installs at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis import Redis

from workers.stores.webhooks import MOST, Busy, Known, Sighting, Webhooks

DAY = timedelta(hours=23)


@pytest.fixture
def memory(redis_client: Redis) -> Webhooks:
    return Webhooks(redis_client)


def test_nothing_is_known_at_first(memory: Webhooks) -> None:
    assert memory.known("github") == Known()


def test_the_last_that_was_proven_and_the_last_that_was_refused_are_kept_apart(memory: Webhooks) -> None:
    memory.arrived("github", Sighting(1, "accepted"), proven=True)
    memory.arrived("github", Sighting(2, "untrusted: " + "x" * 999), proven=False)
    memory.arrived("github", Sighting(3, "ignored"), proven=True)
    known = memory.known("github")
    assert known.proven == Sighting(3, "ignored")
    assert known.refused is not None
    assert (known.refused.at, len(known.refused.what)) == (2, 300)
    assert memory.known("jira") == Known()


def test_public_urls_are_remembered_once_each_the_newest_last_and_not_for_ever(memory: Webhooks) -> None:
    for number in range(MOST + 5):
        memory.remember("github", f"https://tunnel-{number}.example", ["acme/web"])
    memory.remember("github", "https://tunnel-9.example", ["acme/api"])
    known = memory.known("github")
    assert len(known.urls) == MOST
    assert known.urls[-1] == "https://tunnel-9.example"
    assert known.places == ("acme/api", "acme/web")
    memory.forget_places("github", ["acme/web"])
    assert memory.known("github").places == ("acme/api",)


def test_one_installs_at_a_time_and_makes_way_even_when_it_fails(memory: Webhooks) -> None:
    waited: list[float] = []

    def fail() -> None:
        with memory.alone("github"):
            with pytest.raises(Busy, match="github"), memory.alone("github", 0.01, waited.append):
                pytest.fail("two at once")
            with memory.alone("jira"):
                pass
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with memory.alone("github"):
        assert waited


def test_what_was_looked_after_is_looked_at_again_only_for_another_reason(memory: Webhooks) -> None:
    assert memory.claim("github", "a", DAY)
    assert not memory.claim("github", "a", DAY)
    assert memory.claim("github", "b", DAY)
    assert not memory.claim("github", "b", DAY)
    memory.looked_after("github", "c", DAY)
    assert not memory.claim("github", "c", DAY)
    assert memory.client.pttl("jc:{@github}:hooked") > 22 * 3600 * 1000
