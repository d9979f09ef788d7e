"""Bring an issue into a status: Jira has no *set*, only the transitions its workflow allows now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connector.errors import Rejected
from connector.event import Entity
from connector.ports import Site
from connector.systems.jira.api import call, get_object
from connector.systems.jira.metadata import Field, field_of, statuses
from connector.systems.jira.settings import JiraTarget
from connector.systems.jira.shapes import shape
from connector.systems.jira.vocabulary import Json, member

STEPS: Final = 3
"""How many transitions are taken, one after the other, where none leads there directly."""
RANK: Final = {"new": 0, "indeterminate": 1, "done": 2}
"""The order of Jira's categories: on its way an issue never leaves the range between where it is and shall be."""


def move(site: Site, target: JiraTarget, entity: Entity, fields: Json, has: Json) -> bool:
    """Move an issue into the status of ``fields`` and tell whether anything was sent.

    Already there (in the status, or in the category where one is named), or done in both senses:
    nothing to do.  Where no transition leads there directly, up to three steps are taken one at a time,
    each between where the issue is and where it shall be.  ``fields`` are native values: beside the status
    those that a transition's screen may ask for (a resolution).  ``has`` are the issue's fields as read just now.
    """
    status = str(fields["status"]["name"])
    seen: list[str] = []
    known = statuses(site, entity.scope or target.project)
    now = member(has, "status")
    while True:
        if _named(now) == status.casefold() or (status.casefold() not in known and _category(now) == status.casefold()):
            return bool(seen)
        seen.append(_named(now))
        done = _category_wanted(known, status) == "done" and _category(now) == "done"
        if done and len(seen) == 1:
            return False
        ways = offered(site, entity)
        step = _direct(ways, status)
        if step is None and done:
            return True
        if step is None and len(seen) <= STEPS:
            step = _towards(known, [one for one in ways if _fillable(one, fields)], now, status, seen)
        if step is None:
            raise _stuck(now, status, ways)
        _take(site, target, entity, step, fields)
        if _leads_to(step, status):
            return True
        now = _status(site, entity)


def _status(site: Site, entity: Entity) -> Json:
    issue = get_object(site, f"/issue/{entity.id}", fields="status,resolution")
    return member(member(issue, "fields"), "status")


def _category(status: Json) -> str:
    return str(member(status, "statusCategory").get("key", ""))


def _named(status: Json) -> str:
    return str(status.get("name", "")).casefold()


def _category_wanted(known: Mapping[str, tuple[str, str]], wanted: str) -> str:
    """Return the category of the wanted status; a category may be named itself."""
    word = wanted.casefold()
    return known[word][1] if word in known else word


def offered(site: Site, entity: Entity) -> list[Json]:
    """Return the transitions that the workflow and our permissions allow an issue now, with their screens."""
    found = get_object(site, f"/issue/{entity.id}/transitions", expand="transitions.fields")
    return [
        one for one in found.get("transitions") or () if isinstance(one, Mapping) and isinstance(one.get("to"), Mapping)
    ]


def _leads_to(step: Json, wanted: str) -> bool:
    return wanted.casefold() in {_named(step["to"]), _category(step["to"])}


def _direct(offered: list[Json], wanted: str) -> Json | None:
    """Choose the transition into the wanted status; else, where a category was named, into that category."""
    word = wanted.casefold()
    by_name = [one for one in offered if _named(one["to"]) == word]
    by_category = [one for one in offered if _category(one["to"]) == word]
    # Several may lead there; one without a screen to fill in is the easier way.
    return min(by_name or by_category, key=lambda one: len(asked(one)), default=None)


def _towards(
    known: Mapping[str, tuple[str, str]], ways: list[Json], now: Json, wanted: str, seen: list[str]
) -> Json | None:
    """Choose the step that comes nearest to the wanted category without leaving the way there; None if none does.

    So an issue on its way between two open statuses is never closed for a moment.
    """
    here, there = RANK.get(_category(now)), RANK.get(_category_wanted(known, wanted))
    if here is None or there is None:
        return None
    between = [
        one
        for one in ways
        if _named(one["to"]) not in seen and min(here, there) <= RANK.get(_category(one["to"]), -1) <= max(here, there)
    ]
    return min(between, key=lambda one: abs(RANK[_category(one["to"])] - there), default=None)


def _fillable(step: Json, given: Json) -> bool:
    """Tell whether everything that a transition's screen requires is at hand."""
    return all(
        given.get(field.id) is not None or (field.id == "resolution" and bool(field.allowed)) for field in asked(step)
    )


def asked(step: Json) -> list[Field]:
    """List the fields that a transition's screen requires and that have no default."""
    shown = step.get("fields")
    rows = shown.items() if isinstance(shown, Mapping) else ()
    fields = [field_of(str(name), raw) for name, raw in rows if isinstance(raw, Mapping)]
    return [field for field in fields if field.required and not field.has_default]


def _take(site: Site, target: JiraTarget, entity: Entity, step: Json, given: Json) -> None:
    shown = step.get("fields")
    offered = {str(name): field_of(str(name), raw) for name, raw in shown.items()} if isinstance(shown, Mapping) else {}
    fields: dict[str, Any] = {}
    for name, field in offered.items():
        if name in given and given[name] is not None:
            value = shape(site, target.project, field, given[name], []) if name == "resolution" else given[name]
            fields[name] = value
    for field in asked(step):
        if field.id in fields:
            continue
        if field.id != "resolution" or not field.allowed:
            message = f"the transition {step.get('name')!r} asks for {field.name}: add it to the mapping"
            raise Rejected(message, fields={field.name: "is required"}, cause=f"required:{field.id}")
        first = field.allowed[0]
        fields[field.id] = {"id": first["id"]} if first.get("id") else {"name": first.get("name")}
    body: dict[str, Any] = {"transition": {"id": str(step["id"])}}
    if fields:
        body["fields"] = fields
    call(site, "POST", f"/issue/{entity.id}/transitions", json=body, entity=entity.id)


def _stuck(now: Json, wanted: str, offered: list[Json]) -> Rejected:
    ways = ", ".join(sorted({str(one["to"].get("name")) for one in offered})) or "nothing"
    message = f"the workflow does not lead from {now.get('name')!r} to {wanted!r}; it offers {ways}"
    return Rejected(message, fields={"Status": message}, cause="transition")
