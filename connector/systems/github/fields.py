"""Turn the values a user's mapping wants into the fields of a GitHub issue, and read them back alike.

Native fields: ``title`` str, ``body`` Markdown without markers, ``labels`` and ``assignees`` sorted
lists (logins in lower case, as GitHub does not tell case apart),
``milestone`` a number or None, ``state`` ``open``/``closed``, ``state_reason``.  `current`
gives an issue in the same form, so that both can be compared by ``==``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from connector.errors import Rejected
from connector.event import Entity
from connector.ports import Site
from connector.system import Shaped
from connector.systems.github.api import PER_PAGE, get, pages, split
from connector.systems.github.members import Json, member, optional
from connector.systems.github.settings import Target
from connector.systems.github.text import TITLE_LIMIT, bare, native
from connector.systems.github.vocabulary import labels, people

LIFE: Final = timedelta(minutes=15)
"""How long the labels and milestones of a repository are remembered."""

MOST_ASSIGNEES: Final = 10

KEPT_AS: Final[Mapping[str, tuple[str, ...]]] = {
    "title": ("title",),
    "body": ("body",),
    "labels": ("labels",),
    "assignees": ("assignees", "assignee"),
    "milestone": ("milestone",),
    "state": ("state", "state_category", "state_reason"),
    "state_reason": ("state", "state_category", "state_reason"),
}
"""Native field -> the vocabulary keys that show it."""

SPEAKS: Final[Mapping[str, str]] = {
    "title": "title",
    "body": "body",
    "labels": "labels",
    "assignee": "assignees",
    "assignees": "assignees",
    "milestone": "milestone",
    "state": "state",
}
"""Vocabulary key -> the field that shows it; the first assignee is the only one where Jira says so."""

NAMES: Final[Mapping[str, str]] = {
    "title": "title",
    "summary": "title",
    "body": "body",
    "description": "body",
    "labels": "labels",
    "label": "labels",
    "assignees": "assignees",
    "assignee": "assignees",
    "milestone": "milestone",
    "state": "state",
    "status": "state",
    "statereason": "state_reason",
}
"""What users may call a field, folded: no case, spaces, ``_`` or ``-``."""

LATER: Final = frozenset({"state", "state_reason"})
"""What a create cannot carry."""

REASONS: Final = ("completed", "not_planned", "duplicate")


def current(issue: Json) -> dict[str, Any]:
    """Return the fields of an issue in the form that `shape` makes."""
    milestone = optional(issue, "milestone", dict)
    return {
        "title": member(issue, "title", str),
        "body": bare(optional(issue, "body", str) or "").rstrip(),
        "labels": labels(issue),
        "assignees": sorted(one["login"].casefold() for one in people(issue)),
        "milestone": None if milestone is None else member(milestone, "number", int),
        "state": member(issue, "state", str),
        "state_reason": optional(issue, "state_reason", str),
    }


class _Unfit(Exception):
    """A wanted value that GitHub cannot hold; ``cause`` groups, the message is for people."""

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause


def shape(site: Site, target: Target, wanted: Mapping[str, Any], entity: Entity | None) -> Shaped:
    """Make native fields; raises `Rejected` naming each value that cannot be."""
    repository = target.repository if entity is None else split(entity.key)[0]
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    losses: list[str] = []
    wrong: dict[str, str] = {}
    causes: list[str] = []
    for name, value in wanted.items():
        try:
            made, lost = _made(site, repository, name, value, names)
        except _Unfit as error:
            wrong[name] = str(error)
            causes.append(error.cause)
            continue
        fields.update(made)
        names.update(dict.fromkeys(made, name))
        losses.extend(f"{name}: {loss}" for loss in lost)
    if wrong:
        message = "; ".join(f"{name}: {why}" for name, why in wrong.items())
        raise Rejected(message, fields=wrong, cause=causes[0])
    return Shaped(fields, names, LATER & fields.keys(), tuple(losses))


def field_named(name: str) -> str | None:
    """Return the native field that a user means by a name; None where there is none."""
    return NAMES.get(name.casefold().replace(" ", "").replace("_", "").replace("-", ""))


_Made = tuple[dict[str, Any], tuple[str, ...]]


def _made(site: Site, repository: str, name: str, value: Any, taken: Mapping[str, str]) -> _Made:
    field = field_named(name)
    if field is None:
        message = f"GitHub issues have no such field, only {', '.join(sorted(set(NAMES.values())))}"
        raise _Unfit(message, "unknown_field")
    if field in taken:
        message = f"it is the same field as {taken[field]}"
        raise _Unfit(message, "field_twice")
    return _SHAPES[field](site, repository, value)


def _title(_site: Site, _repository: str, value: Any) -> _Made:
    text = " ".join(_word(value).split())
    if not text:
        raise _Unfit("a title must not be empty", "value:title")
    if len(text) <= TITLE_LIMIT:
        return {"title": text}, ()
    return {"title": text[: TITLE_LIMIT - 1] + "…"}, (f"cut to {TITLE_LIMIT} characters",)


def _body(_site: Site, _repository: str, value: Any) -> _Made:
    markdown, losses = native(value)
    # GitHub does not keep white space at the end, nor would our marker let it.
    return {"body": markdown.rstrip()}, losses


def _labels(site: Site, repository: str, value: Any) -> _Made:
    """Take labels in the repository's own spelling; unknown ones are created by GitHub on use."""
    wanted = dict.fromkeys(label for one in _many(value) if (label := _word(one).strip()))
    if not wanted:
        return {"labels": []}, ()
    known = {name.casefold(): name for name in names_of(site, repository, "labels", "name", {})}
    spelt = {label.casefold(): known.get(label.casefold(), label) for label in wanted}
    return {"labels": sorted(spelt.values(), key=str.casefold)}, ()


def _assignees(_site: Site, _repository: str, value: Any) -> _Made:
    logins = set()
    for one in _many(value):
        login = one.get("login") if isinstance(one, dict) else one
        if not isinstance(login, str) or not login:
            raise _Unfit("a GitHub login is needed; map people with a table", "value:assignees")
        logins.add(login.removeprefix("@").casefold())
    losses = (f"only the first {MOST_ASSIGNEES} people",) if len(logins) > MOST_ASSIGNEES else ()
    return {"assignees": sorted(logins)[:MOST_ASSIGNEES]}, losses


def _milestone(site: Site, repository: str, value: Any) -> _Made:
    if value is None or value == "":
        return {"milestone": None}, ()
    title = _word(value)
    known = names_of(site, repository, "milestones", "title", {"state": "all"})
    number = next((n for name, n in known.items() if name.casefold() == title.casefold()), None)
    if number is None:
        message = f"no milestone {title!r}; there are {', '.join(known) or 'none'}"
        raise _Unfit(message, "option:milestone")
    return {"milestone": number}, ()


def _state(_site: Site, _repository: str, value: Any) -> _Made:
    """Take ``open``, ``closed`` or {state, state_reason}."""
    asked = value if isinstance(value, dict) else {"state": value}
    state = str(asked.get("state", "")).casefold()
    if state not in {"open", "closed"} or set(asked) - {"state", "state_reason"}:
        raise _Unfit("must be open, closed or {state: closed, state_reason: ...}", "value:state")
    if state == "open" or asked.get("state_reason") is None:
        return {"state": state}, ()
    return {"state": state, **_reason(asked["state_reason"])}, ()


def _state_reason(_site: Site, _repository: str, value: Any) -> _Made:
    return ({}, ()) if value is None else (_reason(value), ())


def _reason(value: Any) -> dict[str, Any]:
    reason = str(value).casefold().replace(" ", "_")
    if reason not in REASONS:
        message = f"must be one of {', '.join(REASONS)}"
        raise _Unfit(message, "value:state_reason")
    return {"state_reason": reason}


_SHAPES: Final[Mapping[str, Callable[[Site, str, Any], _Made]]] = {
    "title": _title,
    "body": _body,
    "labels": _labels,
    "assignees": _assignees,
    "milestone": _milestone,
    "state": _state,
    "state_reason": _state_reason,
}


def names_of(site: Site, repository: str, what: str, key: str, query: Mapping[str, str]) -> dict[str, int]:
    """Return the names of a repository's labels or milestones, each with its number (0: has none)."""

    def load() -> dict[str, int]:
        request = get(f"/repos/{repository}/{what}", {**query, "per_page": str(PER_PAGE)})
        listed = [one for page in pages(site, request) for one in page]
        return {member(one, key, str): optional(one, "number", int) or 0 for one in listed}

    known: dict[str, int] = site.memory(f"{what}:{repository.casefold()}", LIFE, load)
    return known


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _word(value: Any) -> str:
    """Take a text or a number as one; anything else is a mapping that does not fit."""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise _Unfit("must be text", "value:text")
