"""Bring what Jira answers for a field into the form in which it is written, so that the two compare."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from connector.systems.jira.metadata import Field
from connector.systems.jira.text import comparable
from connector.systems.jira.vocabulary import Json, moment

LISTS: Final = frozenset({"options", "named_list", "labels", "users", "groups"})
"""Kinds of field that hold several values."""


def compare(field: Field, value: Any) -> Any:
    """Return a value read from an issue in the form that `shape` gives."""
    if value is None:
        return [] if field.kind in LISTS else None
    read = _READ.get(field.kind)
    return value if read is None else read(value)


def stamp(at: datetime) -> str:
    """Write a time as Jira does, in UTC: ``2026-11-24T09:00:00.000+0000``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+0000"


def shown(one: Json) -> str:
    """Return what people see of a choice."""
    return str(one.get("value") or one.get("name") or "")


def _read_choice(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    found = {"id": str(value["id"])} if value.get("id") else {"name": shown(value)}
    child = value.get("child")
    return {**found, "child": _read_choice(child)} if isinstance(child, Mapping) else found


def _read_list(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: sorted(map(read, value), key=str) if isinstance(value, list) else value


def _read_user(value: Any) -> Any:
    for name in ("accountId", "name"):
        if isinstance(value, Mapping) and value.get(name):
            return {name: value[name]}
    return value


def _read_number(value: Any) -> Any:
    return float(value) if isinstance(value, int | float) else value


def _read_datetime(value: Any) -> Any:
    found = moment(value)
    return stamp(found) if found else value


def _read_timetracking(value: Any) -> Any:
    given = value if isinstance(value, Mapping) else {}
    return {name: given[name] for name in ("originalEstimate", "remainingEstimate") if given.get(name)} or None


_OLD_SPRINT: Final = re.compile(r"\[(?:[^\]]*?,)?id=(\d+)[,\]]")


def _read_sprint(value: Any) -> Any:
    """Return the number of the newest sprint that is not closed; old Servers write sprints as text."""
    open_ones: list[int] = []
    for one in value if isinstance(value, list) else ():
        if isinstance(one, Mapping) and str(one.get("state", "")).lower() != "closed":
            open_ones.append(int(one.get("id") or 0))
        elif isinstance(one, str) and "state=CLOSED" not in one and (match := _OLD_SPRINT.search(one[:2000])):
            open_ones.append(int(match[1]))
    return max(open_ones, default=None)


def _read_parent(value: Any) -> Any:
    return {"key": value["key"]} if isinstance(value, Mapping) and value.get("key") else value


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "text": comparable,
    "number": _read_number,
    "datetime": _read_datetime,
    "timetracking": _read_timetracking,
    "option": _read_choice,
    "options": _read_list(_read_choice),
    "cascade": _read_choice,
    "named": _read_choice,
    "named_list": _read_list(_read_choice),
    "labels": _read_list(str),
    "user": _read_user,
    "users": _read_list(_read_user),
    "group": lambda value: {"name": value["name"]} if isinstance(value, Mapping) and "name" in value else value,
    "sprint": _read_sprint,
    "parent": _read_parent,
    "project": _read_parent,
}
