"""A Jira that keeps no properties still shows our mark, so nothing of an unknown outcome is doubled or lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connector.errors import Rejected
from connector.event import Entity, Kind
from connector.link import Marker, effect_key
from connector.ports import Request, Response, Site
from connector.sandbox import Fault
from connector.system import Action, Change, Target, Written
from connector.systems.jira import SYSTEM, mark
from connector.systems.jira.read import comment_of, complete, issue_of, state_event
from connector.systems.jira.refusal import refusal
from connector.systems.jira.settings import JiraTarget
from tests.systems.direct import Bench
from tests.systems.jira.places import place

assert SYSTEM.target is not None
JIRA: Target = SYSTEM.target
WEB = JiraTarget("WEB", "Bug")
Send = Callable[[Request], Response]


def a_memory() -> Callable[[str, timedelta, Callable[[], Any]], Any]:
    kept: dict[str, Any] = {}

    def remember(key: str, _life: timedelta, load: Callable[[], Any], /) -> Any:
        if key not in kept:
            kept[key] = load()
        return kept[key]

    return remember


def dropping(here: Bench) -> Send:
    """Be a server that reads past ``properties``, as one does that does not know them."""

    def send(request: Request, /) -> Response:
        body = request.json
        if isinstance(body, dict) and "properties" in body:
            request = replace(request, json={name: value for name, value in body.items() if name != "properties"})
        return here.site.send(request)

    return send


def refusing(here: Bench, answer: dict[str, Any]) -> Send:
    """Be a server that takes no member it does not know."""

    def send(request: Request, /) -> Response:
        if isinstance(request.json, dict) and "properties" in request.json:
            refused = refusal(request, Response(400, {}, json.dumps(answer).encode()))
            assert refused is not None
            raise refused
        return here.site.send(request)

    return send


def unknown_member() -> dict[str, Any]:
    return {"errorMessages": ['Unrecognized field "properties" (Class IssueUpdateBean), not marked as ignorable']}


def at(here: Bench, send: Send) -> Site:
    return replace(here.site, send=send, memory=a_memory())


def change(action: Action, word: str, entity: Entity | None = None, **more: Any) -> Change:
    marker = Marker("test", "github", effect_key("uid", "github:issue:1", "create", word))
    return Change(action, marker.effect, marker, entity=entity, **more)


def creation(word: str = "one") -> Change:
    return change(Action.CREATE, word, fields={"summary": "Crash", "description": "It *crashes*"})


def description(site: Site, entity: Entity) -> str:
    read = issue_of(site, entity.id)
    assert read is not None
    return str(read["fields"]["description"])


SERVERS = pytest.mark.parametrize(
    "server",
    [
        dropping,
        lambda here: refusing(here, unknown_member()),
        lambda here: refusing(here, {"errors": {"properties": "Unbekannt"}}),
    ],
    ids=["drops properties", "refuses the member", "refuses by key"],
)


@SERVERS
def test_a_create_is_found_again_where_properties_are_not_kept(server: Callable[[Bench], Send]) -> None:
    here = place("data-center")
    site = at(here, server(here))
    twin = JIRA.write(site, WEB, creation("twin"))
    made = JIRA.write(site, WEB, creation())
    here.clock.move(timedelta(minutes=2))
    found = JIRA.look_up(site, WEB, creation(), here.clock() - timedelta(minutes=2))
    assert isinstance(found, Written)
    assert found.entity.id == made.entity.id != twin.entity.id
    assert mark.kept(site, "issue") is mark.Kept.TEXT


@SERVERS
def test_a_comment_is_found_again_where_properties_are_not_kept(server: Callable[[Bench], Send]) -> None:
    here = place("data-center")
    site = at(here, server(here))
    issue = JIRA.write(site, WEB, creation()).entity
    JIRA.write(site, WEB, change(Action.COMMENT, "first", issue, body="+1"))
    made = JIRA.write(site, WEB, change(Action.COMMENT, "second", issue, body="+1"))
    second = change(Action.COMMENT, "second", issue, body="+1")
    found = JIRA.look_up(site, WEB, second, here.clock())
    assert isinstance(found, Written)
    assert found.remote == made.remote


def test_an_edit_keeps_the_mark_in_the_text() -> None:
    here = place("data-center")
    site = at(here, dropping(here))
    issue = JIRA.write(site, WEB, creation()).entity
    first = change(Action.COMMENT, "first", issue, body="+1")
    made = JIRA.write(site, WEB, first)
    JIRA.write(site, WEB, change(Action.EDIT_COMMENT, "edit", issue, body="-1", remote=made.remote))
    now = comment_of(site, issue.id, made.remote)
    assert now is not None
    assert now["body"].startswith("-1")
    assert mark.of_comment(now) == str(first.marker)


def test_what_we_added_is_known_as_ours_by_its_text() -> None:
    here = place("data-center")
    site = at(here, dropping(here))
    issue = JIRA.write(site, WEB, creation()).entity
    read = issue_of(site, issue.id)
    assert read is not None
    event = state_event(site, read, "poll")
    assert event.marker == str(creation().marker)
    comment = change(Action.COMMENT, "first", issue, body="+1")
    made = JIRA.write(site, WEB, comment)
    told = complete(site, replace(event, kind=Kind.COMMENT_CREATED, sub=made.remote, partial=True))
    assert told is not None
    assert told.marker == str(comment.marker)


def test_a_server_that_keeps_properties_gets_no_more_anchors() -> None:
    here = place("data-center")
    site = at(here, here.site.send)
    first = JIRA.write(site, WEB, creation("first")).entity
    second = JIRA.write(site, WEB, creation("second")).entity
    for word in ("first", "second"):
        JIRA.write(site, WEB, change(Action.COMMENT, word, second, body=word))
    texts = [description(site, one) for one in (first, second)]
    assert ["{anchor:" in text for text in texts] == [True, False]
    read = issue_of(site, second.id)
    assert read is not None
    bodies = [comment["body"] for comment in read["fields"]["comment"]["comments"]]
    assert ["{anchor:" in body for body in bodies] == [True, False]


def test_cloud_is_never_sent_an_anchor() -> None:
    here = place("cloud")
    site = at(here, here.site.send)
    made = JIRA.write(site, WEB, change(Action.CREATE, "one", fields={"summary": "Crash"})).entity
    assert description(site, made) == "None"


def test_an_internal_comment_is_not_made_public_where_the_flag_is_refused() -> None:
    here = place("data-center")
    site = at(here, refusing(here, unknown_member()))
    issue = JIRA.write(site, WEB, creation()).entity
    with pytest.raises(Rejected):
        JIRA.write(site, JiraTarget("WEB", "Bug", internal_comments=True), change(Action.COMMENT, "c", issue, body="x"))
    assert not here.sandbox.site.issues[issue.id].comments


def test_another_refusal_is_not_taken_for_one_of_properties() -> None:
    here = place("data-center")
    site = at(here, refusing(here, {"errors": {"customfield_10200": "Kostenstelle ist erforderlich."}}))
    with pytest.raises(Rejected) as caught:
        JIRA.write(site, WEB, creation())
    assert caught.value.cause == "required:customfield_10200"
    assert not here.sandbox.ledger.effects


@pytest.mark.parametrize("status", [403, 404, 405])
def test_a_site_without_issue_links_is_a_loss_and_not_a_failure(status: int) -> None:
    here = place("data-center")
    issue = JIRA.write(here.site, WEB, creation()).entity
    here.sandbox.faults.on = [Fault("status", path=".*/remotelink", status=status)]
    relation = {"url": "https://github.com/acme/web/issues/1", "title": "x"}
    written = JIRA.write(here.site, WEB, change(Action.RELATE, "link", issue, relation=relation))
    assert not written.fresh
    assert str(status) in written.losses[0]


def test_a_link_on_an_issue_that_is_gone_is_refused() -> None:
    here = place("data-center")
    issue = JIRA.write(here.site, WEB, creation()).entity
    del here.sandbox.site.issues[issue.id]
    with pytest.raises(Rejected):
        JIRA.write(here.site, WEB, change(Action.RELATE, "link", issue, relation={"url": "https://x.example"}))


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
@pytest.mark.parametrize("flavour", ["cloud", "data-center"])
def test_an_add_whose_reading_back_is_refused_is_done_all_the_same(flavour: str, status: int) -> None:
    here = place(flavour)
    fields = {"summary": "Crash"}
    created = JIRA.write(here.site, WEB, change(Action.CREATE, "before", fields=fields)).entity
    here.sandbox.faults.on = [Fault("status", method="GET", path=".*/(issue/[0-9]+|comment/.*)", status=status)]
    assert JIRA.write(here.site, WEB, change(Action.CREATE, "one", fields=fields)).entity.id != created.id
    text = "x" if flavour == "data-center" else {"type": "doc", "version": 1, "content": []}
    assert JIRA.write(at(here, here.site.send), WEB, change(Action.COMMENT, "c", created, body=text)).remote
