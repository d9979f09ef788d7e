"""Turn a wanted value into the JSON that one kind of field takes.

One row a kind.  A value that cannot be is a `Rejected` that names the field; what is lost on the way is
told in words.  `readback` brings what Jira holds into the same form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from math import isfinite
from typing import Any, Final

from connector.errors import Rejected
from connector.examining import squeezed
from connector.ports import Site
from connector.systems.jira import people
from connector.systems.jira.metadata import Field
from connector.systems.jira.readback import LISTS, shown, stamp
from connector.systems.jira.text import comparable, native, words
from connector.systems.jira.vocabulary import moment

Json = Mapping[str, Any]
Losses = list[str]
LINE: Final = 255
"""The length of a summary, a short text and a label."""

_KEY: Final = re.compile(r"[A-Z][A-Z0-9_]*-\d+\Z")


def shape(site: Site, project: str, field: Field, value: Any, losses: Losses) -> Any:
    """Return ``value`` as the field takes it; None (or an empty list) clears the field."""
    if isinstance(value, list) and field.kind not in LISTS and field.kind not in {"any", "cascade"}:
        value = _only(field, value)
    if value is None or value == "":
        return [] if field.kind in LISTS else None
    write = _WRITE.get(field.kind)
    return value if write is None else write(_At(site, project, field, losses), value)


class _At:
    """Where a value goes: what a row of the tables below gets."""

    __slots__ = ("field", "losses", "project", "site")

    def __init__(self, site: Site, project: str, field: Field, losses: Losses) -> None:
        self.site, self.project, self.field, self.losses = site, project, field, losses

    def lose(self, what: str) -> None:
        self.losses.append(f"{self.field.name}: {what}")

    def wrong(self, message: str, kind: str = "value") -> Rejected:
        text = f"{self.field.name}: {message}"
        return Rejected(text, fields={self.field.name: message}, cause=f"{kind}:{self.field.id}")


def _only(field: Field, values: list[Any]) -> Any:
    if len(values) > 1:
        message = f"takes one value, not {len(values)}"
        raise Rejected(f"{field.name}: {message}", fields={field.name: message}, cause=f"value:{field.id}")
    return values[0] if values else None


# --- words and numbers ----------------------------------------------------------------------------------
def _line(at: _At, value: Any) -> str:
    whole = " ".join(words(value).split())
    if len(whole) <= LINE:
        return whole
    at.lose(f"cut at {LINE} characters")
    return whole[: LINE - 1].rstrip() + "…"


def _text(at: _At, value: Any) -> Any:
    content, lost = native(at.site, value)
    for one in lost:
        at.lose(one)
    return comparable(content)


def _url(at: _At, value: Any) -> str:
    address = words(value).strip()
    if not re.match(r"https?://\S+\Z", address):
        raise at.wrong("is not a web address")
    return address


def _number(at: _At, value: Any) -> float:
    try:
        found = float("nan") if isinstance(value, bool) else float(words(value))
    except ValueError:
        raise at.wrong("is not a number") from None
    if not isfinite(found):
        raise at.wrong("is not a number")
    return found


def _date(at: _At, value: Any) -> str:
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise at.wrong("is not a date such as 2026-11-24") from None


def _datetime(at: _At, value: Any) -> str:
    found = moment(value)
    if found is None:
        raise at.wrong("is not a time with a zone")
    return stamp(found)


def _timetracking(at: _At, value: Any) -> dict[str, str]:
    given = value if isinstance(value, Mapping) else {"originalEstimate": str(value)}
    found = {name: str(given[name]) for name in ("originalEstimate", "remainingEstimate") if given.get(name)}
    if not found:
        raise at.wrong("needs originalEstimate or remainingEstimate")
    return found


# --- choices --------------------------------------------------------------------------------------------
def _wanted_word(value: Any) -> str:
    if isinstance(value, Mapping) and "format" not in value:
        return str(next((value[name] for name in ("id", "value", "name", "key") if value.get(name)), ""))
    return words(value).strip()


def _choose(at: _At, value: Any, allowed: tuple[Json, ...] | None, member: str) -> dict[str, Any]:
    word = _wanted_word(value)
    if allowed is None:
        # Jira offers no list (it is searched as one types): let Jira judge the word.
        return {"id": word} if word.isdigit() else {member: word}
    exact = [one for one in allowed if word in (one.get("id"), one.get("value"), one.get("name"), one.get("key"))]
    # An administrator may have typed a space at the end that nobody sees.
    near = exact or [
        one for one in allowed if squeezed(word) in {squeezed(shown(one)), str(one.get("key", "")).casefold()}
    ]
    if len(near) > 1:
        ids = ", ".join(str(one.get("id")) for one in near)
        raise at.wrong(f"{word!r} names several choices; write the id, one of {ids}", "ambiguous")
    if not near:
        known = ", ".join(sorted(shown(one) for one in allowed)[:30]) or "none"
        raise at.wrong(f"{word!r} is not a choice; there are {known}", "option")
    return {"id": str(near[0]["id"])} if near[0].get("id") else {member: shown(near[0])}


def _option(at: _At, value: Any) -> dict[str, Any]:
    return _choose(at, value, at.field.allowed, "value")


def _named(at: _At, value: Any) -> dict[str, Any]:
    return _choose(at, value, at.field.allowed, "name")


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _choices(at: _At, value: Any, member: str) -> list[dict[str, Any]]:
    found = [_choose(at, one, at.field.allowed, member) for one in _as_list(value)]
    unique = {str(one): one for one in found}
    return sorted(unique.values(), key=str)


def _options(at: _At, value: Any) -> list[dict[str, Any]]:
    return _choices(at, value, "value")


def _named_list(at: _At, value: Any) -> list[dict[str, Any]]:
    return _choices(at, value, "name")


def _cascade(at: _At, value: Any) -> dict[str, Any]:
    """Take ``green / blue``, ``[green, blue]`` or ``{value: green, child: {value: blue}}``."""
    if isinstance(value, Mapping) and "format" not in value:
        parts = [value, *([value["child"]] if value.get("child") else [])]
    else:
        parts = value if isinstance(value, list) else re.split(r"\s*/\s*", words(value), maxsplit=1)
    found = _choose(at, parts[0], at.field.allowed, "value")
    if len(parts) < 2:
        return found
    parent = next((one for one in at.field.allowed or () if str(one.get("id")) == found.get("id")), None)
    below = tuple(parent.get("children") or ()) if parent else None
    return {**found, "child": _choose(at, parts[1], below, "value")}


def _labels(at: _At, value: Any) -> list[str]:
    found: set[str] = set()
    for one in _as_list(value):
        word = words(one).strip()
        label = re.sub(r"\s+", "_", word)[:LINE]
        if label != word:
            at.lose(f"label {word[:60]!r} became {label[:60]!r}")
        if label:
            found.add(label)
    return sorted(found)


# --- people and things ----------------------------------------------------------------------------------
def _user(at: _At, value: Any) -> dict[str, str] | None:
    who = people.resolve(at.site, at.project, value)
    if who is None and isinstance(value, Mapping):
        at.lose(f"{value.get('name') or value.get('login') or value.get('id')} has no account here")
        return None
    if who is None:
        raise at.wrong(f"{value!r} is nobody here", "option")
    return {at.site.settings.flavour.user: who}


def _users(at: _At, value: Any) -> list[dict[str, str]]:
    found = [one for person in _as_list(value) if (one := _user(at, person)) is not None]
    return sorted({str(one): one for one in found}.values(), key=str)


def _group(_at: _At, value: Any) -> dict[str, str]:
    return {"name": _wanted_word(value)}


def _groups(at: _At, value: Any) -> list[dict[str, str]]:
    return sorted((_group(at, one) for one in _as_list(value)), key=str)


def _sprint(at: _At, value: Any) -> int:
    # Jira reads a list of objects and takes one bare number, whatever the schema says.
    word = _wanted_word(value)
    if not word.isdigit():
        raise at.wrong("takes the number of a sprint")
    return int(word)


def _parent(at: _At, value: Any) -> dict[str, str]:
    word = _wanted_word(value).upper()
    if word.isdigit():
        return {"id": word}
    if not _KEY.match(word):
        raise at.wrong("takes the key of an issue")
    return {"key": word}


def _project(_at: _At, value: Any) -> dict[str, str]:
    word = _wanted_word(value)
    return {"id": word} if word.isdigit() else {"key": word}


_WRITE: Final[Mapping[str, Callable[[_At, Any], Any]]] = {
    "line": _line,
    "text": _text,
    "url": _url,
    "number": _number,
    "date": _date,
    "datetime": _datetime,
    "timetracking": _timetracking,
    "option": _option,
    "options": _options,
    "cascade": _cascade,
    "named": _named,
    "named_list": _named_list,
    "labels": _labels,
    "user": _user,
    "users": _users,
    "group": _group,
    "groups": _groups,
    "sprint": _sprint,
    "parent": _parent,
    "project": _project,
}
