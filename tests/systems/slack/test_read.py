"""What an event lacks is read from Slack: names, our marker, the thread that a reply stands in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.errors import Forbidden, Rejected
from connector.event import Event, Kind
from connector.systems.slack import SYSTEM
from connector.systems.slack.read import place
from connector.systems.slack.sandbox import SCOPES
from connector.systems.slack.settings import Source
from tests.systems.direct import Bench
from tests.systems.slack.bodies import received
from tests.systems.slack.scene import BEN, FROM, GENERAL, INTO, call, reply, say, scene, started, target


def heard(here: Bench) -> list[Event]:
    return [e for h in here.sandbox.hooks(here.clock()) for e in received(h.body, connection="here").events]


def complete(here: Bench, event: Event) -> Event:
    full = SYSTEM.complete(here.site, event)
    assert full is not None
    assert not full.partial
    assert full.id == event.id
    return full


def test_people_get_their_names_and_are_read_once() -> None:
    here = scene()
    say(here, "one")
    say(here, "two")
    for event in heard(here):
        full = complete(here, event)
        assert full.actor == {"id": "U0000001", "name": "ann", "login": "ann", "email": "ann@sandbox.example"}
        assert full.data["reporter"] == full.data["comment"]["author"] == full.actor
    assert [r.path for r in here.transport.sent].count("/users.info") == 1


def test_without_the_scope_for_names_the_id_stands_for_it() -> None:
    here = scene(SCOPES - {"users:read"})
    say(here, "one")
    assert complete(here, heard(here)[0]).actor == {"id": "U0000001", "name": "U0000001"}


def test_a_reply_gets_title_and_body_of_its_thread() -> None:
    here = scene()
    root = say(here, "The site is down\nsince noon")
    say(here, "Looking", token=BEN, thread_ts=root)
    full = complete(here, heard(here)[1])
    assert full.data["title"] == "The site is down"
    assert full.data["reporter"]["name"] == "ann"
    assert full.data["comment"]["author"]["name"] == "ben"
    assert full.data["comment"]["body"]["content"] == "Looking"


def test_a_reply_whose_thread_lost_its_first_message_is_told_without_it() -> None:
    here = scene()
    root = say(here, "oops")
    say(here, "Looking", token=BEN, thread_ts=root)
    call(here, "chat.delete", channel=GENERAL, ts=root)
    full = complete(here, heard(here)[1])
    assert "title" not in full.data


def test_what_was_said_and_then_deleted_is_gone() -> None:
    here = scene()
    root = say(here, "oops")
    under = say(here, "a reply", thread_ts=root)
    call(here, "chat.delete", channel=GENERAL, ts=under)
    call(here, "chat.delete", channel=GENERAL, ts=root)
    first, second, gone, too = heard(here)
    assert SYSTEM.complete(here.site, first) is None
    assert SYSTEM.complete(here.site, second) is None
    assert complete(here, gone).kind is complete(here, too).kind is Kind.MESSAGE_DELETED


def test_an_event_without_metadata_gets_our_marker_when_it_is_read() -> None:
    here = scene()
    entity = started(here).entity
    here.clock.move(timedelta(seconds=2))
    target().write(here.site, INTO, reply(entity))
    for event in heard(here):
        bare = Event(event.id, event.kind, event.entity, event.at, event.data, event.sub, partial=True)
        assert complete(here, bare).marker == event.marker != ""


def test_what_may_not_be_read_is_forbidden_not_gone() -> None:
    here = scene(SCOPES - {"channels:history"})
    say(here, "x")
    with pytest.raises(Forbidden):
        SYSTEM.complete(here.site, heard(here)[0])


def test_a_message_that_slack_gives_in_an_unknown_form_is_rejected() -> None:
    here = scene()
    root = say(here, "x")
    here.sandbox.space.channels[GENERAL].messages[root]["text"] = 7
    with pytest.raises(Rejected) as caught:
        SYSTEM.find(here.site, FROM, f"{GENERAL}/{root}")
    assert caught.value.cause == "member:text"


# --- find ----------------------------------------------------------------------------------------
def test_a_thread_is_found_by_link_by_our_address_and_by_key() -> None:
    here = scene()
    root = say(here, "The site is down")
    under = say(here, "Looking", thread_ts=root)
    link = call(here, "chat.getPermalink", channel=GENERAL, message_ts=under)["permalink"]
    known = heard(here)[0]
    for name in (
        link,
        known.entity.url,
        known.entity.id,
        f"  https://acme.slack.com/archives/{GENERAL}/p{root.replace('.', '')}",
    ):
        found = SYSTEM.find(here.site, FROM, name)
        assert found.entity.id == known.entity.id
        assert found.data["title"] == "The site is down"
        assert found.origin == "read"
    assert SYSTEM.find(here.site, None, known.entity.id).entity == known.entity


@pytest.mark.parametrize(
    "name",
    [
        "",
        "WEB-1",
        "https://acme.slack.com/",
        "https://x/archives/C1/p12",
        "C1/../x",
        "https://x/?channel=C0A&message_ts=z",
    ],
)
def test_what_is_no_message_is_rejected(name: str) -> None:
    with pytest.raises(Rejected) as caught:
        place(name)
    assert caught.value.cause == "key"


def test_a_message_that_is_not_there_or_not_followed_is_rejected() -> None:
    here = scene()
    root = say(here, "x")
    with pytest.raises(Rejected) as caught:
        SYSTEM.find(here.site, FROM, f"{GENERAL}/1700000000.000001")
    assert caught.value.cause == "not_found"
    with pytest.raises(Rejected) as caught:
        SYSTEM.find(here.site, Source(("C0000009",)), f"{GENERAL}/{root}")
    assert caught.value.cause == "not_selected"
