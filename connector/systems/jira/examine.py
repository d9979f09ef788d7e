"""Examine a project before anything is written to it: permissions, screens, choices, required fields, workflow.

Sources: Jira Cloud REST v3 and Jira Data Center 10.3, ``mypermissions``, ``issue/createmeta``, ``issue/editmeta``,
``issue/transitions``.  What it cannot see: a permission that depends on the single issue (*reporter may edit*) is
shown as granted for the project; a validator of a workflow shows only when a transition is tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connector.errors import Rejected
from connector.examining import Fed, Finding, Level, Named, Needs, meant, misfit
from connector.listed import Takes
from connector.ports import Site
from connector.systems.jira import choices, moving
from connector.systems.jira.api import get_object
from connector.systems.jira.flavour import CLOUD
from connector.systems.jira.metadata import Field, all_fields, create_screen, edit_screen
from connector.systems.jira.settings import JiraTarget
from connector.systems.jira.vocabulary import member
from connector.systems.jira.wanted import is_status, named_field

_OURS: Final = frozenset({"project", "issuetype", "reporter", "summary"})
"""Required fields that a create always carries, or that Jira fills with who creates; a summary is asked for apart."""

_BY_FIELD: Final[Mapping[str, str]] = {
    "assignee": "ASSIGN_ISSUES",
    "reporter": "MODIFY_REPORTER",
    "duedate": "SCHEDULE_ISSUES",
    "security": "SET_ISSUE_SECURITY",
}
"""Fields that need a permission of their own; the project permissions of Cloud's documentation."""

_TO: Final = ("to",)


@dataclass(frozen=True, slots=True)
class _Screens:
    """The fields of the screens that matter; None for one that is not needed, or that no issue is there to show."""

    create: Mapping[str, Field] | None
    edit: Mapping[str, Field] | None

    def find(self, site: Site, name: str) -> Field | None:
        """Find a field on a screen, or where there is none at all, in the site; raises `Rejected` for several."""
        shown = [one for one in (self.create, self.edit) if one is not None] or [all_fields(site)]
        return next((field for screen in shown if (field := named_field(screen, name))), None)


def examine(site: Site, target: JiraTarget, needs: Needs) -> Sequence[Finding]:
    """Return everything that was found; see `connector.system.Target`."""
    try:
        found = list(_permissions(site, target, needs))
    except Rejected as refused:
        if refused.status != 404:
            raise
        text = f"there is no project {target.project}, or the account may not see it"
        return [Finding(Level.PROBLEM, (*_TO, "project"), text, "correct the key, or grant Browse projects", "project")]
    try:
        create = create_screen(site, target)[1] if needs.creates else None
    except Rejected as refused:
        if refused.status not in {None, 404}:
            raise
        key = next(iter(refused.fields), "project")
        act = "correct the name, or grant Create issues"
        return [*found, Finding(Level.PROBLEM, (*_TO, key), str(refused), act, f"unknown:{key}")]
    # Who creates nothing writes to issues of any type.
    kind = target.type if needs.creates else ""
    newest = next(iter(moving.samples(site, target.project, kind).values()), None) if needs.fields else None
    edit = edit_screen(site, target, newest, fresh=True) if newest is not None else None
    fields: dict[str, Fed] = {}
    found += _fields(site, target, needs, _Screens(create, edit), fields)
    wanted = [fed for fed in needs.fields if is_status(site, fed.name)]
    if wanted or needs.statuses:
        able = not any(one.cause == "permission:TRANSITION_ISSUES" for one in found)
        flow = moving.look(site, target.project, kind)
        found += _statuses(flow, needs, wanted, frozenset(fields), able=able)
    if needs.fields and newest is None:
        text = f"{target.project} has no {kind or 'issue'} yet: edit screen and transitions could not be looked at"
        found.append(Finding(Level.WARNING, _TO, text, "check again once there is one", "no_issue"))
    return found


# --- permissions -------------------------------------------------------------------------------------------
def _permissions(site: Site, target: JiraTarget, needs: Needs) -> Iterator[Finding]:
    wanted = dict(_wanted(site, needs))
    # Data Center knows no such parameter: it tells all of them.
    asked = {"permissions": ",".join(wanted)} if site.settings.flavour is CLOUD else {}
    answer = get_object(site, "/mypermissions", projectKey=target.project, **asked)
    told = member(answer, "permissions")
    for name, what in wanted.items():
        # One that this Jira does not know is not missing.
        if member(told, name).get("havePermission") is False:
            shown = name.replace("_", " ").capitalize()
            level = Level.WARNING if name == "LINK_ISSUES" else Level.PROBLEM
            text = f"the account lacks the permission {shown} in {target.project}, needed to {what}"
            act = "grant it to the account's role in the project's permission scheme"
            yield Finding(level, (*_TO, "project"), text, act, f"permission:{name}")


def _wanted(site: Site, needs: Needs) -> Iterator[tuple[str, str]]:
    yield "BROWSE_PROJECTS", "see anything"
    if needs.creates:
        yield "CREATE_ISSUES", "create issues"
    names = {fed.name.casefold().replace(" ", "") for fed in needs.fields}
    statuses = [fed for fed in needs.fields if is_status(site, fed.name)]
    if needs.updates and len(statuses) < len(needs.fields):
        yield "EDIT_ISSUES", "keep fields up to date"
    if statuses or needs.statuses:
        yield "TRANSITION_ISSUES", "set the status"
    for field, permission in _BY_FIELD.items():
        known = all_fields(site).get(field)
        if field in names or (known is not None and known.name.casefold().replace(" ", "") in names):
            yield permission, f"set {known.name if known else field}"
    if needs.comments:
        yield "ADD_COMMENTS", "add comments"
    if needs.edits:
        yield "EDIT_OWN_COMMENTS", "edit its own comments"
    if needs.deletes:
        yield "DELETE_OWN_COMMENTS", "delete its own comments"
    if needs.relates:
        yield "LINK_ISSUES", "show a link to the source"


# --- fields ------------------------------------------------------------------------------------------------
def _fields(
    site: Site, target: JiraTarget, needs: Needs, screens: _Screens, fields: dict[str, Fed]
) -> Iterator[Finding]:
    """Judge every field but the status; ``fields`` becomes those that are there, by id."""
    for fed in needs.fields:
        if is_status(site, fed.name):
            continue
        try:
            field = screens.find(site, fed.name)
        except Rejected as refused:
            yield Finding(Level.PROBLEM, fed.path, next(iter(refused.fields.values())), cause="ambiguous")
            continue
        if field is None:
            yield _missing(site, target, fed)
            continue
        fields[field.id] = fed
        told = [*_on_screens(target, field, fed, screens), *choices.judge(site, target.project, field, fed)]
        yield from told
        if all(one.level is Level.OK for one in told):
            yield Finding(Level.OK, fed.path, "exists")
    if screens.create is not None:
        yield from _required(screens.create, fields)


def _on_screens(target: JiraTarget, field: Field, fed: Fed, screens: _Screens) -> Iterator[Finding]:
    where, act = f"{target.project} / {target.type}", "an administrator can add it to the screen"
    if screens.create is not None and field.id not in screens.create:
        text = f"is not on the create screen of {where}: a new issue is refused with it"
        yield Finding(Level.PROBLEM, fed.path, text, act, "screen:create")
    if screens.edit is not None and field.id not in screens.edit:
        text = f"is not on the edit screen of {where}: later changes are refused"
        yield Finding(Level.PROBLEM, fed.path, text, act, "screen:edit")


def _missing(site: Site, target: JiraTarget, fed: Fed) -> Finding:
    try:
        elsewhere = named_field(all_fields(site), fed.name)
    except Rejected as refused:
        return Finding(Level.PROBLEM, fed.path, next(iter(refused.fields.values())), cause="ambiguous")
    if elsewhere is None:
        near = meant(fed.name, {field.name for field in all_fields(site).values()})
        act = f"did you mean {near!r}?" if near else "correct the name, or write the field's id (customfield_10042)"
        return Finding(Level.PROBLEM, fed.path, "there is no such field here", act, "field")
    if elsewhere.id == "resolution":
        text = "can only be set together with a status"
        return Finding(
            Level.PROBLEM, fed.path, text, "write Status: {map: {closed: {status: ..., resolution: ...}}}", "later"
        )
    # Found in the site's list, but this project and type do not show it.
    text = f"is on neither the create nor the edit screen of {target.project} / {target.type}"
    return Finding(Level.PROBLEM, fed.path, text, "an administrator can add it to the screens", "screen")


def _required(screen: Mapping[str, Field], fields: Mapping[str, Fed]) -> Iterator[Finding]:
    for field in screen.values():
        fed = fields.get(field.id)
        if not field.required or field.has_default or (field.id in _OURS and field.id != "summary"):
            continue
        if fed is None:
            text = f"{field.name} is required to create an issue, and the mapping does not feed it"
            act = f"map {field.name}, if only with value:"
            yield Finding(Level.PROBLEM, ("mapping",), text, act, f"required:{field.id}")
        elif not fed.always:
            text = f"{field.name} is required to create an issue, and the rule may give nothing"
            yield Finding(Level.WARNING, fed.path, text, "add default:", f"required:{field.id}")


# --- status ------------------------------------------------------------------------------------------------
def _statuses(
    flow: moving.Workflow, needs: Needs, wanted: Sequence[Fed], fields: frozenset[str], *, able: bool
) -> Iterator[Finding]:
    for fed in wanted:
        found = [one for one in [misfit(fed, Takes.OPTION)] if one is not None]
        if fed.both_ways and fed.closed:
            found += choices.uncovered(fed, [one.name for one in flow.statuses.values()])
        found += _moves(flow, fed.named, fields, able=able)
        fine = all(one.level is Level.OK for one in found)
        yield from [*found, Finding(Level.OK, fed.path, "exists")] if fine else found
    yield from _moves(flow, needs.statuses, fields, able=able)


def _moves(flow: moving.Workflow, named: Sequence[Named], fields: frozenset[str], *, able: bool) -> Iterator[Finding]:
    told = set()
    for one in named:
        for finding in moving.judge(flow, one, fields, able=able):
            # Two words may lead into one status; its screen is spoken of once.
            if not finding.text or finding.text not in told:
                told.add(finding.text)
                yield finding
