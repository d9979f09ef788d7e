"""List what a GitHub account sees: repositories, and the fields, labels, milestones and people of one.

Sources: GitHub REST API 2022-11-28, "List repositories for the authenticated user" (``/user/repos``), "List labels
for a repository", "List milestones", "List assignees".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from connector.errors import Rejected
from connector.listed import Listed, Lister, Takes, matching
from connector.ports import Site
from connector.systems.github.api import PER_PAGE, get, pages
from connector.systems.github.fields import NAMES, REASONS
from connector.systems.github.members import member, optional
from connector.systems.github.settings import REPOSITORY
from connector.systems.github.vocabulary import CATEGORY as STATES

Query = Mapping[str, str]

TAKES: Final[Mapping[str, Takes]] = {
    "title": Takes.LINE,
    "body": Takes.TEXT,
    "labels": Takes.LABELS,
    "assignees": Takes.PEOPLE,
    "milestone": Takes.OPTION,
    "state": Takes.OPTION,
    "state_reason": Takes.OPTION,
}


def repositories(site: Site, query: Query) -> Iterator[Listed]:
    """Yield the repositories that the account owns, works on, or sees as a member of an organisation."""
    found = (
        Listed(
            str(member(row, "id", int)),
            member(row, "full_name", str),
            {
                "key": member(row, "full_name", str),
                **{name: row[name] for name in ("private", "archived") if isinstance(row.get(name), bool)},
                **_writable(optional(row, "permissions", dict)),
            },
        )
        for row in _rows(site, "/user/repos")
    )
    return matching(found, query)


def _writable(permissions: Mapping[str, Any] | None) -> dict[str, bool]:
    """Say whether issues there may be written with labels and people, which takes triage or more."""
    words = ("triage", "push", "maintain", "admin")
    return {} if permissions is None else {"writable": any(permissions.get(word) is True for word in words)}


def labels(site: Site, query: Query) -> Iterator[Listed]:
    """Yield the labels of a repository."""
    found = (
        Listed(str(member(row, "id", int)), member(row, "name", str), _described(row))
        for row in _rows(site, f"/repos/{_repository(query)}/labels")
    )
    return matching(found, query)


def _described(row: Mapping[str, Any]) -> dict[str, str]:
    text = optional(row, "description", str)
    return {"description": text} if text else {}


def milestones(site: Site, query: Query) -> Iterator[Listed]:
    """Yield the milestones of a repository, closed ones too."""
    found = (
        Listed(
            str(member(row, "id", int)),
            member(row, "title", str),
            {"number": member(row, "number", int), "state": member(row, "state", str)},
        )
        for row in _rows(site, f"/repos/{_repository(query)}/milestones", state="all")
    )
    return matching(found, query)


def users(site: Site, query: Query) -> Iterator[Listed]:
    """Yield who may be assigned in a repository; GitHub tells logins there, not names."""
    found = (
        Listed(
            str(member(row, "id", int)),
            member(row, "login", str),
            {"login": member(row, "login", str), "bot": row.get("type") == "Bot"},
        )
        for row in _rows(site, f"/repos/{_repository(query)}/assignees")
    )
    return matching(found, query)


def fields(site: Site, query: Query) -> Iterator[Listed]:
    """Yield what a mapping may name of an issue; with a repository, also its labels and milestones as options."""
    choices: dict[str, list[dict[str, str]]] = {
        "state": [{"id": word, "name": word, "category": category} for word, category in STATES.items()],
        "state_reason": [{"id": word, "name": word} for word in REASONS],
    }
    if query.get("repository"):
        there = {"repository": query["repository"]}
        choices["labels"] = [{"id": one.id, "name": one.name} for one in labels(site, there)]
        choices["milestone"] = [{"id": str(one.facts["number"]), "name": one.name} for one in milestones(site, there)]
    found = []
    for name, takes in TAKES.items():
        facts: dict[str, Any] = {"takes": takes, "type": name, "required": name == "title"}
        facts["aliases"] = [word for word, meant in NAMES.items() if meant == name and word != name]
        if name in choices:
            # GitHub makes a label on its first use.
            facts |= {"options": choices[name], **({"open": True} if name == "labels" else {})}
        found.append(Listed(name, name.replace("_", " ").capitalize(), facts))
    return matching(found, query)


def _repository(query: Query) -> str:
    name = query["repository"]
    if REPOSITORY.fullmatch(name) is None:
        message = f"{name!r} is no repository: write owner/name"
        raise Rejected(message, fields={"repository": message}, cause="query")
    return name


def _rows(site: Site, path: str, **query: str) -> Iterator[dict[str, Any]]:
    for page in pages(site, get(path, {**query, "per_page": str(PER_PAGE)})):
        yield from page


LISTS: Final[Mapping[str, Lister]] = {
    "repositories": Lister(repositories),
    "fields": Lister(fields, takes=("repository", "search")),
    "labels": Lister(labels, needs=("repository",)),
    "milestones": Lister(milestones, needs=("repository",)),
    "users": Lister(users, needs=("repository",)),
}
