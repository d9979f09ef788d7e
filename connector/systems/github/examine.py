"""Examine a repository before anything is written to it: open for issues, permissions, labels, milestones, people.

Sources: GitHub REST 2022-11-28, *get a repository*, *check if a user can be assigned*, *list labels*, *list
milestones*.  What it cannot see: whether a fine-grained token was given less than its account may do; GitHub tells
the account's role only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from connector.errors import Forbidden, Rejected
from connector.examining import Fed, Finding, Level, Named, Needs, listed, meant, misfit, overlong
from connector.ports import Site
from connector.systems.github.api import PER_PAGE, found, get, pages
from connector.systems.github.fields import LIFE, MOST_ASSIGNEES, field_named, names_of, shape
from connector.systems.github.lists import TAKES
from connector.systems.github.members import Json
from connector.systems.github.settings import Target
from connector.systems.github.text import TITLE_LIMIT

PEOPLE_LOOKED_AT: Final = 20
"""Persons that are looked up in one examination: each is a call."""

_DROPPED: Final = frozenset({"labels", "assignees", "milestone"})
"""Fields that GitHub drops without a word from who may not push; its REST documentation says so."""

_ROLES: Final = ("admin", "maintain", "push", "triage")
_TO: Final = ("to", "repository")


def examine(site: Site, target: Target, needs: Needs) -> Sequence[Finding]:
    """Return everything that was found; see `connector.system.Target`."""
    try:
        repository = found(site.send(get(f"/repos/{target.repository}")))
    except Forbidden as error:
        act = "correct the name, or give the token this repository"
        return [Finding(Level.PROBLEM, _TO, str(error), act, error.cause)]
    result = list(_open(repository, target))
    used: dict[str, Fed] = {}
    for fed in needs.fields:
        field = field_named(fed.name)
        if field is None:
            near = meant(fed.name, TAKES)
            act = f"did you mean {near!r}?" if near else f"there are {listed(TAKES)}"
            result.append(Finding(Level.PROBLEM, fed.path, "GitHub issues have no such field", act, "field"))
        elif field in used:
            text = f"is the same field as {used[field].name}"
            result.append(Finding(Level.PROBLEM, fed.path, text, "leave one of them out", "twice"))
        else:
            used[field] = fed
            told = list(_field(site, target, field, fed))
            result += told or [Finding(Level.OK, fed.path, "exists")]
    if needs.creates and "title" not in used:
        text = "a title is required to create an issue, and the mapping does not feed it"
        result.append(Finding(Level.PROBLEM, ("mapping",), text, "map Title, if only with value:", "required:title"))
    result += _permissions(repository, target, used, needs)
    return result


def _open(repository: Json, target: Target) -> Iterator[Finding]:
    if repository.get("archived") is True:
        text = f"{target.repository} is archived: nothing can be written to it"
        yield Finding(Level.PROBLEM, _TO, text, "have it unarchived, or name another", "archived")
    elif repository.get("disabled") is True:
        text = f"{target.repository} is disabled by GitHub"
        yield Finding(Level.PROBLEM, _TO, text, "name another", "disabled")
    name = str(repository.get("full_name") or target.repository)
    if name.casefold() != target.repository.casefold():
        text = f"{target.repository} is called {name} now: GitHub leads there until the old name is taken"
        yield Finding(Level.WARNING, _TO, text, f"write {name}", "renamed")
    if repository.get("has_issues") is False:
        text = f"issues are switched off in {target.repository}"
        yield Finding(Level.PROBLEM, _TO, text, "switch them on in its settings", "no_issues")


def _permissions(repository: Json, target: Target, used: Mapping[str, Fed], needs: Needs) -> Iterator[Finding]:
    granted = repository.get("permissions")
    if not isinstance(granted, Mapping) or any(granted.get(role) is True for role in _ROLES):
        return
    lost = sorted(_DROPPED & used.keys())
    for field in lost:
        text = f"the account may not push to {target.repository}: GitHub drops {field} without a word"
        yield Finding(Level.PROBLEM, used[field].path, text, "give it the role Triage or Write", "permission:push")
    if not needs.creates and ("state" in used or "title" in used or "body" in used):
        text = f"the account may not change other people's issues in {target.repository}"
        yield Finding(Level.PROBLEM, _TO, text, "give it the role Triage or Write", "permission:push")


# --- fields ------------------------------------------------------------------------------------------------
def _field(site: Site, target: Target, field: str, fed: Fed) -> Iterator[Finding]:
    if wrong := misfit(fed, TAKES[field]):
        yield wrong
    if field == "title" and (long := overlong(fed, TITLE_LIMIT)):
        yield long
    for one in fed.named:
        match field:
            case "labels":
                yield from _labels(site, target, one)
            case "milestone":
                yield from _milestone(site, target, one)
            case _:
                yield from _shaped(site, target, fed, one)
    if field == "assignees":
        yield from _people(site, target, fed)


def _shaped(site: Site, target: Target, fed: Fed, one: Named) -> Iterator[Finding]:
    try:
        shape(site, target, {fed.name: one.value}, None)
    except Rejected as refused:
        if refused.status is not None:
            raise
        why = refused.fields.get(fed.name, str(refused))
        yield Finding(Level.PROBLEM, one.path, f"{one.value!r}: {why}", "correct it", refused.cause)


def _labels(site: Site, target: Target, one: Named) -> Iterator[Finding]:
    known = names_of(site, target.repository, "labels", "name", {})
    folded = {name.casefold() for name in known}
    for word in one.value if isinstance(one.value, list) else [one.value]:
        if word and str(word).casefold() not in folded:
            near = meant(str(word), known)
            text = f"{target.repository} has no label {word!r}: GitHub makes one at its first use"
            act = f"did you mean {near!r}?" if near else "make it beforehand to choose its colour"
            yield Finding(Level.WARNING, one.path, text, act, "label")


def _milestone(site: Site, target: Target, one: Named) -> Iterator[Finding]:
    if one.value is None or one.value == "":
        return
    request = get(f"/repos/{target.repository}/milestones", {"state": "all", "per_page": str(PER_PAGE)})

    def load() -> dict[str, str]:
        rows = [row for page in pages(site, request) for row in page]
        return {str(row.get("title")): str(row.get("state")) for row in rows}

    known: dict[str, str] = site.memory(f"milestone states:{target.repository.casefold()}", LIFE, load)
    states = {title.casefold(): state for title, state in known.items()}
    word = str(one.value)
    if word.casefold() not in states:
        near = meant(word, known)
        text = f"{target.repository} has no milestone {word!r}; there are {listed(known)}"
        act = f"did you mean {near!r}? It may have been renamed" if near else "name one of them, or make it"
        yield Finding(Level.PROBLEM, one.path, text, act, "option:milestone")
    elif states[word.casefold()] == "closed":
        text = f"the milestone {word!r} is closed; issues can still be put into it"
        yield Finding(Level.WARNING, one.path, text, "name one that is open", "closed_milestone")


def _people(site: Site, target: Target, fed: Fed) -> Iterator[Finding]:
    wanted = [
        Named(one.path, who)
        for one in (*fed.named, *fed.people)
        for who in (one.value if isinstance(one.value, list) else [one.value])
        if isinstance(who, str) and who
    ]
    for one in wanted[:PEOPLE_LOOKED_AT]:
        login = str(one.value).removeprefix("@")
        if not _assignable(site, target, login):
            text = f"{login!r} cannot be assigned in {target.repository}: GitHub leaves such people out without a word"
            act = "correct the login, or give the person access to the repository"
            yield Finding(Level.PROBLEM, one.path, text, act, "person")
    if len(wanted) > PEOPLE_LOOKED_AT:
        text = f"only the first {PEOPLE_LOOKED_AT} of {len(wanted)} persons were looked up"
        yield Finding(Level.OK, (*fed.path, "people"), text)
    if any(isinstance(one.value, list) and len(one.value) > MOST_ASSIGNEES for one in fed.named):
        text = f"GitHub takes {MOST_ASSIGNEES} people for an issue; the rest is left out"
        yield Finding(Level.WARNING, fed.path, text, "name fewer", "assignees")


def _assignable(site: Site, target: Target, login: str) -> bool:
    if not _is_login(login):
        return False

    def load() -> bool:
        try:
            site.send(get(f"/repos/{target.repository}/assignees/{login}"))
        except (Forbidden, Rejected) as refused:
            if refused.cause != "not_found":
                raise
            return False
        return True

    known: Any = site.memory(f"assignable:{target.repository.casefold()}:{login.casefold()}", LIFE, load)
    return bool(known)


def _is_login(word: str) -> bool:
    """Tell whether a word may stand in a path: GitHub's logins are letters, digits and hyphens ([bot] behind some)."""
    plain = word.removesuffix("[bot]").replace("-", "").replace("_", "")
    return plain.isascii() and plain.isalnum()
