"""Hold the names that were at the connections when somebody looked: ``connector.lock.yaml``.

Written by ``connector snapshot`` and committed with the configuration, so that a name that is not there is found
where no credential is at hand.  It holds names and ids of fields, options, statuses, labels and the channels in
use: no people, no addresses, no secrets, nothing that anybody wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from marshmallow import ValidationError, fields, validate

from connector.config import Config, Connector, End
from connector.declare import Declaration, Word, flattened
from connector.documents import Bounds, read, written
from connector.errors import ConfigError, Problem
from connector.listed import Listed, Lister
from connector.system import System

FILE: Final = "connector.lock.yaml"
MOST_BYTES: Final = 16 * 1024 * 1024
_BOUNDS: Final = Bounds(MOST_BYTES, 1_000_000)
MOST_OPTIONS: Final = 1_000
"""A field with more options is kept without them: what is written into it is not checked then."""

_HEAD: Final = f"""\
# Names at the connections that `connector check` compares the configuration with.
# Written by `connector snapshot`: commit {FILE}, and edit nothing.  No people and no secrets are in it.
"""
_KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    "fields": ("takes", "required", "open", "aliases", "options"),
    "statuses": ("types",),
    "labels": (),
    "channels": (),
}
"""Kind of list -> its facts that are worth keeping; other kinds are never kept."""
_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_SCOPE: Final = ("project", "type", "repository")


@dataclass(frozen=True, slots=True)
class Question:
    """One list that a configuration is compared with: ``of`` says of what, sorted by word.

    A list of channels is kept for one channel each (``of`` names it): which others there are is nobody's business.
    """

    connection: str
    kind: str
    of: tuple[tuple[str, str], ...] = ()

    @property
    def query(self) -> dict[str, str]:
        """What the list is asked for with."""
        return {} if self.kind == "channels" else dict(self.of)

    def __str__(self) -> str:
        of = ", ".join(f"{name} {word}" for name, word in self.of)
        return f"{self.kind} of {self.connection}" + (f" ({of})" if of else "")


@dataclass(frozen=True, slots=True)
class Entry:
    """The answer to a question, and the day that it was given."""

    taken: date
    rows: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class Lock:
    """All answers that were kept."""

    entries: Mapping[Question, Entry]


# --- what is worth knowing ---------------------------------------------------------------------------------
def questions(config: Config, systems: Mapping[str, System]) -> list[Question]:
    """Return the lists that a configuration is compared with, each once, in a stable order."""
    faces = [face for connector in config.connectors.values() for face in connector.faces]
    found = {one for face in faces for one in asked_by(config, systems, face)}
    return sorted(found, key=lambda one: (one.connection, one.kind, one.of))


def asked_by(config: Config, systems: Mapping[str, System], face: Connector) -> Iterator[Question]:
    """Yield the lists that one face of a connector is compared with."""
    source, target = face.source, face.target
    into, out = _lists(config, systems, target), _lists(config, systems, source)
    if "fields" in into:
        yield fields_of(into["fields"], target)
    for end, lists in ((target, into), (source, out)):
        if "channels" in lists:
            for channel in channels(end):
                yield Question(end.connection, "channels", (("channel", channel),))
    if getattr(source.settings, "types", ()) and "statuses" in out:
        for project in source.settings.projects:
            yield Question(source.connection, "statuses", (("project", project),))
    if face.when.labels and "labels" in out:
        for repository in source.settings.repositories:
            yield Question(source.connection, "labels", (("repository", repository),))


def fields_of(lister: Lister, end: End) -> Question:
    """Return the question for the fields of what an end writes to, out of what its settings say."""
    said = {name: getattr(end.settings, name, None) for name in (*lister.needs, *lister.takes) if name in _SCOPE}
    of = sorted((name, word) for name, word in said.items() if isinstance(word, str) and word)
    return Question(end.connection, "fields", tuple(of))


def channels(end: End) -> list[str]:
    """Return the channels that an end names; an id is not looked up, nor has the app to be allowed to."""
    one = getattr(end.settings, "channel", "")
    return [name for name in (one, *getattr(end.settings, "channels", ())) if name.startswith("#")]


def _lists(config: Config, systems: Mapping[str, System], end: End) -> Mapping[str, Lister]:
    return systems[config.connections[end.connection].system].lists


def kept(question: Question, rows: Iterable[Listed]) -> tuple[Listed, ...]:
    """Return what of an answer is worth keeping, sorted by id so that a new answer differs by what is new."""
    named = dict(question.of).get("channel", "")
    return tuple(
        Listed(one.id, one.name, dict(_facts(question.kind, one)))
        for one in sorted(rows, key=lambda one: one.id)
        if question.kind != "channels" or named in {one.id, one.name}
    )


def _facts(kind: str, row: Listed) -> Iterator[tuple[str, Any]]:
    for name in _KEPT[kind]:
        value = row.facts.get(name)
        if name == "options" and isinstance(value, list):
            if len(value) <= MOST_OPTIONS:
                yield name, [_option(one) for one in value]
        elif value or (name == "takes" and value is not None):
            yield name, str(value) if name == "takes" else value


def _option(one: Mapping[str, Any]) -> dict[str, Any]:
    below = [_option(child) for child in one.get("below") or ()]
    words = {name: str(one[name]) for name in ("id", "name", "category") if one.get(name)}
    return {**words, **({"below": below} if below else {})}


# --- the file ------------------------------------------------------------------------------------------------
def dumped(lock: Lock) -> str:
    """Write it as YAML, a row a line, so that a change reads well in a review."""
    lines = [f"{_HEAD}version: 1\nlists:"]
    for question, entry in sorted(lock.entries.items(), key=lambda one: (one[0].connection, one[0].kind, one[0].of)):
        lines.append(f"- connection: {_flow(question.connection)}\n  list: {_flow(question.kind)}")
        lines.append(f"  of: {_flow(dict(question.of))}\n  taken: {entry.taken.isoformat()}")
        lines.append("  rows:" if entry.rows else "  rows: []")
        lines += [f"  - {_flow({'id': row.id, 'name': row.name, **row.facts})}" for row in entry.rows]
    return "\n".join(lines if lock.entries else [f"{_HEAD}version: 1\nlists: []"]) + "\n"


def _flow(value: Any) -> str:
    """Write a value as JSON, which is YAML that no reader takes for something else; YAML's line breaks escaped."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class _OptionSchema(Declaration):
    id = Word()
    name = Word(required=True)
    category = Word()
    below = fields.List(fields.Nested(lambda: _OptionSchema()))  # noqa: PLW0108 - the class is not there yet


class _RowSchema(Declaration):
    id = Word(required=True)
    name = Word(required=True)
    takes = Word()
    required = fields.Boolean()
    open = fields.Boolean()
    aliases = fields.List(Word())
    types = fields.List(Word())
    options = fields.List(fields.Nested(_OptionSchema))


class _ListSchema(Declaration):
    connection = Word(required=True)
    list = Word(required=True, validate=validate.OneOf(tuple(_KEPT)))
    of = fields.Dict(keys=fields.String(), values=Word(), required=True)
    taken = fields.Date(required=True)
    rows = fields.List(fields.Nested(_RowSchema), required=True)


class _LockSchema(Declaration):
    version = fields.Integer(strict=True, required=True, validate=validate.Equal(1, error="must be 1"))
    lists = fields.List(fields.Nested(_ListSchema), required=True)


def loaded(file: str, text: bytes) -> Lock:
    """Read a lock; raises `ConfigError` where it is none, which `connector snapshot` mends."""
    document, problems = read(file, text, bounds=_BOUNDS)
    if document is None or problems:
        raise _unusable(problems[0])
    try:
        found = _LockSchema().load(document.value)
    except ValidationError as error:
        path, message = next(flattened(error.messages, document.value))
        raise _unusable(Problem(file, document.place(path).line, written(path), message)) from error
    return Lock(dict(_entry(one) for one in found["lists"]))


def _unusable(problem: Problem) -> ConfigError:
    return ConfigError((replace(problem, message=f"{problem.message}; write it anew with connector snapshot"),))


def _entry(one: Mapping[str, Any]) -> tuple[Question, Entry]:
    rows = tuple(
        Listed(row["id"], row["name"], {name: value for name, value in row.items() if name not in {"id", "name"}})
        for row in one["rows"]
    )
    question = Question(one["connection"], one["list"], tuple(sorted(one["of"].items())))
    return question, Entry(one["taken"], rows)
