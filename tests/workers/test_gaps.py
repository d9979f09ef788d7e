"""What no webhook brought is found by the poll, from the moment that a connector was first seen, and counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakeredis import FakeRedis, FakeServer

from tests.workers.street import Street
from workers.poller import MISSED_AFTER


@pytest.fixture
def street() -> Street:
    return Street(FakeRedis(server=FakeServer(server_type="valkey")))


def test_what_is_refused_before_the_first_poll_is_brought_by_it(street: Street) -> None:
    street.store.enter()
    number = street.report("Refused while the store was away")
    street.comment(number, "So was this")
    street.hooks()
    street.clock.move(60_000)
    assert street.poll().accepted
    street.work()
    assert list(street.issues()) == ["Refused while the store was away"]
    assert len(street.ours()) == 3
    street.check_accounts()


def test_a_first_poll_begins_where_the_first_to_know_the_connector_says(street: Street) -> None:
    # The receiver was there, the store was not: a worker that came later must not move the beginning.
    number = street.report("Known to the receiver")
    street.hooks()
    street.clock.move(60_000)
    street.store.enter()
    street.store.enter(known_for=100_000)
    street.store.enter()
    street.poll()
    street.work()
    assert list(street.issues()) == ["Known to the receiver"]
    assert number


def test_what_happened_before_anybody_knew_the_connector_is_left_alone(street: Street) -> None:
    street.report("History")
    street.hooks()
    street.clock.move(3_600_000)
    street.store.enter()
    assert street.poll().accepted == 0
    assert street.issues() == {}


def test_webhooks_that_never_came_are_found_and_counted_after_twenty_minutes(street: Street) -> None:
    street.store.enter()
    street.poll()
    came = street.report("Its webhook came")
    street.deliver_hooks("git")
    street.report("Lost on its way")
    street.hooks()
    late = street.report("Its webhook trails the poll")
    slow = street.hooks()
    street.clock.move(60_000)
    assert street.poll().accepted
    street.work()
    assert sorted(street.issues()) == ["Its webhook came", "Its webhook trails the poll", "Lost on its way"]
    street.clock.move(int(MISSED_AFTER.total_seconds() * 1000) - 2000)
    street.inbox.accept(slow, revive=True)
    street.poll()
    assert street.store.tally()["missed"] == 0
    street.clock.move(4000)
    street.poll()
    street.poll()
    assert street.store.tally()["missed"] == 1
    # That an issue was updated by a comment is told by polls alone; the comment itself has a webhook.
    street.comment(came, "Lost too")
    street.comment(late, "This one came")
    street.inbox.accept(street.hooks()[1:], revive=True)
    street.poll()
    street.clock.move(int(MISSED_AFTER.total_seconds() * 1000) + 1000)
    street.poll()
    assert street.store.tally()["missed"] == 2
    street.work()
    street.no_effect_is_double()
    street.check_accounts()


def test_a_source_without_webhooks_misses_none(street: Street) -> None:
    here = street.benches["git"]
    here.site = replace(here.site, settings=replace(here.site.settings, webhook=None))
    street.declare(*street.config.connectors.values())
    street.store.enter()
    street.report("Polled")
    street.poll()
    street.clock.move(int(MISSED_AFTER.total_seconds() * 1000) + 1000)
    street.poll()
    assert street.store.counts()["accepted"] == 1
    assert street.store.tally()["missed"] == 0
