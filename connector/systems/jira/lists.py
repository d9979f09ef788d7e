"""List what a Jira site has: projects, types, fields, statuses, people.

Sources: the official OpenAPI documents of Cloud v3 (project/search, createmeta, editmeta, project statuses,
user/assignable/search) and Data Center 10.3 (project, createmeta, editmeta, project statuses,
user/assignable/search); the createmeta of Servers before 8.4 as in `metadata`.  How statuses lead to each
other is told by `workflow`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from connector.errors import Rejected, Retryable
from connector.event import Entity
from connector.listed import Listed, Lister, Takes, matching
from connector.ports import Site
from connector.systems.jira import vocabulary, workflow
from connector.systems.jira.api import get, pages
from connector.systems.jira.flavour import CLOUD
from connector.systems.jira.metadata import Field, all_fields, create_screen, create_types, edit_screen, status_rows
from connector.systems.jira.readback import shown
from connector.systems.jira.settings import JiraTarget
from connector.systems.jira.wanted import CATEGORIES, STATUS_NAMES

Query = Mapping[str, str]

_PEOPLE: Final = 1_000
"""Cloud looks for assignable people among the first thousand only."""
_PAGE: Final = 100

TAKES: Final = {
    "line": Takes.LINE,
    "text": Takes.TEXT,
    "url": Takes.LINK,
    "number": Takes.NUMBER,
    "date": Takes.DATE,
    "datetime": Takes.TIME,
    "option": Takes.OPTION,
    "named": Takes.OPTION,
    "options": Takes.OPTIONS,
    "named_list": Takes.OPTIONS,
    "cascade": Takes.LEVELS,
    "labels": Takes.LABELS,
    "user": Takes.PERSON,
    "users": Takes.PEOPLE,
}
_OURS: Final = frozenset({"project", "issuetype"})
"""Fields that ``to:`` gives."""


# --- projects and types ---------------------------------------------------------------------------------
def projects(site: Site, query: Query) -> Iterator[Listed]:
    """Yield the projects that the account may see; Cloud by pages, Data Center in one list."""
    rows: Iterable[Mapping[str, Any]]
    if site.settings.flavour is CLOUD:
        more = {"query": query["search"]} if query.get("search") else {}
        rows = pages(site, "/project/search", ("values",), orderBy="key", **more)
    else:
        rows = _rows(site, "/project")
    found = (
        Listed(
            str(row["id"]),
            str(row.get("name") or row["key"]),
            {"key": str(row["key"]), **_told(row, type="projectTypeKey", archived="archived")},
        )
        for row in rows
        if "id" in row and "key" in row
    )
    return matching(found, query)


def types(site: Site, query: Query) -> Iterator[Listed]:
    """Yield the issue types that the account may create in a project."""
    rows = create_types(site, query["project"])
    found = (Listed(str(row["id"]), str(row.get("name")), _told(row, subtask="subtask")) for row in rows)
    return matching(found, query)


# --- fields -------------------------------------------------------------------------------------------------
def fields(site: Site, query: Query) -> Iterator[Listed]:
    """Yield the fields that a mapping may name: those on the create screen, and on an issue's edit screen.

    Who searches also sees the fields of the site that are on none of these screens.  The status is no field of a
    screen, and is listed all the same: a mapping names it like one.
    """
    target = JiraTarget(query["project"], query.get("type") or "Task")
    on_create = create_screen(site, target)[1]
    on_edit = _edit_screen(site, target, query["issue"]) if query.get("issue") else {}
    everywhere = all_fields(site)
    elsewhere = everywhere if query.get("search") else {}
    found = []
    for name, field in {**elsewhere, **on_edit, **on_create}.items():
        if name in {"status", "resolution"}:
            continue  # written by transitions; the one below stands for both
        screens = [word for word, screen in (("create", on_create), ("edit", on_edit)) if name in screen]
        found.append(_field(field, screens))
    found.append(_status_field(site, everywhere.get("status"), query))
    return matching(found, query)


def _edit_screen(site: Site, target: JiraTarget, issue: str) -> Mapping[str, Field]:
    try:
        return edit_screen(site, target, Entity(site.connection, "issue", issue, issue), fresh=True)
    except Rejected as refused:
        message = f"there is no issue {issue}, or the account may not see it"
        raise Rejected(message, cause=refused.cause, status=refused.status) from refused


def _field(field: Field, screens: list[str]) -> Listed:
    facts: dict[str, Any] = {"takes": TAKES.get(field.kind, Takes.ANY), "type": field.type, "screens": screens}
    facts["required"] = field.required and not field.has_default and field.id not in _OURS
    if field.allowed is not None and facts["takes"] in {Takes.OPTION, Takes.OPTIONS, Takes.LEVELS}:
        facts["options"] = [_option(one) for one in field.allowed]
    return Listed(field.id, field.name, facts)


def _option(one: Mapping[str, Any]) -> dict[str, Any]:
    below = [_option(child) for child in one.get("children") or () if isinstance(child, Mapping)]
    return {"id": str(one.get("id", "")), "name": shown(one), **({"below": below} if below else {})}


def _status_field(site: Site, field: Field | None, query: Query) -> Listed:
    """Describe the status as a field whose options are the statuses of the type, and the categories by name."""
    there = [
        {"id": one.id, "name": one.name, **_told(one.facts, category="category")} for one in _statuses(site, query)
    ]
    taken = {one["name"].casefold() for one in there}
    words = {**dict.fromkeys(CATEGORIES), **dict.fromkeys(CATEGORIES.values())}
    there += [{"id": f"category:{word}", "name": word} for word in words if word not in taken]
    facts = {"takes": Takes.OPTION, "type": "status", "required": False, "options": there, "screens": []}
    facts["aliases"] = sorted(STATUS_NAMES)
    return Listed("status", field.name if field is not None else "Status", facts)


# --- statuses and people ------------------------------------------------------------------------------------
def statuses(site: Site, query: Query) -> Iterator[Listed]:
    """Yield the statuses of a project, or of one of its types, each once."""
    return matching(_statuses(site, query), query)


def _statuses(site: Site, query: Query) -> list[Listed]:
    found: dict[str, Listed] = {}
    wanted = query.get("type", "").casefold()
    for row in status_rows(site, query["project"]):
        kind = str(row.get("name") or "")
        if wanted and wanted not in {kind.casefold(), str(row.get("id"))}:
            continue
        for status in row.get("statuses") or ():
            known = found.get(str(status["id"]))
            of = [*(known.facts["types"] if known else ()), *([kind] if kind else ())]
            category = vocabulary.CATEGORIES.get(str((status.get("statusCategory") or {}).get("key")))
            facts = {"category": category} if category else {}
            found[str(status["id"])] = Listed(str(status["id"]), str(status["name"]), {**facts, "types": of})
    return list(found.values())


def users(site: Site, query: Query) -> Iterator[Listed]:
    """Yield who may be assigned in a project.

    Cloud takes a range of its first thousand people and leaves out of it who may not be assigned, so that an
    empty page is not the end; Data Center tells at most a hundred, in one answer.
    """
    flavour = site.settings.flavour
    asked = {"project": query["project"], flavour.user_query: query.get("search", ""), "maxResults": str(_PAGE)}
    starts = range(0, _PEOPLE, _PAGE) if flavour is CLOUD else (0,)
    seen: set[str] = set()
    for start in starts:
        more = {"startAt": str(start)} if flavour is CLOUD else {}
        for row in _rows(site, "/user/assignable/search", **asked, **more):
            number = str(row.get(flavour.user) or "")
            if number and number not in seen:
                seen.add(number)
                facts = _told(row, login="name", email="emailAddress", active="active")
                yield Listed(number, str(row.get("displayName") or number), facts)


def _rows(site: Site, path: str, **query: str) -> list[Mapping[str, Any]]:
    rows = get(site, path, **query)
    if not isinstance(rows, list):
        message = f"GET {path} was answered with something that is not a list"
        raise Retryable(message, sent=False, cause="bad_answer")
    return [row for row in rows if isinstance(row, Mapping)]


def _told(row: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """Return the facts (ours -> theirs) that a row tells."""
    return {ours: row[theirs] for ours, theirs in names.items() if row.get(theirs) not in {None, ""}}


LISTS: Final[Mapping[str, Lister]] = {
    "projects": Lister(projects),
    "types": Lister(types, needs=("project",)),
    "fields": Lister(fields, needs=("project",), takes=("type", "issue", "search")),
    "statuses": Lister(statuses, needs=("project",), takes=("type", "search")),
    "transitions": Lister(workflow.transitions, needs=("project",), takes=("type", "issue")),
    "users": Lister(users, needs=("project",)),
}
