"""Declare what a file of mapping tests may say, and read one: ``bugs.test.yaml`` beside ``bugs.yaml``.

A case is an event and what is expected of it.  The event is a recorded payload of the source's system (in a file or
in place), or is written in the words of `connector.event`.  What is expected is compared only as far as it is said,
save that a skip or an error that nobody expects is always a failure.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from connector.declare import Declaration, Flag, Known, Name, Table, Word, flattened
from connector.documents import Document, Place, read, written
from connector.errors import Problem
from connector.event import Kind
from connector.gathering import TESTS
from connector.grammar import VOCABULARY
from connector.grammar_fields import Anything, Version

MOST_CASES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Given:
    """The event of a case: ``file`` (relative to the cases) or ``payload``, with ``headers``; else ``kind`` and more.

    ``kind`` beside a payload chooses among the events that it holds.
    """

    file: str = ""
    payload: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: Kind | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    change: Mapping[str, Any] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)
    actor: Mapping[str, Any] | None = None
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    type: str = "issue"
    key: str = ""
    url: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected; None is *not said*.

    ``fields`` are target fields and their values (rich text as Markdown); ``absent`` those that are left alone.
    ``skip`` and ``error`` are part of the reason; ``messages`` and ``comment`` are Markdown; ``removes`` whether an
    earlier comment is deleted; ``named`` the keys that a pull request names.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    skip: str | None = None
    error: str | None = None
    creates: bool | None = None
    messages: tuple[str, ...] | None = None
    comment: str | None = None
    removes: bool | None = None
    named: tuple[str, ...] | None = None
    losses: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case, and where it stands.  ``linked``: the item has its counterpart already.

    ``side`` is ``from``, or ``to`` for an event of the target of a two-way connector.
    """

    name: str
    connector: str
    given: Given
    expected: Expected
    place: Place
    linked: bool = False
    side: str = "from"


def _says(description: str) -> dict[str, str]:
    return {"description": description}


class _Time(fields.Field[datetime]):
    """ISO 8601 with a zone."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        try:
            found = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            message = "must be a time with a zone, such as 2026-11-24T09:00:00Z"
            raise ValidationError(message)
        return found


class _Texts(fields.Field[tuple[str, ...]]):
    """A list of texts; an empty one says that there is none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            message = "must be a list"
            raise ValidationError(message)
        return tuple(str(Word().deserialize(one, attr, data, **kw)) for one in value)


class _Words(Table):
    """Vocabulary keys and their values."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(Anything(), **kw)

    def _deserialize(self, value: Any, *args: Any, **kw: Any) -> Any:
        loaded = super()._deserialize(value, *args, **kw)
        known = Known(sorted(VOCABULARY))
        for key in loaded:
            known(key)
        return loaded


class EventSchema(Declaration):
    """``event:``: a recorded payload (``file`` or ``payload``), or an event in the words of the vocabulary."""

    makes = Given
    file = Word(validate=validate.Length(1, 500), metadata=_says("A recorded payload, relative to this file."))
    payload = Anything(metadata=_says("The same in place."))
    headers = Table(Word(), metadata=_says("Headers that the payload came with, where the body does not tell."))
    kind = fields.Enum(
        Kind, by_value=True, metadata=_says("What happened; of a payload: which of its events is meant.")
    )
    data = _Words(metadata=_says("The item as it is now, by the vocabulary; texts are Markdown."))
    change = _Words(metadata=_says("What changed: {state: {from: open, to: closed}}."))
    raw = Table(Anything(), metadata=_says("The vendor's own fields."))
    actor = Table(Anything(), metadata=_says("Who did it: {name, login, email, id}."))
    at = _Time(metadata=_says("When."))
    type = Word(validate=Known(("issue", "pull_request", "thread")), metadata=_says("What it happened to."))
    key = Word(metadata=_says("What people call the item: acme/web#12, WEB-12."))
    url = Word(metadata=_says("The page that a person opens."))
    scope = Word(metadata=_says("Its repository, project or channel; without it `from:` is not asked."))

    @validates_schema
    def _one(self, given: Mapping[str, Any], **_: Any) -> None:
        recorded = [key for key in ("file", "payload") if key in given]
        own = [key for key in ("data", "change", "raw", "actor", "at", "type", "key", "url", "scope") if key in given]
        if len(recorded) > 1 or (recorded and own):
            message = "give one of file, payload, or kind and data"
            raise ValidationError(message)
        if not recorded and "kind" not in given:
            message = "give a file, a payload, or kind: and data:"
            raise ValidationError(message)


class ExpectSchema(Declaration):
    """``expect:``: what must come of it."""

    makes = Expected
    fields_ = Table(
        Anything(), data_key="fields", attribute="fields", metadata=_says("Target field: its value; text is Markdown.")
    )
    absent = _Texts(metadata=_says("Target fields that must be left alone."))
    skip = Word(validate=validate.Length(1), metadata=_says("A part of the reason why nothing is done."))
    error = Word(validate=validate.Length(1), metadata=_says("A part of what makes it impossible (a dead letter)."))
    creates = Flag(metadata=_says("Whether the item is created."))
    messages = _Texts(metadata=_says("The messages that are added, as Markdown; [] for none."))
    comment = Word(metadata=_says("The comment that is added or edited, as Markdown."))
    removes = Flag(metadata=_says("Whether an earlier comment is deleted."))
    named = _Texts(metadata=_says("Keys that a pull request names."))
    losses = _Texts(metadata=_says("What cannot be carried; [] for nothing."))

    @validates_schema
    def _enough(self, given: Mapping[str, Any], **_: Any) -> None:
        if not given:
            message = "expects nothing: say at least one of fields, skip, messages, comment"
            raise ValidationError(message)


class CaseSchema(Declaration):
    """One case."""

    name = Word(required=True, validate=validate.Length(1, 200), metadata=_says("What it shows."))
    event = fields.Nested(EventSchema, required=True, metadata=_says("What happens."))
    linked = Flag(metadata=_says("The item has its counterpart already (default false)."))
    side = Word(validate=Known(("from", "to")), metadata=_says("Of a two-way connector: where it happens (from)."))
    expect = fields.Nested(ExpectSchema, required=True, metadata=_says("What must come of it."))


class CasesSchema(Declaration):
    """A file of cases."""

    version = Version(required=True, metadata=_says("Always 1."))
    connector = Name(metadata=_says("Whose mapping is tested; that of the file beside, where it is left out."))
    cases = fields.List(
        fields.Nested(CaseSchema), required=True, validate=validate.Length(1, MOST_CASES), metadata=_says("The cases.")
    )

    @post_load
    def _make(self, loaded: dict[str, Any], **_: Any) -> dict[str, Any]:
        return loaded


def cases(texts: Mapping[str, str | bytes], connectors: Mapping[str, str]) -> tuple[list[Case], list[Problem]]:
    """Read files of cases; returns the cases, and what is wrong with the files.

    ``connectors`` maps the name of each connector to the file that declares it.
    """
    found: list[Case] = []
    problems: list[Problem] = []
    for name in sorted(texts):
        document, wrong = read(name, texts[name])
        problems += wrong
        if document is not None:
            found += _cases(name, document, connectors, problems)
    return found, problems


def _cases(name: str, document: Document, connectors: Mapping[str, str], problems: list[Problem]) -> list[Case]:
    def wrong(path: tuple[str | int, ...], message: str) -> None:
        place = document.place(path)
        problems.append(Problem(place.file, place.line, written(path), message))

    value = document.value
    if not isinstance(value, dict):
        wrong((), "must be a mapping (key: value)")
        return []
    try:
        loaded = CasesSchema().load(value)
    except ValidationError as error:
        for path, message in flattened(error.messages, value):
            wrong(path, message)
        return []
    connector = loaded.get("connector") or beside(name, connectors)
    if connector not in connectors:
        told = f"there is no connector {connector!r}" if connector else "say connector:, no file beside has this name"
        wrong(("connector",), told)
        return []
    return [
        Case(
            name=one["name"],
            connector=connector,
            given=one["event"],
            expected=one["expect"],
            place=document.place(("cases", number)),
            linked=one.get("linked", False),
            side=one.get("side", "from"),
        )
        for number, one in enumerate(loaded["cases"])
    ]


def beside(name: str, connectors: Mapping[str, str]) -> str:
    """Return the connector that ``bugs.yaml`` beside ``bugs.test.yaml`` declares; "" for none or several."""
    stem = next((name.removesuffix(suffix) for suffix in TESTS if name.endswith(suffix)), name)
    files = {posixpath.normpath(f"{stem}{ending}") for ending in (".yaml", ".yml")}
    found = [one for one, file in connectors.items() if posixpath.normpath(file) in files]
    return found[0] if len(found) == 1 else ""
