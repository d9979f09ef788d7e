"""Know the fields of a Jira site: which there are, which a screen offers, what each takes.

Field ids differ from site to site and names are not unique, so both come from the live site and are
kept for `LIFE` in the site's memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from connector.errors import Rejected, Retryable
from connector.event import Entity
from connector.ports import Site
from connector.systems.jira.api import get, get_or_none, pages
from connector.systems.jira.settings import JiraTarget

LIFE: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Field:
    """A field as Jira describes it.

    ``allowed`` is None where any value may be tried.  ``type`` is Jira's own word for it, for people.
    """

    id: str
    name: str
    kind: str
    allowed: tuple[Mapping[str, Any], ...] | None = None
    required: bool = False
    has_default: bool = False
    type: str = ""


_NAMED: Final = frozenset({"priority", "resolution", "issuetype", "version", "component", "securitylevel"})
_BY_TYPE: Final = {
    "number": "number",
    "date": "date",
    "datetime": "datetime",
    "option": "option",
    "option-with-child": "cascade",
    "user": "user",
    "group": "group",
    "timetracking": "timetracking",
    "project": "project",
    "issuelink": "parent",
    "string": "line",
}
_BY_ITEMS: Final = {
    "option": "options",
    "user": "users",
    "component": "named_list",
    "version": "named_list",
    "string": "labels",
    "group": "groups",
}
_BY_CUSTOM: Final = {"textarea": "text", "gh-sprint": "sprint", "url": "url", "labels": "labels"}
_BY_SYSTEM: Final = {"description": "text", "environment": "text", "labels": "labels", "parent": "parent"}


def kind_of(schema: Mapping[str, Any]) -> str:
    """Name the shape of a field's values; ``any`` for one we do not know, which is passed through."""
    custom = str(schema.get("custom") or "").rpartition(":")[2]
    if custom in _BY_CUSTOM:
        return _BY_CUSTOM[custom]
    system = str(schema.get("system") or "")
    if system in _BY_SYSTEM:
        return _BY_SYSTEM[system]
    kind = str(schema.get("type") or "")
    if kind == "array":
        return _BY_ITEMS.get(str(schema.get("items") or ""), "any")
    return "named" if kind in _NAMED else _BY_TYPE.get(kind, "any")


def type_of(schema: Mapping[str, Any]) -> str:
    """Name a field's type as Jira does: ``priority``, ``array of component``, ``option (select)``."""
    kind = str(schema.get("type") or "")
    items = schema.get("items")
    custom = str(schema.get("custom") or "").rpartition(":")[2]
    return (f"{kind} of {items}" if items else kind) + (f" ({custom})" if custom else "")


def field_of(number: str, raw: Mapping[str, Any]) -> Field:
    """Read a field description of createmeta, editmeta, a transition or the field list."""
    schema = raw.get("schema")
    allowed = raw.get("allowedValues")
    return Field(
        id=number,
        name=str(raw.get("name") or number),
        kind=kind_of(schema) if isinstance(schema, Mapping) else "any",
        allowed=tuple(v for v in allowed if isinstance(v, Mapping)) if isinstance(allowed, list) else None,
        required=raw.get("required") is True,
        has_default=raw.get("hasDefaultValue") is True,
        type=type_of(schema) if isinstance(schema, Mapping) else "",
    )


def all_fields(site: Site) -> Mapping[str, Field]:
    """Return every field of the site that we may see, by id."""

    def load() -> dict[str, Field]:
        rows = get(site, "/field")
        if not isinstance(rows, list):
            raise Retryable("the field list is not a list", sent=False, cause="bad_answer")
        return {
            str(row["id"]): field_of(str(row["id"]), row) for row in rows if isinstance(row, Mapping) and "id" in row
        }

    found: Mapping[str, Field] = site.memory("jira:fields", LIFE, load)
    return found


# --- what can be set on create ------------------------------------------------------------------------
def create_screen(site: Site, target: JiraTarget) -> tuple[str, Mapping[str, Field]]:
    """Return the id of the target's issue type, and the fields that may be set when one is created."""

    def load() -> tuple[str, dict[str, Field]]:
        types = _types(site, target.project)
        if types is None:
            return _old_screen(site, target)
        number = _type_id(types, target)
        root = f"/issue/createmeta/{target.project}/issuetypes"
        rows = list(pages(site, f"{root}/{number}", ("fields", "values", "results")))
        named = {str(row.get("fieldId") or row.get("key")): row for row in rows}
        return number, {field: field_of(field, row) for field, row in named.items()}

    found: tuple[str, Mapping[str, Field]] = site.memory(f"jira:create:{target.project}:{target.type}", LIFE, load)
    return found


def create_types(site: Site, project: str) -> list[dict[str, Any]]:
    """Return the issue types that may be created in a project, as Jira shows them."""
    types = _types(site, project)
    return _old_types(site, project, "projects.issuetypes") if types is None else types


def _types(site: Site, project: str) -> list[dict[str, Any]] | None:
    """Ask for a project's issue types; None where there is no such project, or no such question yet."""
    try:
        return list(pages(site, f"/issue/createmeta/{project}/issuetypes", ("issueTypes", "values")))
    except Rejected as refused:
        if refused.status != 404:
            raise
    return None


def _type_id(types: list[dict[str, Any]], target: JiraTarget) -> str:
    types = [row for row in types if row.get("id")]
    for row in types:
        if target.type in (row["id"], row.get("name")):
            return str(row["id"])
    near = [row for row in types if str(row.get("name", "")).casefold() == target.type.casefold()]
    if len(near) == 1:
        return str(near[0]["id"])
    known = ", ".join(sorted(str(row.get("name")) for row in types)) or "none that we may create"
    message = f"project {target.project} has no issue type {target.type!r}; it has {known}"
    raise Rejected(message, fields={"type": message}, cause="option:issuetype")


def _old_screen(site: Site, target: JiraTarget) -> tuple[str, dict[str, Field]]:
    """Ask the one big document of Servers before 8.4 (gone since 9.0)."""
    types = _old_types(site, target.project, "projects.issuetypes.fields")
    number = _type_id(types, target)
    chosen = next(row for row in types if str(row["id"]) == number)
    return number, {str(name): field_of(str(name), row) for name, row in (chosen.get("fields") or {}).items()}


def _old_types(site: Site, project: str, expand: str) -> list[dict[str, Any]]:
    found = get_or_none(site, "/issue/createmeta", projectKeys=project, expand=expand) or {}
    projects = [p for p in found.get("projects") or () if isinstance(p, Mapping) and p.get("key") == project]
    if not projects:
        message = f"there is no project {project}, or the account may not create issues in it"
        raise Rejected(message, cause="not_found", status=404)
    return [row for row in projects[0].get("issuetypes") or () if isinstance(row, dict)]


# --- what can be set on an issue there is ----------------------------------------------------------------
def edit_screen(site: Site, target: JiraTarget, entity: Entity, *, fresh: bool = False) -> Mapping[str, Field]:
    """Return the fields that may be set on an issue.

    Remembered per project and type, since a screen rarely differs between two issues of one kind;
    ``fresh`` asks for this very issue, for the case that it does.
    """

    def load() -> dict[str, Field]:
        found = get_or_none(site, f"/issue/{entity.id}/editmeta")
        if found is None:
            raise Rejected("the issue does not exist, or the account may not see it", cause="not_found", status=404)
        rows = found.get("fields")
        shown = rows.items() if isinstance(rows, Mapping) else ()
        return {str(name): field_of(str(name), row) for name, row in shown if isinstance(row, Mapping)}

    if fresh:
        return load()
    found: Mapping[str, Field] = site.memory(f"jira:edit:{entity.scope or target.project}:{target.type}", LIFE, load)
    return found


# --- statuses ------------------------------------------------------------------------------------------------
def statuses(site: Site, project: str) -> Mapping[str, tuple[str, str]]:
    """Return a project's statuses: name in lower case -> (name, category key); empty where nobody tells."""

    def load() -> dict[str, tuple[str, str]]:
        found: dict[str, tuple[str, str]] = {}
        for row in _statuses(site, project):
            for status in row.get("statuses") or ():
                category = status.get("statusCategory") or {}
                found[str(status["name"]).casefold()] = (str(status["name"]), str(category.get("key", "")))
        return found

    known: Mapping[str, tuple[str, str]] = site.memory(f"jira:statuses:{project}", LIFE, load)
    return known


def status_rows(site: Site, project: str) -> list[dict[str, Any]]:
    """Return a project's issue types, each with its ``statuses``; raises `Rejected` where there is no such project."""
    try:
        rows = get(site, f"/project/{project}/statuses")
    except Rejected as refused:
        if refused.status != 404:
            raise
        message = f"there is no project {project}, or the account may not see it"
        raise Rejected(message, cause="not_found", status=404) from refused
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


@dataclass(frozen=True, slots=True)
class Status:
    """A status of a workflow."""

    id: str
    name: str
    category: str


def statuses_of(site: Site, project: str, kind: str) -> Mapping[str, Status]:
    """Return the statuses that the workflow of an issue type has, by name in lower case.

    Those of the whole project where none is told of the type, or where ``kind`` is "".
    """

    def load() -> dict[str, Status]:
        rows = _statuses(site, project)
        mine = [row for row in rows if kind in (row.get("id"), row.get("name"))]
        lists = [row["statuses"] for row in mine or rows if isinstance(row.get("statuses"), list)]
        found = [one for statuses in lists for one in statuses if isinstance(one, Mapping) and one.get("name")]
        categories = [one.get("statusCategory") for one in found]
        return {
            str(one["name"]).casefold(): Status(
                str(one.get("id", "")),
                str(one["name"]),
                str(category.get("key", "")) if isinstance(category, Mapping) else "",
            )
            for one, category in zip(found, categories, strict=True)
        }

    known: Mapping[str, Status] = site.memory(f"jira:workflow:{project}:{kind}", LIFE, load)
    return known


def _statuses(site: Site, project: str) -> list[dict[str, Any]]:
    """Ask for a project's statuses, by issue type; where that is not to be had, for all of the site."""
    try:
        return status_rows(site, project)
    except Rejected as refused:
        if refused.status != 404:
            raise
    try:
        rows = get(site, "/status")
    except Rejected as refused:
        if refused.status != 404:
            raise
        return []
    return [{"statuses": [row for row in rows if isinstance(row, dict)]}] if isinstance(rows, list) else []
