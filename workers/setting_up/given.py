"""What was said on the command line with ``--set``: answers that are not asked for, and all that a script gives.

``--set jira.url=https://...`` is of a connection by its name, ``--set to.project=WEB`` of an end of the connector.
Credentials never stand there: a reference (``jira.auth.token=env:NAME``) may.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.config import Connection
from connector.declare import NAME, chosen_from, near
from connector.errors import ConfigError, Problem
from connector.grammar import AnyConnectionSchema
from connector.registry import SYSTEMS
from connector.system import System
from workers.setting_up.forms import Path, blanks, field_at, got, objection, put, settled, value_of

ENDS: Final = ("from", "to")
FLAG: Final = "--set"

Template = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Given:
    """Answers by the word they belong to (a connection, ``from`` or ``to``) and the path below it."""

    values: Mapping[str, Mapping[Path, str]]

    @classmethod
    def of(cls, pairs: Iterable[str]) -> Given:
        """Read WORD.PATH=VALUE; raises `ConfigError` with all problems."""
        values: dict[str, dict[Path, str]] = {}
        problems = []
        for pair in pairs:
            left, equals, value = pair.partition("=")
            word, *path = left.strip().split(".")
            if not equals or not path or not all(path) or not (word in ENDS or re.fullmatch(NAME, word)):
                # What follows the = may be a credential that somebody pasted, and so may all of it without one.
                said = f"{left.strip()!r}" if equals else "one without an ="
                told = f"{said} is not WORD.PATH=VALUE, such as jira.url=https://... or to.project=WEB"
                problems.append(Problem(FLAG, 0, "", told))
            else:
                values.setdefault(word, {})[tuple(path)] = value.strip()
        if problems:
            raise ConfigError(tuple(problems))
        return cls(values)

    def under(self, word: str) -> Mapping[Path, str]:
        """Return what was given of a connection or an end."""
        return self.values.get(word, {})

    def unknown(self, words: Iterable[str]) -> list[Problem]:
        """Return what was given of something that there is not."""
        known = set(words)
        return [
            Problem(FLAG, 0, word, f"there is no such connection or end{near(word, known)}")
            for word in self.values
            if word not in known
        ]


def way_of(system: System, given: Mapping[Path, str]) -> tuple[str, Mapping[str, Any], bool]:
    """Return the way to make a connection that fits what was given of it: (title, members, whether no other does)."""
    ways = system.ways or {system.title: system.example["connection"]}

    def fit(members: Mapping[str, Any]) -> tuple[int, int]:
        agrees = sum(1 if given[path] == got(members, path) else -9 for path in _closed(system, members) & given.keys())
        missed = sum(1 for path in given if got(members, path) is None)
        return agrees, -missed

    title = max(ways, key=lambda one: fit(ways[one]))
    return title, ways[title], [fit(one) for one in ways.values()].count(fit(ways[title])) == 1


def _closed(system: System, members: Mapping[str, Any]) -> set[Path]:
    return {(key,) for key in settled(system.connection, members)}


def connection(name: str, system: System, given: Mapping[Path, str]) -> tuple[dict[str, Any], list[Problem]]:
    """Make a connection of what was given and what is common; credentials are expected in variables.

    Returns its members, and what is missing or wrong.
    """
    _, members, _ = way_of(system, given)
    document: dict[str, Any] = {"system": system.name, **settled(system.connection, members)}
    problems = fill(document, name, (system.connection, AnyConnectionSchema), given)
    for blank in blanks(system.connection, members, name=name, system=system.name):
        if got(document, blank.path) is not None or blank.group:
            continue
        if blank.variable:
            put(document, blank.path, f"env:{blank.variable}")
        else:
            problems.append(_missing(name, blank.path, blank.meaning))
    return document, problems


def end(
    side: str, system: System, template: Template, given: Mapping[Path, str]
) -> tuple[dict[str, Any], list[Problem]]:
    """Make one end of a connector of what was given; what the template says is not repeated."""
    schema, example = declared(system, side)
    document: dict[str, Any] = {}
    problems = fill(document, side, (schema,), given)
    for blank in blanks(schema, example, name=side, system=system.name):
        if got(document, blank.path) is None and blank.path[0] not in template.get(side, {}):
            problems.append(_missing(side, blank.path, blank.meaning))
    return document, problems


def declared(system: System, side: str) -> tuple[Any, Mapping[str, Any]]:
    """Return the schema of an end and an example of it."""
    schema = system.source if side == "from" else system.target_schema
    if schema is None:
        raise ConfigError((Problem("", 0, side, f"{system.title} cannot stand there"),))
    return schema, system.example["source" if side == "from" else "target"]


def back(template: Template, ends: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a two-way connector says besides its ends: the same places, seen from the other side; {} else.

    Of several places the first is where the way back would create.
    """
    if template.get("direction") != "two-way":
        return {}
    systems = {side: system_named(str(template[side]["connection"])) for side in ENDS}
    seen = {"from": _seen(systems["to"], "from", ends["to"]), "to": _seen(systems["from"], "to", ends["from"])}
    return {"back": seen}


def _seen(system: System, side: str, place: Mapping[str, Any]) -> dict[str, Any]:
    other, _ = declared(system, "to" if side == "from" else "from")
    known: dict[str, Any] = {}
    for key, value in place.items():
        field = field_at((other,), (key,))
        if field is not None and (chosen := chosen_from(field)) is not None:
            known[chosen[0]] = value
    schema, example = declared(system, side)
    found = {}
    for blank in blanks(schema, example, name=side, system=system.name):
        value = known.get(blank.chosen[0]) if blank.chosen is not None else None
        if value is not None:
            several = value if isinstance(value, list) else [value]
            found[blank.path[0]] = several if blank.many else several[0]
    return found


def fill(document: dict[str, Any], word: str, schemas: tuple[Any, ...], given: Mapping[Path, str]) -> list[Problem]:
    """Put what was given into a document; returns what is wrong with it."""
    problems = []
    for path, text in given.items():
        field, name = field_at(schemas, path), ".".join((word, *path))
        if field is None:
            known = [key for schema in schemas for key in schema().load_fields]
            problems.append(Problem(FLAG, 0, name, f"there is no such key{near(path[0], known)}"))
        elif wrong := objection(field, text):
            problems.append(Problem(FLAG, 0, name, wrong))
        else:
            put(document, path, value_of(field, text))
    return problems


def lacking(documents: Sequence[Any], environment: Mapping[str, str]) -> list[Problem]:
    """Return the variables that documents name and the environment lacks."""
    names = dict.fromkeys(name for one in documents for name in variables(one))
    told = "is not set; it holds a credential, so set it in the environment or in .env"
    return [Problem("environment", 0, name, told) for name in names if not environment.get(name)]


def variables(value: Any) -> list[str]:
    """Return the environment variables that a document names."""
    if isinstance(value, Mapping):
        return [name for one in value.values() for name in variables(one)]
    if isinstance(value, list | tuple):
        return [name for one in value for name in variables(one)]
    return [value.removeprefix("env:")] if isinstance(value, str) and value.startswith("env:") else []


def fitting(connections: Mapping[str, Connection], system: str) -> list[str]:
    """Return the names of connections to a system."""
    return [name for name, one in connections.items() if one.system == system]


def system_named(word: str) -> System:
    """Return the system that a template means by the name of a connection: ``jira``, or ``jira-copy`` for a second."""
    return SYSTEMS.get(word) or SYSTEMS[word.partition("-")[0]]


def _missing(word: str, path: Path, meaning: str) -> Problem:
    name = ".".join((word, *path))
    return Problem(FLAG, 0, name, f"is needed: {FLAG} {name}=...  {meaning}".rstrip())
