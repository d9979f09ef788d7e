"""Shape what a mapping wants into Jira's fields: by display name or id, against the live screens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connector.errors import Rejected
from connector.event import Entity
from connector.ports import Site
from connector.system import Shaped
from connector.systems.jira.metadata import Field, all_fields, create_screen, edit_screen, statuses
from connector.systems.jira.settings import JiraTarget
from connector.systems.jira.shapes import shape
from connector.systems.jira.text import words

LATER: Final = frozenset({"status", "resolution"})
"""Fields that no create or edit carries: they are written by a transition."""

SPEAKS: Final[Mapping[str, str]] = {
    "title": "summary",
    "body": "description",
    "state": "status",
    "labels": "labels",
    "assignee": "assignee",
    "reporter": "reporter",
    "priority": "priority",
    "due": "duedate",
}
"""Vocabulary key -> the field that shows it."""

STATUS_NAMES: Final = frozenset({"status", "state"})
CATEGORIES: Final = {"to do": "new", "in progress": "indeterminate", "done": "done"}
"""Jira's own names of its three status categories: what they mean where no status is called so."""


def shaped(site: Site, target: JiraTarget, wanted: Mapping[str, Any], entity: Entity | None) -> Shaped:
    """Turn wanted values (by display name or field id) into what a write takes; *all* mistakes at once."""
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    losses: list[str] = []
    wrong: list[Rejected] = []
    for name, value in wanted.items():
        try:
            if is_status(site, name):
                fields |= _status_fields(site, target, entity, value)
                names |= dict.fromkeys(LATER & fields.keys(), name)
                continue
            field = _field(site, target, entity, name)
            fields[field.id] = shape(site, target.project, field, value, losses)
            names[field.id] = name
        except Rejected as refused:
            if refused.status is not None:
                raise  # Jira's own refusal of a read: not a mistake in one value
            wrong.append(refused if name in refused.fields else _renamed(refused, name))
    if wrong:
        told = {name: text for refused in wrong for name, text in refused.fields.items()}
        raise Rejected("; ".join(str(refused) for refused in wrong), fields=told, cause=wrong[0].cause)
    return Shaped(fields, names, LATER & fields.keys(), tuple(losses))


def _renamed(refused: Rejected, name: str) -> Rejected:
    """Say it of the field as the user wrote it."""
    text = next(iter(refused.fields.values()), str(refused))
    return Rejected(str(refused), fields={name: text}, cause=refused.cause)


def is_status(site: Site, name: str) -> bool:
    """Tell whether a name that a user wrote means the status."""
    if name.casefold() in STATUS_NAMES:
        return True
    field = all_fields(site).get("status")
    return field is not None and field.name.casefold() == name.casefold()


def _status_fields(site: Site, target: JiraTarget, entity: Entity | None, value: Any) -> dict[str, Any]:
    """Read ``Done`` or ``{status: Done, resolution: Fixed}``; the status must exist in the project.

    Where none is called *To Do*, *In Progress* or *Done*, the category of that name is meant: workflows
    name their statuses as they like, and in their own language.
    """
    given = value if isinstance(value, Mapping) and "format" not in value else {"status": value}
    status, resolution = words(given.get("status")).strip(), given.get("resolution")
    known = statuses(site, (entity.scope if entity else "") or target.project)
    found = known.get(status.casefold())
    category = CATEGORIES.get(status.casefold(), status.casefold())
    if found is None and known and category not in CATEGORIES.values():
        offered = ", ".join(sorted(name for name, _ in known.values()))
        message = f"{status!r} is no status of {target.project}; there are {offered}"
        raise Rejected(message, fields={"Status": message}, cause="option:status")
    fields: dict[str, Any] = {"status": {"name": found[0] if found else category if known else status}}
    if resolution:
        fields["resolution"] = {"name": words(resolution)}
    return fields


def _field(site: Site, target: JiraTarget, entity: Entity | None, name: str) -> Field:
    """Find a field that may be set here, by id or by display name in any case."""
    screen = create_screen(site, target)[1] if entity is None else edit_screen(site, target, entity)
    found = named_field(screen, name)
    if found is None and entity is not None:
        found = named_field(edit_screen(site, target, entity, fresh=True), name)
    if found is not None:
        return found
    elsewhere = named_field(all_fields(site), name)
    if elsewhere is None:
        message = "there is no such field here"
        raise Rejected(f"{name}: {message}", fields={name: message}, cause="field")
    if elsewhere.id == "resolution":
        message = "can only be set together with a status: write {status: ..., resolution: ...}"
    else:
        which = "create" if entity is None else "edit"
        message = f"is not on the {which} screen of {target.project} / {target.type}: an administrator can add it"
    raise Rejected(f"{name}: {message}", fields={name: message}, cause=f"screen:{elsewhere.id}")


def named_field(fields: Mapping[str, Field], name: str) -> Field | None:
    """Find a field by id or by name in any case; raises `Rejected` where several have this name."""
    if name in fields:
        return fields[name]
    near = [field for field in fields.values() if field.name.casefold() == name.casefold()]
    if not near:
        # Jira shows names in the account's language; the ids of its own fields are their English names.
        word = name.casefold().replace(" ", "")
        near = [field for field in fields.values() if field.id.casefold() == word]
    if len(near) > 1:
        message = f"several fields have this name; write one of {', '.join(sorted(field.id for field in near))}"
        raise Rejected(f"{name}: {message}", fields={name: message}, cause="ambiguous")
    return near[0] if near else None
