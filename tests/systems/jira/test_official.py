"""What we send and what the sandbox answers agree with Atlassian's official OpenAPI documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from connector.examining import Fed, Gives, Named, Needs
from connector.link import Marker, effect_key
from connector.system import Action, Change
from connector.systems.jira import SYSTEM, poll
from connector.systems.jira.settings import JiraSource, JiraTarget
from tests.systems.direct import Bench
from tests.systems.jira.places import Someone, later, place
from tests.systems.openapi import Spec

WEB = JiraTarget("WEB", "Bug")
assert SYSTEM.target is not None
TARGET = SYSTEM.target

# Where the documents are known to be wrong or silent; each was seen from the real product.
SHARED_WAIVERS = (
    r"\.changelog\.histories\[\d+\]\.items\[\d+\]\.(from|to|fromString|toString): must be string, not null",
)
CLOUD_WAIVERS = SHARED_WAIVERS
SERVER_WAIVERS = (
    *SHARED_WAIVERS,
    r"^query: expand is not declared, only \['transitionId'\]",  # the text of that very operation names it
    r"^answer: must be object, not \[",  # lists are typed as their element: fields, statuses, users
    r"^answer(\.issues\[\d+\])?\.fields\.\w+: must be object",  # IssueBean types every field as an object
    r"^body(\.issueUpdates\[\d+\])?\.fields\.\w+: must be object",
    r"^body(\.issueUpdates\[\d+\])?\.properties\[\d+\]\.value: must be string",  # any JSON, says the guide to entity properties
    r"^answer(\.\w+\[\d+\])?\.properties(\[\d+\]\.value)?: must be",
    r"status 201 is not declared",  # a remote link that is new
)


def worked(flavour: str) -> Bench:
    """Let the adapter do everything it can do once."""
    here = place(flavour, page=3)
    site, source = here.site, JiraSource(("WEB",))
    ada = Someone(here)
    cursor: Mapping[str, Any] = poll.poll(site, source, {}, here.clock()).cursor
    wanted = {
        "Summary": "It breaks", "Description": {"format": "markdown", "content": "Very **much**"}, "Priority": "High",
        "Labels": ["a"], "Assignee": "ada@example.com", "Severity": "Major", "Story Points": 3, "Region": "Europe / Paris",
        "Status": "In Review", "Platforms": ["Linux"], "Go live": "2026-12-01T10:00:00Z", "Due date": "2026-12-01",
    }  # fmt: skip
    shaped = TARGET.shape(site, WEB, wanted, None)
    now = {name: value for name, value in shaped.fields.items() if name not in shaped.later}
    marker = Marker("test", "github", effect_key("uid", "github:issue:1", "create"))

    def change(action: Action, **more: Any) -> Change:
        return Change(action, marker.effect, marker, **more)

    made = TARGET.write(site, WEB, change(Action.CREATE, fields=now)).entity
    edited = TARGET.shape(site, WEB, {"Summary": "It broke", "Status": "In Review"}, made)
    TARGET.write(site, WEB, change(Action.UPDATE, entity=made, fields=edited.fields))
    body, _ = TARGET.text(site, WEB, {"format": "markdown", "content": "Hello"})
    said = TARGET.write(site, WEB, change(Action.COMMENT, entity=made, body=body))
    TARGET.write(site, WEB, change(Action.EDIT_COMMENT, entity=made, body=body, remote=said.remote))
    relation = {"url": "https://github.com/acme/web/issues/1", "title": "It breaks", "key": "acme/web#1", "done": False}
    TARGET.write(site, WEB, change(Action.RELATE, entity=made, relation=relation))
    for action in (Action.CREATE, Action.COMMENT, Action.RELATE):
        TARGET.look_up(site, WEB, change(action, entity=made, fields=now, relation=relation), here.clock())
    TARGET.write(site, WEB, change(Action.DELETE_COMMENT, entity=made, remote=said.remote))
    for number in range(8):
        ada.comments(ada.creates(f"Issue {number}"), "Hello")
    later(here, minutes=3)
    assert TARGET.examine is not None
    people = (Named(("mapping", "Assignee", "people", "ada"), "ada@example.com"),)
    moved = (Named(("mapping", "Status", "map", "closed"), "Done"),)
    fields = (
        Fed("Summary", ("mapping", "Summary"), Gives.LINE, always=True),
        Fed("Assignee", ("mapping", "Assignee"), Gives.PERSON, people=people),
        Fed("Status", ("mapping", "Status"), Gives.ANYTHING, moved, closed=True),
    )
    TARGET.examine(site, WEB, Needs(fields, comments=True, edits=True, deletes=True))
    for _ in range(40):
        page = poll.poll(site, source, cursor, here.clock())
        for event in page.events:
            SYSTEM.complete(site, event)
        cursor = page.cursor
        if not page.more:
            break
    poll.backfill(site, source, {"since": (here.clock() - timedelta(days=1)).isoformat()}, {})
    assert TARGET.create_many is not None
    TARGET.create_many(
        site, WEB, [change(Action.CREATE, fields=now), change(Action.CREATE, fields={"summary": "x" * 300})]
    )
    SYSTEM.find(site, None, made.key)
    SYSTEM.probe(site)
    listed(here, made.key)
    return here


def listed(here: Bench, issue: str) -> None:
    """Ask for every list, as an account like any other and as an administrator."""
    for appointed in (False, True):
        if appointed:
            here.sandbox.appoint("bot")
        for kind, lister in SYSTEM.lists.items():
            scope = {"project": "WEB"} if lister.needs else {}
            more = {name: word for name, word in (("issue", issue), ("search", "o")) if name in lister.takes}
            assert list(lister(here.site, scope)), kind
            list(lister(here.site, {**scope, **more}))


@pytest.mark.parametrize("flavour", ["cloud", "data-center"])
def test_requests_and_answers_agree_with_the_official_document(reference_data: Path, flavour: str) -> None:
    if flavour == "cloud":
        spec = Spec.load(reference_data / "openapi/jira-cloud-v3/swagger-v3.v3.json", waive=CLOUD_WAIVERS)
    else:
        spec = Spec.load(
            reference_data / "openapi/jira-dc-10.3/jira-software-dc-10.3-openapi.json", "/rest", waive=SERVER_WAIVERS
        )
    here = worked(flavour)
    problems: set[str] = set()
    used: set[str] = set()
    for request, response in zip(here.transport.sent, here.transport.answers, strict=True):
        path = urlsplit(request.path).path
        used.add(f"{request.method} {path}")
        told = spec.check_request(request.method, path, request.query, request.json)
        body = json.loads(response.body) if response.body else None
        told += spec.check_answer(request.method, path, response.status, body)
        problems |= {f"{request.method} {path}: {one}" for one in told}
    assert not problems, "\n".join(sorted(problems))
    assert len(used) >= 20
