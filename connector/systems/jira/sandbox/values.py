"""Judge the values that a write sends, as Jira does, and say what a change changed in changelog words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from connector.systems.jira.sandbox.content import FieldKind, Rich, User
from connector.systems.jira.sandbox.site import Json, Site

LONGEST: Final = 32_767


class BadValue(Exception):
    """A value that Jira answers with 400; the message is what it says under the field's key."""


class TooLong(Exception):
    """A text over the limit, which v3 refuses in a way of its own."""


def take(site: Site, field: FieldKind, value: Any, api: str) -> Any:
    """Return a value as it is stored; None clears the field."""
    if value is None:
        return None
    match field.kind:
        case "string":
            return _string(field, value)
        case "text":
            return _rich(site, value, api)
        case "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise BadValue("Specify a valid number")
            return float(value)
        case "date":
            try:
                return date.fromisoformat(value).isoformat()
            except (TypeError, ValueError):
                raise BadValue("Error parsing date string") from None
        case "datetime":
            return _datetime(value)
        case "labels":
            return _labels(value)
        case "user":
            return account(site, value).id
        case "users":
            return [account(site, one).id for one in _array(value)]
        case "option" | "named":
            return choose(field, value)
        case "options" | "nameds":
            return [choose(field, one) for one in _array(value)]
        case "cascade":
            return _cascade(field, value)
        case "sprint":
            if isinstance(value, bool) or not isinstance(value, int):
                raise BadValue("Number value expected as the Sprint id.")
            return value
        case "parent":
            return _parent(site, value)
        case _:
            if not isinstance(value, Mapping):
                raise BadValue("data was not an object")
            return dict(value)


def _string(field: FieldKind, value: Any) -> str:
    if not isinstance(value, str):
        raise BadValue("Operation value must be a string")
    if field.id == "summary" and ("\n" in value or "\r" in value):
        raise BadValue("The summary is invalid because it contains newline characters.")
    if len(value) > 255:
        raise BadValue(f"{field.name} must be less than 255 characters.")
    return value


def _rich(site: Site, value: Any, api: str) -> Rich:
    if api == "3":
        if not isinstance(value, Mapping) or value.get("type") != "doc" or value.get("version") != 1:
            raise BadValue("Operation value must be an Atlassian Document (see the Atlassian Document Format)")
        if _letters(value) > LONGEST:
            raise TooLong
    elif not isinstance(value, str):
        raise BadValue("Operation value must be a string")
    elif len(value) > LONGEST:
        raise BadValue(f"The entered text is too long. It exceeds the allowed limit of {LONGEST} characters.")
    return site.rich_in(value, api)


def rich(site: Site, value: Any, api: str) -> Rich:
    """Take the body of a comment."""
    return _rich(site, value, api)


def _letters(node: Any) -> int:
    stack, found = [node], 0
    while stack:
        one = stack.pop()
        if isinstance(one, Mapping):
            found += len(one.get("text", "")) if isinstance(one.get("text"), str) else 0
            stack.extend(one.get("content") or ())
    return found


def _datetime(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadValue("Error parsing time") from None
    if found.tzinfo is None:
        raise BadValue("Error parsing time")
    return found.astimezone(UTC)


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BadValue("data was not an array")
    return value


def _labels(value: Any) -> list[str]:
    found = _array(value)
    for label in found:
        if not isinstance(label, str) or re.search(r"\s", label):
            raise BadValue(f"The label '{label}' contains spaces which is invalid.")
        if len(label) > 255:
            raise BadValue("The label exceeds the maximum length of 255 characters.")
    return sorted(set(found))


def account(site: Site, value: Any) -> User:
    """Find the account that a write names: accountId (or id) on Cloud, name on Data Center."""
    named = value if isinstance(value, Mapping) else {}
    if site.cloud:
        found = site.users.get(str(named.get("accountId") or named.get("id") or ""))
    else:
        found = site.by_login.get(str(named.get("name") or ""))
    if found is None:
        raise BadValue("User does not exist or cannot be assigned issues.")
    return found


def choose(field: FieldKind, value: Any) -> str:
    """Find the choice that a write names by id, value or name."""
    if not isinstance(value, Mapping):
        raise BadValue("Could not find valid 'id' or 'value' in the Parent Option object.")
    for number, name, _ in field.options:
        if number in field.retired:
            continue
        if value.get("id") == number or ("id" not in value and name in {value.get("value"), value.get("name")}):
            return number
    shown = value.get("id") or value.get("value") or value.get("name")
    if field.id in {"fixVersions", "components"}:
        raise BadValue(f"{field.name} id '{shown}' is not valid")
    raise BadValue(f"Option id '{shown}' is not valid")


def _cascade(field: FieldKind, value: Any) -> tuple[str, str | None]:
    parent = choose(field, value)
    child = value.get("child")
    if not child:
        return parent, None
    below = next(children for number, _, children in field.options if number == parent)
    for number, name in below:
        if child.get("id") == number or child.get("value") == name:
            return parent, number
    raise BadValue(f"Option id '{child.get('id') or child.get('value')}' is not valid")


def _parent(site: Site, value: Any) -> str:
    found = site.issue(str(value.get("id") or value.get("key") or "")) if isinstance(value, Mapping) else None
    if found is None:
        raise BadValue("Could not find issue by id or key.")
    return found.id


# --- changelog -------------------------------------------------------------------------------------------
def item(site: Site, field: FieldKind, old: Any, new: Any) -> Json:
    """Describe one change as a changelog item does."""
    before, before_shown = _sides(site, field, old)
    after, after_shown = _sides(site, field, new)
    named = {} if not site.cloud else {"fieldId": field.id}
    return {
        "field": field.id if field.schema.get("system") else field.name,
        "fieldtype": "jira" if field.schema.get("system") else "custom",
        **named,
        "from": before,
        "fromString": before_shown,
        "to": after,
        "toString": after_shown,
    }


def _sides(site: Site, field: FieldKind, stored: Any) -> tuple[str | None, str | None]:
    names = {number: name for number, name, _ in field.options}
    if stored is None or stored == []:
        return None, "" if field.kind == "labels" else None
    match field.kind:
        case "text":
            return None, str(site.rich_out(stored, "2"))
        case "user":
            return stored, site.users[stored].shown
        case "named" | "option":
            return stored, names[stored]
        case "nameds" | "options":
            return ", ".join(stored), ", ".join(names[one] for one in stored)
        case "labels":
            return None, " ".join(stored)
        case "date":
            return stored, stored
        case "datetime":
            return None, site.stamp(stored)
        case "parent":
            return stored, site.issues[stored].key
        case _:
            return None, str(stored)
