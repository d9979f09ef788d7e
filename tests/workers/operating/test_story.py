"""Why a ticket did not sync is told by its story over all connectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from connector.config import When
from connector.errors import Rejected
from connector.event import Event
from tests.workers.office import CREATED, Office, bugs, comment, event
from workers.operating.story import Story, tell


def asked(office: Office, what: str) -> Story:
    return tell(office.desk, office.config, list(office.config.connectors.values()), what)


def knowing(office: Office, *events: Event) -> None:
    """Let the source know items by their key."""

    def find(_site: Any, _source: Any, text: str) -> Event:
        for one in events:
            if text == one.entity.key:
                return one
        raise Rejected("there is no such item", status=404)

    office.systems["git"] = replace(office.systems["git"], find=find)
    office.desk.systems = office.systems


@pytest.fixture
def office(redis_client: Redis) -> Office:
    return Office(redis_client, bugs(when=When(condition="title != 'secret'"), attempts=1))


def test_what_was_written_is_told_newest_first(office: Office) -> None:
    knowing(office, CREATED)
    office.accept(CREATED)
    office.work()
    office.clock.move(1000)
    office.accept(comment(2, "hello"))
    office.work()
    story = asked(office, "acme/web#1")
    assert story.found == ("acme/web#1 in git",)
    told = [one.what for one in story.entries]
    assert any(one.startswith("comment.created: delivered") for one in told)
    assert any(one.startswith("issue.created: delivered") for one in told)
    assert any(one.startswith("create WEB-1: Summary") for one in told)
    (verdict,) = story.verdicts
    assert (verdict.takes, verdict.link_key) == (True, "WEB-1")


def test_a_filter_is_named(office: Office) -> None:
    knowing(office, event(1, title="secret", state="open"))
    (verdict,) = asked(office, "acme/web#1").verdicts
    assert not verdict.takes
    assert "condition" in verdict.says or "linked already" in verdict.says


def paused(office: Office) -> str:
    office.store.close(office.clock() + 10**9, "paused by ada: tea")
    office.accept(CREATED)
    return "waits in lane live; paused: paused by ada: tea"


def blocked(office: Office) -> str:
    office.change(on_dead="block")
    office.jira.breaks("create", lambda: Rejected("no", status=400))
    office.accept(CREATED)
    office.work()
    office.accept(comment(2, "hello"))
    return "waits behind dead letter"


def second(office: Office) -> str:
    office.accept(CREATED, comment(2, "hello"))
    return "waits behind delivery"


@pytest.mark.parametrize("happens", [paused, blocked, second])
def test_what_it_waits_for_is_told(office: Office, happens: Callable[[Office], str]) -> None:
    knowing(office, CREATED)
    wanted = happens(office)
    assert any(wanted in one.what for one in asked(office, "acme/web#1").entries)


def test_a_dead_letter_can_be_opened_from_the_story(office: Office) -> None:
    knowing(office, CREATED)
    office.jira.breaks("create", lambda: Rejected("too long", status=400))
    office.accept(CREATED)
    office.work()
    (entry,) = [one for one in asked(office, "acme/web#1").entries if one.tone == "bad"]
    assert "too long" in entry.what
    assert office.store.letter(entry.delivery) is not None


def test_an_item_that_is_gone_is_still_in_the_books(office: Office) -> None:
    knowing(office)
    office.accept(CREATED)
    office.work()
    story = asked(office, "ACME/WEB#1")
    assert story.found == ()
    assert story.entries
    assert asked(office, "acme/web#999").entries == ()
