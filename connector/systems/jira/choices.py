"""Judge the choices that a mapping names against those that a field of this Jira really offers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from connector.errors import Rejected
from connector.examining import Fed, Finding, Level, Named, listed, meant, misfit, overlong, said, squeezed
from connector.listed import Takes
from connector.ports import Site
from connector.systems.jira import people
from connector.systems.jira.lists import TAKES
from connector.systems.jira.metadata import Field
from connector.systems.jira.readback import shown
from connector.systems.jira.shapes import LINE, shape
from connector.systems.jira.text import words

PEOPLE_LOOKED_AT: Final = 20
"""Persons of a table that are looked up in one examination: each is a call."""

_CHOSEN: Final = frozenset({"option", "options", "named", "named_list"})


def judge(site: Site, project: str, field: Field, fed: Fed) -> Iterator[Finding]:
    """Judge what a rule gives, and every value that it names, against a field."""
    if found := misfit(fed, TAKES.get(field.kind, Takes.ANY)):
        yield found
    if field.kind == "line" and (found := overlong(fed, LINE)):
        yield found
    for one in fed.named:
        if field.kind in _CHOSEN and field.allowed is not None:
            yield from _chosen(field, one)
        elif field.kind == "user" and isinstance(one.value, str):
            continue  # looked up below
        elif (why := _refused(site, project, field, one.value)) is not None:
            yield Finding(Level.PROBLEM, one.path, str(why), _nearest(why, field, one), why.cause)
    if field.kind in {"user", "users"}:
        yield from _people(site, project, field, fed)
    if fed.both_ways and fed.closed and field.kind in _CHOSEN:
        yield from uncovered(fed, [shown(one) for one in field.allowed or () if not _retired(one)])


def uncovered(fed: Fed, offered: list[str]) -> Iterator[Finding]:
    """Say which values of the target a table has no word for, where they are to come back: they change nothing."""
    values = [one.value for one in fed.named if "map" in one.path]
    # A status may be given together with a resolution.
    known = {squeezed(words(one.get("status") if isinstance(one, Mapping) else one)) for one in values}
    if values and (missing := [name for name in offered if squeezed(name) not in known]):
        text = f"has nothing for {listed(missing)}: such a value changes nothing on the other side"
        act = "add it to the map with a word of its own, or say back: with a table for the way back"
        yield Finding(Level.WARNING, (*fed.path, "map"), text, act, "not_covered")


def _chosen(field: Field, one: Named) -> Iterator[Finding]:
    values = one.value if isinstance(one.value, list) else [one.value]
    for value in values:
        if value is None or value == "":
            continue
        word = _word(value)
        found = _offered(field, word)
        if len(found) > 1:
            ids = listed(str(row.get("id")) for row in found)
            text = f"{word!r} names several choices of {field.name}"
            yield Finding(Level.PROBLEM, one.path, text, f"write the id of one: {ids}", "ambiguous")
        elif not found:
            known = {str(row.get("id")): shown(row) for row in field.allowed or () if not _retired(row)}
            yield gone(one, word, known, f"choice of {field.name}", f"option:{field.id}")
        else:
            yield from _spelt(field, one, word, found[0])
            if not isinstance(one.value, list):
                yield Finding(Level.OK, one.path, "", means=str(found[0].get("id") or ""))


def gone(one: Named, word: str, known: Mapping[str, str], what: str, cause: str) -> Finding:
    """Say that a value is none of what there is (id -> name), and what it has become as far as that is known."""
    names = known.values()
    if one.was in known:
        text = f"{word!r} was renamed: that {what} is called {known[one.was]!r} now"
        return Finding(Level.PROBLEM, one.path, text, f"write {known[one.was].strip()!r}", cause, one.was)
    text = f"{word!r} is no {what}{' any more' if one.was else ''}; there are {listed(names)}"
    near = meant(word, names)
    maybe = "" if one.was else " It may have been renamed"
    act = f"did you mean {near!r}?{maybe}" if near else "name one of them, or have it added"
    return Finding(Level.PROBLEM, one.path, text, act, cause, one.was)


def _spelt(field: Field, one: Named, word: str, found: Mapping[str, Any]) -> Iterator[Finding]:
    name = shown(found)
    if _retired(found):
        text = f"{name!r} of {field.name} is disabled: Jira refuses it for new values"
        yield Finding(Level.PROBLEM, one.path, text, "have it enabled, or name another choice", f"disabled:{field.id}")
    elif word not in {name, str(found.get("id")), str(found.get("key"))}:
        space = " (with white space around it)" if name != name.strip() else ""
        text = f"is spelt {name!r} in Jira{space}; it is found all the same"
        yield Finding(Level.WARNING, one.path, text, f"write {name.strip()!r}, or the id {found.get('id')}", "spelling")


def _offered(field: Field, word: str) -> list[Mapping[str, Any]]:
    allowed = field.allowed or ()
    exact = [row for row in allowed if word in (row.get("id"), row.get("value"), row.get("name"), row.get("key"))]
    return exact or [
        row for row in allowed if squeezed(word) in {squeezed(shown(row)), str(row.get("key") or "").casefold()}
    ]


def _retired(row: Mapping[str, Any]) -> bool:
    """Tell what is kept only for old issues: a disabled option, an archived version."""
    return row.get("disabled") is True or row.get("archived") is True


def _word(value: Any) -> str:
    if isinstance(value, Mapping) and "format" not in value:
        return str(next((value[name] for name in ("id", "value", "name", "key") if value.get(name)), ""))
    return words(value).strip()


def _refused(site: Site, project: str, field: Field, value: Any) -> Rejected | None:
    try:
        shape(site, project, field, value, [])
    except Rejected as refused:
        if refused.status is not None:
            raise  # Jira's own refusal of a read: not a mistake in one value
        return refused
    return None


def _nearest(why: Rejected, field: Field, one: Named) -> str:
    if why.cause.partition(":")[0] != "option" or not field.allowed:
        return f"give what {field.name} takes: {said(TAKES.get(field.kind, Takes.ANY))}"
    known = [shown(row) for row in field.allowed]
    below = [shown(child) for row in field.allowed for child in row.get("children") or () if isinstance(child, Mapping)]
    for word in reversed(words(one.value).split("/")):
        if word.strip() not in {*known, *below} and (near := meant(word, [*known, *below])):
            return f"did you mean {near!r}?"
    return "name one of them, or have it added"


def _people(site: Site, project: str, field: Field, fed: Fed) -> Iterator[Finding]:
    """Look up the persons that a table, or the rule itself, names."""
    named = [one for one in fed.named if isinstance(one.value, str)]
    wanted = [one for one in (*named, *fed.people) if one.value]
    assigned = field.id == "assignee"
    for one in wanted[:PEOPLE_LOOKED_AT]:
        who = people.resolve(site, project, one.value)
        if who is not None and people.known(site, project, who, assigned=assigned):
            continue
        where = f"can be assigned in {project}" if assigned else "is there and active"
        act = "correct the name, or have the person added to the project"
        yield Finding(Level.PROBLEM, one.path, f"{one.value!r} is nobody who {where}", act, "person")
    if len(wanted) > PEOPLE_LOOKED_AT:
        text = f"only the first {PEOPLE_LOOKED_AT} of {len(wanted)} persons were looked up"
        yield Finding(Level.OK, (*fed.path, "people"), text)
