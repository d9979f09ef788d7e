"""What is in a Jira is listed as its administrators know it, in both flavours and for accounts that see little."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connector.documents import read
from connector.errors import Rejected
from connector.grammar_mapping import Rules
from connector.listed import Listed
from connector.lock import Entry, Lock, Question, dumped, kept, loaded
from connector.ports import Request, Response
from connector.sandbox import Fault
from connector.suggesting import lines
from connector.systems.jira import SYSTEM
from tests.systems.direct import Bench
from tests.systems.jira.places import Someone, place

FLAVOURS = ("cloud", "data-center")


def rows(here: Bench, kind: str, **query: str) -> list[Listed]:
    return list(SYSTEM.lists[kind](here.site, query))


def field(here: Bench, name: str, **query: str) -> Listed:
    (found,) = (one for one in rows(here, "fields", project="WEB", **query) if name in {one.name, one.id})
    return found


# --- projects and types ----------------------------------------------------------------------------------
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_projects_are_listed_as_far_as_they_may_be_seen(flavour: str) -> None:
    here = place(flavour, projects=("WEB", "OPS", "HR"))
    here.sandbox.deny("HR", "bot")
    assert sorted(one.facts["key"] for one in rows(here, "projects")) == ["OPS", "WEB"]
    assert [one.name for one in rows(here, "projects", search="web")] == ["Project WEB"]


def test_projects_beyond_the_first_page_are_listed() -> None:
    many = tuple(f"P{number}" for number in range(230))
    here = place(projects=many)
    assert sorted(one.facts["key"] for one in rows(here, "projects")) == sorted(many)
    assert len(here.transport.sent) == 3


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_types_tell_which_are_sub_tasks(flavour: str) -> None:
    found = {one.name: one.facts["subtask"] for one in rows(place(flavour), "types", project="WEB")}
    assert found == {"Task": False, "Bug": False, "Story": False, "Sub-task": True}


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("kind", ["types", "fields", "statuses", "transitions"])
def test_a_project_that_is_not_there_is_said_to_be(flavour: str, kind: str) -> None:
    with pytest.raises(Rejected, match="there is no project NOPE"):
        rows(place(flavour), kind, project="NOPE")


# --- fields ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_field_tells_what_it_takes_and_where_it_is_shown(flavour: str) -> None:
    here = place(flavour)
    here.sandbox.require("customfield_10002")
    severity = field(here, "Severity", type="Bug")
    assert severity.id == "customfield_10002"
    assert severity.facts == {
        "takes": "option",
        "type": "option (select)",
        "screens": ["create"],
        "required": True,
        "options": [{"id": "10500", "name": "Minor"}, {"id": "10501", "name": "Major"}],
    }
    assert field(here, "Priority", type="Bug").facts["required"] is False
    region = field(here, "Region", type="Bug").facts["options"]
    assert [below["name"] for below in region[0]["below"]] == ["Berlin", "Paris"]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_issue_shows_what_its_edit_screen_holds(flavour: str) -> None:
    here = place(flavour)
    Someone(here).creates()
    assert field(here, "Summary", issue="WEB-1").facts["screens"] == ["create", "edit"]
    with pytest.raises(Rejected, match="there is no issue WEB-77"):
        rows(here, "fields", project="WEB", issue="WEB-77")


def test_who_searches_is_shown_fields_that_no_screen_holds() -> None:
    here = place()
    assert "Creator" not in {one.name for one in rows(here, "fields", project="WEB")}
    (creator,) = rows(here, "fields", project="WEB", search="creat")[1:]
    assert (creator.name, creator.facts["screens"]) == ("Creator", [])


def test_the_status_is_listed_as_a_field_with_its_statuses_and_categories() -> None:
    status = field(place(), "Status")
    names = [one["name"] for one in status.facts["options"]]
    assert names[:5] == ["To Do", "In Progress", "In Review", "Done", "Closed"]
    assert set(names[5:]) == {"new", "indeterminate"}
    assert status.facts["aliases"] == ["state", "status"]


def test_a_type_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(Rejected, match="no issue type 'Epic'; it has Bug, Story"):
        rows(place(), "fields", project="WEB", type="Epic")


def test_a_server_before_8_4_tells_fields_in_its_one_big_document() -> None:
    here = place("data-center")
    newer = here.transport.__call__
    asked: list[str] = []

    def older(request: Request) -> Response:
        """Be what knows only the old createmeta; its answer is made of what the newer one tells."""
        asked.append(request.path)
        if "/createmeta/" in request.path:
            raise Rejected("null for uri", cause="not_found", status=404)
        if not request.path.endswith("/createmeta"):
            return newer(request)
        fields = _values(newer(Request("GET", "/rest/api/2/issue/createmeta/WEB/issuetypes/10101")))
        types = _values(newer(Request("GET", "/rest/api/2/issue/createmeta/WEB/issuetypes")))
        for one in types:
            one["fields"] = {row["fieldId"]: row for row in fields}
        key = request.query["projectKeys"]
        found = {"projects": [{"key": "WEB", "issuetypes": types}] if key == "WEB" else []}
        return Response(200, {}, json.dumps(found).encode())

    site = type(here.site)("here", here.site.settings, older, here.clock)
    newest = {one.id for one in rows(here, "fields", project="WEB", type="Bug")}
    oldest = {one.id for one in SYSTEM.lists["fields"](site, {"project": "WEB", "type": "Bug"})}
    assert "/rest/api/2/issue/createmeta" in asked
    assert len(oldest & newest) > 15
    assert [one.name for one in SYSTEM.lists["types"](site, {"project": "WEB"})][:2] == ["Task", "Bug"]
    with pytest.raises(Rejected, match="there is no project OPS, or the account may not create"):
        list(SYSTEM.lists["types"](site, {"project": "OPS"}))


def _values(answer: Response) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer.json()["values"]
    return found


# --- statuses and how they lead to each other --------------------------------------------------------------
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_statuses_tell_their_category_and_types(flavour: str) -> None:
    found = {one.name: one.facts for one in rows(place(flavour), "statuses", project="WEB", type="bug")}
    assert found["Done"] == {"category": "done", "types": ["Bug"]}
    assert rows(place(flavour), "statuses", project="WEB", type="Epic") == []


def test_an_administrator_is_told_the_whole_workflow() -> None:
    here = place()
    here.sandbox.appoint("bot")
    ways = {(one.facts["from"], one.name, one.facts["to"]) for one in rows(here, "transitions", project="WEB")}
    assert ("To Do", "Start", "In Progress") in ways
    assert ("Closed", "Reopen", "To Do") in ways
    assert not any(name == "Create" for _, name, _ in ways)
    assert {one.facts["told_by"] for one in rows(here, "transitions", project="WEB")} == {"workflow Sandbox workflow"}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_others_are_told_what_an_issue_in_each_status_offers(flavour: str) -> None:
    here = place(flavour)
    ada = Someone(here)
    ada.creates()
    ada.moves_to(ada.creates(), "11")
    here.clock.move(here.site.settings.index_lag)
    found = rows(here, "transitions", project="WEB")
    assert {(one.facts["from"], one.facts["to"]) for one in found} == {
        ("To Do", "In Progress"),
        ("To Do", "Done"),
        ("In Progress", "In Review"),
        ("In Progress", "Done"),
    }
    assert {one.facts["told_by"] for one in found} == {"WEB-1", "WEB-2"}
    assert not any(request.path.endswith("/workflows") for request in here.transport.sent)


def test_one_issue_tells_where_it_can_go() -> None:
    here = place()
    Someone(here).creates()
    assert [one.facts["to"] for one in rows(here, "transitions", project="WEB", issue="WEB-1")] == [
        "In Progress",
        "Done",
    ]
    with pytest.raises(Rejected, match="there is no issue WEB-9"):
        rows(here, "transitions", project="WEB", issue="WEB-9")


def test_a_workflow_that_is_refused_after_all_is_read_from_issues() -> None:
    here = place()
    here.sandbox.appoint("bot")
    Someone(here).creates()
    here.sandbox.faults.on.append(Fault("expired_token", path=".*/workflows", times=1))
    assert {one.facts["told_by"] for one in rows(here, "transitions", project="WEB")} == {"WEB-1"}


# --- people ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_people_are_found_by_the_beginning_of_their_name(flavour: str) -> None:
    found = rows(place(flavour), "users", project="WEB", search="ad")
    assert [one.name for one in found] == ["Ada"]
    assert ("email" in found[0].facts) is (flavour == "data-center"), "Cloud hides addresses"


def test_people_after_the_first_page_are_listed_once() -> None:
    people = {f"t{number}": f"person{number}" for number in range(230)}
    here = place(people={**people, "jira-bot-token": "bot"})
    found = rows(here, "users", project="WEB")
    assert len(found) == len({one.id for one in found}) == 233


# --- what a real Jira tells -----------------------------------------------------------------------------------
def test_a_real_createmeta_is_listed_and_each_suggestion_loads(reference_data: Path) -> None:
    """The answer of a Cloud site in 2020, in the form of old Servers: the seven types of a project."""
    document = json.loads((reference_data / "rest/jira-pinpoint/issue_createmeta.json").read_text())
    here = place("data-center")

    def old(request: Request) -> Response:
        if request.path.endswith("/createmeta"):
            return Response(200, {}, json.dumps(document).encode())
        if request.path.endswith(("/field", "/statuses")):
            return Response(200, {}, b"[]")
        raise Rejected("null for uri", cause="not_found", status=404)

    seen = 0
    for project in document["projects"]:
        for kind in project["issuetypes"]:
            site = type(here.site)("here", here.site.settings, old, here.clock)
            found = list(SYSTEM.lists["fields"](site, {"project": project["key"], "type": kind["name"]}))
            assert {one.id for one in found} == {*kind["fields"]} - {"resolution"} | {"status"}
            suggested = [line for line in lines(found).values() if line]
            document_read, problems = read("mapping.yaml", "\n".join(suggested))
            assert document_read is not None
            assert not problems
            assert len(Rules().deserialize(document_read.value)) == len(suggested) > 3
            question = Question("jira", "fields", (("project", project["key"]), ("type", kind["name"])))
            lock = Lock({question: Entry(date(2026, 11, 24), kept(question, found))})
            assert loaded("x", dumped(lock).encode()) == lock
            seen += 1
    assert seen > 3
