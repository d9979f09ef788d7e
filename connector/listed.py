"""Say what can be listed at a site: one row of a list, and how a list is asked for.

A person who sets up a connector chooses from lists (which projects, which fields, which channels), and what a
mapping names is checked against them.  So rows are in no system's words: an id, a name, and *facts*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from connector.errors import Rejected
from connector.ports import Site

KINDS: Final[Mapping[str, str]] = {
    "projects": "projects that the account may see",
    "types": "types that an issue of a project may have",
    "fields": "fields that a mapping may name",
    "statuses": "statuses of a project, with their category",
    "transitions": "how a workflow leads from status to status",
    "users": "people that an issue may be assigned to",
    "repositories": "repositories that the account may see",
    "labels": "labels of a repository",
    "milestones": "milestones of a repository",
    "channels": "channels that the app may see",
}
"""Kinds of lists there are, and what each holds."""

ASKED: Final[Mapping[str, str]] = {
    "project": "the key of a project",
    "type": "the name or id of an issue type",
    "repository": "a repository, owner/name",
    "issue": "the key of an issue that is looked at",
    "search": "text that the name or id must contain",
}
"""What a query may say; it says only what was given."""


class Takes(StrEnum):
    """What a field takes, whatever its system calls it."""

    LINE = "line"
    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    LINK = "link"
    FLAG = "flag"
    OPTION = "option"
    OPTIONS = "options"
    LEVELS = "levels"
    LABELS = "labels"
    PERSON = "person"
    PEOPLE = "people"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of a list: ``id`` is what the system calls it for good, ``name`` what people do.

    ``facts`` are JSON.  A fact that is not known is left out, so that *no* and *not told* differ:

    ==============  ===================================================================================
    kind            facts
    ==============  ===================================================================================
    projects        ``key`` what a configuration names it by; ``type``, ``archived``
    types           ``subtask``
    fields          ``takes`` (`Takes`); ``type`` in the vendor's words; ``required``; ``options``, a list of
                    {id, name}, with ``below`` where levels follow and ``category`` where they are statuses;
                    ``open`` True where an option that is not there is made on use; ``screens``, which of
                    create and edit show it (empty: none of those looked at); ``aliases``, other words that
                    a mapping may name it by
    statuses        ``category`` (new, active, done), ``types`` that can be in it
    transitions     ``from`` (the name of a status, "" for any), ``to``, ``told_by`` (workflow, or an issue's key)
    users           ``login``, ``email`` where it may be seen, ``active``, ``bot``
    repositories    ``private``, ``archived``, ``writable``
    labels          ``description``
    milestones      ``state``, ``number``
    channels        ``private``, ``archived``, ``member``: whether the app is in it
    ==============  ===================================================================================
    """

    id: str
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lister:
    """One list of a system.

    ``read(site, query)`` yields its rows, page by page as they come; every call goes through ``site`` and its
    limits, and raises `connector.errors`.  ``needs`` and ``takes`` are keys of `ASKED` that a query must and
    may have.
    """

    read: Callable[[Site, Mapping[str, str]], Iterator[Listed]]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ("search",)

    def __call__(self, site: Site, query: Mapping[str, str]) -> Iterator[Listed]:
        """Yield the rows; raises `Rejected` where the query lacks what the list needs."""
        lacking = [name for name in self.needs if not query.get(name)]
        if lacking:
            raise Rejected(f"the list needs {' and '.join(lacking)}", cause="query")
        return self.read(site, query)


def matching(rows: Iterable[Listed], query: Mapping[str, str]) -> Iterator[Listed]:
    """Yield the rows whose id, name or alias contains ``search``, in any case; all where nothing is searched."""
    word = query.get("search", "").casefold()
    for row in rows:
        words = (row.id, row.name, str(row.facts.get("key", "")), *row.facts.get("aliases", ()))
        if any(word in one.casefold() for one in words):
            yield row
