"""A project is examined before anything is written: permissions, screens, choices, required fields, workflow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connector.compiling import needs_of, remembering
from connector.config import Connector
from connector.errors import Rejected
from connector.examining import Finding, Level, Needs
from connector.systems.jira import SYSTEM
from connector.systems.jira.sandbox.content import Status, Transition
from tests.systems.direct import Bench
from tests.systems.examining import bad, examine, told
from tests.systems.examining import connector as declared
from tests.systems.jira.places import Someone, place

FLAVOURS = ("cloud", "data-center")


def connector(mapping: str, more: str = "", kind: str = "Task") -> Connector:
    return declared(f"jira, project: WEB, type: {kind}", mapping, more)


@pytest.fixture(params=FLAVOURS)
def here(request: pytest.FixtureRequest) -> Bench:
    """A site with one task in To Do."""
    found = place(request.param)
    Someone(found).creates()
    found.clock.move(found.site.settings.index_lag)
    return found


GOOD = "{Summary: title, Description: body, Priority: {from: labels, first: {p0: Highest}}, Labels: labels}"


def test_a_mapping_that_fits_has_no_problem_and_names_each_field(here: Bench) -> None:
    found = examine(here, connector(GOOD))
    assert bad(found) == []
    assert {one.path[1] for one in found if one.text == "exists"} == {"Summary", "Description", "Priority", "Labels"}


def test_an_examination_writes_nothing_and_asks_little_when_repeated(here: Bench) -> None:
    one = connector("{Summary: title, Status: {from: state, map: {open: To Do, closed: Done}}}")
    examine(here, one)
    assert [request.method for request in here.transport.sent if request.writes] == []
    before = len(here.transport.sent)
    examine(here, one)
    assert len(here.transport.sent) - before <= 2, "only permissions and the edit screen are asked for anew"


# --- permissions ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("permission", "more"),
    [
        ("CREATE_ISSUES", ""),
        ("EDIT_ISSUES", ""),
        ("TRANSITION_ISSUES", "references: {status: {merged: Done}}"),
        ("ADD_COMMENTS", "comments: true"),
        ("EDIT_OWN_COMMENTS", "comments: true"),
        ("DELETE_OWN_COMMENTS", "comments: {deletes: true}"),
    ],
)
def test_a_permission_that_is_needed_and_not_granted_is_a_problem(here: Bench, permission: str, more: str) -> None:
    site = here.sandbox.site
    site.projects["WEB"].denied[site.by_login["bot"].id] = {permission}
    found = examine(here, connector("{Summary: title}", more))
    assert (f"permission:{permission}", "to.project") in bad(found)
    # One that is not needed is not asked for.
    assert examine(here, connector("{Summary: title}"), Needs(creates=False, updates=False, relates=False)) == []


def test_a_missing_permission_to_link_is_only_a_warning(here: Bench) -> None:
    site = here.sandbox.site
    site.projects["WEB"].denied[site.by_login["bot"].id] = {"LINK_ISSUES"}
    found = examine(here, connector("{Summary: title}"))
    assert bad(found) == []
    assert told(found, "to.project", Level.WARNING).cause == "permission:LINK_ISSUES"


def test_a_project_and_a_type_that_are_not_there_are_named(here: Bench) -> None:
    one = connector("{Summary: title}")
    gone = replace(one.target.settings, project="NOPE")
    found = examine(here, replace(one, target=replace(one.target, settings=gone)))
    assert bad(found) == [("project", "to.project")]
    found = examine(here, connector("{Summary: title}", kind="Bgu"))
    assert bad(found) == [("unknown:type", "to.type")]
    assert "Bug" in told(found, "to.type").text


def test_who_creates_nothing_needs_neither_the_type_nor_the_permission_to_create(here: Bench) -> None:
    site = here.sandbox.site
    site.projects["WEB"].denied[site.by_login["bot"].id] = {"CREATE_ISSUES"}
    mapping = "{Summary: title, Status: {from: state, map: {open: To Do, closed: Closed}}}"
    found = examine(here, connector(mapping, "create: false", kind="Nothing"))
    assert bad(found) == []
    assert "no_issue" not in [one.cause for one in found], "an issue of any type is looked at"
    assert ("unknown:type", "to.type") in bad(examine(here, connector(mapping, kind="Nothing")))


# --- fields --------------------------------------------------------------------------------------------------
def test_an_unknown_field_is_told_with_the_one_that_was_meant(here: Bench) -> None:
    found = told(examine(here, connector("{Summary: title, Story Pionts: {value: 3}}")), "mapping.Story Pionts")
    assert found.text == "there is no such field here"
    assert found.act == "did you mean 'Story Points'?"


def test_a_field_must_be_on_the_create_and_on_the_edit_screen(here: Bench) -> None:
    project = here.sandbox.site.projects["WEB"]
    project.off_create, project.off_edit = {"customfield_10002"}, {"environment"}
    one = connector("{Summary: title, Severity: {value: Major}, Environment: body}")
    assert bad(examine(here, one)) == [
        ("screen:create", "mapping.Severity"),
        ("screen:edit", "mapping.Environment"),
    ]
    # Who creates nothing needs no create screen.
    found = examine(here, connector("{Severity: {value: Major}}", "create: false"))
    assert bad(found) == []
    project.off_edit = {"customfield_10002"}
    assert bad(examine(here, connector("{Severity: {value: Major}}"))) == [
        ("screen", "mapping.Severity"),
        ("required:summary", "mapping"),
    ]


def test_a_required_field_must_be_fed_by_every_event(here: Bench) -> None:
    here.sandbox.site.projects["WEB"].required = {"customfield_10002"}
    assert ("required:customfield_10002", "mapping") in bad(examine(here, connector("{Summary: title}")))
    found = examine(here, connector("{Summary: title, Severity: {from: labels, first: {bad: Major}}}"))
    assert told(found, "mapping.Severity", Level.WARNING).act == "add default:"
    found = examine(here, connector("{Summary: title, Severity: {from: labels, first: {bad: Major}, default: Minor}}"))
    assert not [one for one in found if one.cause.startswith("required")]


@pytest.mark.parametrize(
    ("field", "rule", "hint"),
    [
        ("Story Points", "title", "number"),
        ("Due date", "title", "due"),
        ("Severity", "title", "map:"),
        ("Severity", "labels", "first or join"),
        ("Assignee", "title", "assignee"),
        ("Assignee", "assignees", "first or join"),
        ("Go live", "due", "created"),
        ("Team Milestone", "labels", "first or join"),
        ("Components", "body", "labels"),
    ],
)
def test_a_value_of_another_type_is_a_problem(here: Bench, field: str, rule: str, hint: str) -> None:
    found = told(examine(here, connector(f"{{Summary: title, {field}: {rule}}}")), f"mapping.{field}")
    assert found.cause == "type"
    assert hint in found.act


@pytest.mark.parametrize(
    ("field", "rule"),
    [
        ("Story Points", "{from: title, transform: [{extract: {pattern: '(\\d+)'}}]}"),
        ("Story Points", "number"),
        ("Due date", "due"),
        ("Due date", "{from: created, transform: [{date: {to: date}}]}"),
        ("Go live", "updated"),
        ("Severity", "raw.severity"),
        ("Assignee", "assignee"),
        ("Reviewers", "assignees"),
        ("Labels", "labels"),
        ("Team Milestone", "{from: labels, transform: [join]}"),
        ("Docs", "url"),
    ],
)
def test_a_value_that_may_fit_is_no_problem(here: Bench, field: str, rule: str) -> None:
    found = examine(here, connector(f"{{Summary: title, {field}: {rule}}}"))
    assert bad(found) == []


def test_words_of_the_source_for_a_choice_and_a_long_text_for_a_line_are_warnings(here: Bench) -> None:
    found = examine(here, connector("{Summary: title, Severity: milestone, Team Milestone: body}"))
    assert bad(found) == []
    assert told(found, "mapping.Severity", Level.WARNING).cause == "open_choice"
    assert "255" in told(found, "mapping.Team Milestone", Level.WARNING).act


# --- choices -------------------------------------------------------------------------------------------------
def options(here: Bench, *rows: tuple[str, str], retired: tuple[str, ...] = ()) -> None:
    site = here.sandbox.site
    field = site.fields["customfield_10002"]
    new = replace(field, options=tuple((number, name, ()) for number, name in rows), retired=frozenset(retired))
    site.fields = {**site.fields, field.id: new}


def severity(here: Bench, word: str) -> list[Finding]:
    return examine(here, connector(f"{{Summary: title, Severity: {{from: labels, first: {{bad: '{word}'}}}}}}"))


def test_a_renamed_choice_is_told_with_its_new_name(here: Bench) -> None:
    options(here, ("1", "Minor"), ("2", "Major 2"))
    found = told(severity(here, "Major"), "mapping.Severity.first.bad")
    assert "did you mean 'Major 2'" in found.act
    assert "there are Major 2, Minor" in found.text


def test_what_was_looked_at_before_is_known_by_its_id_when_it_is_renamed(here: Bench) -> None:
    one = connector(
        "{Summary: title, Severity: {from: labels, first: {bad: Major, ok: Minor}},"
        " Status: {from: state, map: {open: To Do, closed: Closed}}}"
    )
    known = {found.path: found.means for found in examine(here, one) if found.means}
    assert len(known) == 4
    options(here, ("10501", "Severe"))
    site = here.sandbox.site
    site.statuses = {**site.statuses, "6": Status("6", "Archived", "done")}
    fresh = place(here.site.settings.flavour.name)
    fresh.sandbox.site.fields, fresh.sandbox.site.statuses = site.fields, site.statuses
    found = examine(fresh, one, remembering(needs_of(one), known))
    renamed = told(found, "mapping.Severity.first.bad")
    assert "was renamed: that choice of Severity is called 'Severe' now" in renamed.text
    assert renamed.act == "write 'Severe'"
    assert "is no choice of Severity any more" in told(found, "mapping.Severity.first.ok").text
    assert "is called 'Archived' now" in told(found, "mapping.Status.map.closed").text
    # What it stood for is remembered until it is mended.
    assert renamed.means == "10501"


def test_another_case_and_white_space_that_nobody_sees_are_found_and_said(here: Bench) -> None:
    options(here, ("1", "Minor"), ("2", "Major "))
    for word in ("major", "Major"):
        found = severity(here, word)
        assert bad(found) == []
        assert "'Major '" in told(found, "mapping.Severity.first.bad", Level.WARNING).text
    # And a write finds it too.
    assert SYSTEM.target is not None
    one = connector("{Summary: title}")
    shaped = SYSTEM.target.shape(here.site, one.target.settings, {"Severity": "Major"}, None)
    assert shaped.fields == {"customfield_10002": {"id": "2"}}


def test_a_disabled_choice_is_a_problem(here: Bench) -> None:
    options(here, ("1", "Minor"), ("2", "Major"), retired=("2",))
    cause = told(severity(here, "Major"), "mapping.Severity.first.bad").cause
    assert cause == ("option" if here.site.settings.flavour.name == "cloud" else "disabled") + ":customfield_10002"


def test_two_choices_that_differ_in_case_only_must_be_told_apart(here: Bench) -> None:
    options(here, ("1", "Major"), ("2", "MAJOR"))
    assert told(severity(here, "major"), "mapping.Severity.first.bad").cause == "ambiguous"
    assert bad(severity(here, "MAJOR")) == []


def test_choices_of_lists_cascades_and_people_are_looked_at(here: Bench) -> None:
    mapping = """
  Summary: title
  Platforms: {value: [Linux, Widnows]}
  Region: {value: Europe / Pariss}
  Assignee: {from: assignee, people: {ann: ada@example.com, ben: nobody@example.com}}
"""
    found = examine(here, connector(mapping))
    assert "'Windows'" in told(found, "mapping.Platforms.value").act
    assert "'Paris'" in told(found, "mapping.Region.value").act
    assert bad(found)[-1] == ("person", "mapping.Assignee.people.ben")


def test_people_are_looked_up_even_where_their_ids_look_right(here: Bench) -> None:
    site = here.sandbox.site
    cloud = here.site.settings.flavour.name == "cloud"
    ada, grace = (site.by_login[name].id if cloud else name for name in ("ada", "grace"))
    gone = "712020:00000000-0000-4000-a000-000000000000" if cloud else "nobody"
    site.projects["WEB"].unassignable = {site.by_login["grace"].id}
    one = connector(
        f"{{Summary: title, Assignee: {{from: assignee, people: {{a: '{ada}', b: '{grace}', c: '{gone}'}}}},"
        f" Approver: {{from: reporter, people: {{a: '{grace}', b: '{gone}'}}}}}}"
    )
    assert bad(examine(here, one)) == [
        ("person", "mapping.Assignee.people.b"),
        ("person", "mapping.Assignee.people.c"),
        ("person", "mapping.Approver.people.b"),
    ]


# --- workflow ------------------------------------------------------------------------------------------------
def status(here: Bench, table: str, more: str = "") -> list[Finding]:
    return examine(here, connector(f"{{Summary: title, Status: {{from: state, map: {table}}}}}", more))


def test_a_status_that_is_not_there_is_told_with_the_one_that_was_meant(here: Bench) -> None:
    found = told(status(here, "{open: To Do, closed: Doen}"), "mapping.Status.map.closed")
    assert found.cause == "option:status"
    assert "'Done'" in found.act


def test_a_resolution_that_nobody_chose_is_a_warning_and_one_that_is_not_offered_a_problem(here: Bench) -> None:
    found = status(here, "{open: To Do, closed: Done}")
    assert bad(found) == []
    assert "'Done', is taken" in told(found, "mapping.Status.map.closed", Level.WARNING).text
    found = status(here, "{open: To Do, closed: {status: Done, resolution: Fixd}}")
    assert "'Fixed'" in told(found, "mapping.Status.map.closed").act
    found = status(here, "{open: To Do, closed: {status: Done, resolution: Fixed}}")
    assert [one for one in found if one.path[:2] == ("mapping", "Status") and one.text] == [
        Finding(Level.OK, ("mapping", "Status"), "exists")
    ]


def test_a_transition_that_demands_a_field_needs_it_in_the_mapping(here: Bench) -> None:
    site = here.sandbox.site
    site.transitions = (Transition("31", "Finish", frozenset({"10000"}), "10002", ("resolution", "customfield_10010")),)
    found = status(here, "{closed: Done}")
    assert ("required:customfield_10010", "mapping.Status.map.closed") in bad(found)
    assert "Root cause" in told(found, "mapping.Status.map.closed").text
    one = connector("{Summary: title, Root cause: body, Status: {from: state, map: {closed: Done}}}")
    assert bad(examine(here, one)) == []


def test_a_workflow_that_does_not_lead_there_is_seen_as_far_as_there_are_issues(here: Bench) -> None:
    site = here.sandbox.site
    site.transitions = (Transition("11", "Start", frozenset({"10000"}), "3"),)
    found = status(here, "{closed: Done}")
    assert bad(found) == [], "nothing is known of the statuses that no issue is in"
    assert "nothing is known of" in told(found, "mapping.Status.map.closed", Level.WARNING).text
    site.statuses = {"10000": site.statuses["10000"], "10002": Status("10002", "Done", "done")}
    fresh = place(here.site.settings.flavour.name)
    fresh.sandbox.site.statuses = site.statuses
    fresh.sandbox.site.transitions = ()
    ada = Someone(fresh)
    ada.creates()
    fresh.sandbox.site.issue(ada.creates()).values["status"] = "10002"
    fresh.clock.move(fresh.site.settings.index_lag)
    assert bad(status(fresh, "{closed: Done}")) == [("transition", "mapping.Status.map.closed")]
    assert bad(status(fresh, "{open: To Do}")) == [("transition", "mapping.Status.map.open")]


def test_a_way_through_done_is_none_for_an_issue_that_stays_open(here: Bench) -> None:
    ada = Someone(here)
    working, finished = ada.creates(), ada.creates()
    ada.moves_to(working, "11")
    ada.moves_to(finished, "31", resolution={"name": "Fixed"})
    here.clock.move(here.site.settings.index_lag)
    found = status(here, "{open: To Do}")
    assert bad(found) == []
    text = told(found, "mapping.Status.map.open", Level.WARNING).text
    assert text.startswith("from In Progress the workflow does not lead to To Do, or only past")


def test_an_administrator_knows_the_ways_out_of_statuses_that_no_issue_is_in() -> None:
    fresh = place("cloud")
    Someone(fresh).creates()
    fresh.clock.move(fresh.site.settings.index_lag)
    fresh.sandbox.appoint("bot")
    found = status(fresh, "{closed: {status: Done, resolution: Fixed}}")
    assert [one for one in found if "Status" in one.path and one.level is not Level.OK] == []
    stranded = place("cloud")
    stranded.sandbox.appoint("bot")
    site = stranded.sandbox.site
    site.transitions = tuple(one for one in site.transitions if one.to != "10002")
    found = status(stranded, "{closed: Done}")
    assert bad(found) == [("transition", "mapping.Status.map.closed")]


def test_a_status_two_steps_away_is_no_problem_and_pull_requests_are_judged_alike(here: Bench) -> None:
    found = status(here, "{open: To Do}", "references: {status: {created: In Review, merged: Dnoe}}")
    assert bad(found) == [("option:status", "references.status.merged")]


# --- both ways -----------------------------------------------------------------------------------------------
def both_ways(one: Connector) -> Needs:
    needs = needs_of(one)
    return replace(needs, fields=tuple(replace(fed, both_ways=True) for fed in needs.fields))


def test_what_a_table_cannot_bring_back_is_told_only_where_it_goes_both_ways(here: Bench) -> None:
    one = connector("{Summary: title, Status: {from: state, map: {open: To Do, closed: Done}}}")
    assert bad(examine(here, one)) == []
    assert "not_covered" not in [one.cause for one in examine(here, one)]
    found = examine(here, one, both_ways(one))
    assert "Closed, In Progress, In Review" in told(found, "mapping.Status.map", Level.WARNING).text


def test_an_issue_that_is_not_there_yet_leaves_something_unknown() -> None:
    fresh = place("cloud")
    found = examine(fresh, connector("{Summary: title}"))
    assert told(found, "to", Level.WARNING).cause == "no_issue"
    assert bad(found) == []


def test_without_a_screen_to_look_at_no_field_is_called_missing() -> None:
    found = examine(place("cloud"), connector("{Severity: {value: Major}, Nonsense: {value: x}}", "create: false"))
    assert bad(found) == [("field", "mapping.Nonsense")]


def test_a_site_that_cannot_be_asked_is_not_called_wrong() -> None:
    fresh = place("cloud")
    fresh.sandbox.faults.on.append(_gone())
    with pytest.raises(Rejected):
        examine(fresh, connector("{Summary: title}"))


def _gone() -> Any:
    from connector.sandbox import Fault

    return Fault("status", path=".*/createmeta/.*", status=410)
