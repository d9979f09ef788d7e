"""A Jira in another language and with a workflow of its own takes what the templates say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connector.errors import Rejected
from connector.link import Marker, effect_key
from connector.ports import Request, Response, Site
from connector.sandbox import Fault
from connector.system import Action, Change, Target
from connector.systems.jira import SYSTEM
from connector.systems.jira.settings import JiraTarget
from tests.systems.direct import Bench
from tests.systems.jira.places import place

assert SYSTEM.target is not None
JIRA: Target = SYSTEM.target
WEB = JiraTarget("WEB", "Bug")
GERMAN = {
    b'"Summary"': '"Zusammenfassung"',
    b'"Description"': '"Beschreibung"',
    b'"Due date"': '"Fälligkeitsdatum"',
    b'"To Do"': '"Offen"',
    b'"Done"': '"Erledigt"',
}


def in_german(here: Bench) -> Site:
    def send(request: Request, /) -> Response:
        answer = here.site.send(request)
        body = answer.body
        for english, german in GERMAN.items():
            body = body.replace(english, german.encode())
        return replace(answer, body=body)

    return replace(here.site, send=send)


def test_a_field_is_known_by_its_english_name_where_people_see_another() -> None:
    site = in_german(place("data-center"))
    wanted: dict[str, Any] = {"Summary": "x", "Beschreibung": "y", "Due date": "2026-12-01"}
    assert JIRA.shape(site, WEB, wanted, None).fields.keys() == {"summary", "description", "duedate"}


@pytest.mark.parametrize(("word", "category"), [("To Do", "new"), ("Done", "done"), ("done", "done")])
def test_a_status_nobody_has_means_the_category_of_that_name(word: str, category: str) -> None:
    site = in_german(place("data-center"))
    assert JIRA.shape(site, WEB, {"Status": word}, None).fields["status"] == {"name": category}


def test_a_status_that_is_there_is_meant_itself() -> None:
    site = in_german(place("data-center"))
    assert JIRA.shape(site, WEB, {"Status": "erledigt"}, None).fields["status"] == {"name": "Erledigt"}
    with pytest.raises(Rejected) as caught:
        JIRA.shape(site, WEB, {"Status": "Fertig"}, None)
    assert "Erledigt" in str(caught.value)


def test_where_nobody_tells_the_projects_statuses_those_of_the_site_are_taken() -> None:
    here = place("data-center")
    here.sandbox.faults.on = [Fault("status", path=".*/project/WEB/statuses", status=404)]
    assert JIRA.shape(here.site, WEB, {"Status": "done"}, None).fields["status"] == {"name": "Done"}


def test_where_nobody_tells_any_statuses_the_workflow_decides() -> None:
    here = place("data-center")
    here.sandbox.faults.on = [Fault("status", path=".*/(statuses|status)", status=404)]
    assert JIRA.shape(here.site, WEB, {"Status": "Whatever"}, None).fields["status"] == {"name": "Whatever"}


def test_an_issue_that_is_in_the_wanted_category_stays_where_it_is() -> None:
    here = place("data-center")
    site = in_german(here)
    marker = Marker("test", "github", effect_key("uid", "github:issue:1", "create"))
    issue = JIRA.write(site, WEB, Change(Action.CREATE, marker.effect, marker, fields={"summary": "x"})).entity
    for word, moved in (("To Do", False), ("Done", True), ("Done", False)):
        fields = JIRA.shape(site, WEB, {"Status": word}, issue).fields
        change = Change(Action.UPDATE, marker.effect, marker, entity=issue, fields=fields)
        assert JIRA.write(site, WEB, change).fresh is moved
