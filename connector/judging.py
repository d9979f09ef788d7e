"""Hold a connector against the names that were at its connections: `lock`, without asking anybody.

The counterpart of `Target.examine`, which asks and therefore knows more: permissions, screens of issues there are,
workflows.  Only what stands in the configuration word by word is compared; what an event brings, nobody knows before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

from connector.compiling import needs_of
from connector.config import Config, Connector
from connector.examining import Fed, Finding, Level, Path, listed, meant, misfit
from connector.listed import Listed, Takes
from connector.lock import Lock, Question, asked_by, channels, questions
from connector.system import System

STALE: Final = timedelta(days=30)
"""How old a lock may be before it is said to be."""

_MAPPING: Final[Path] = ("mapping",)
_NAME_ONE: Final = "name one of them, or have it added"

Options = Sequence[Mapping[str, Any]]


def unsure(config: Config, lock: Lock, systems: Mapping[str, System], today: date) -> Iterator[str]:
    """Say what a lock does not know of a configuration, and that it is old."""
    asked = questions(config, systems)
    yield from (f"knows nothing of the {one}" for one in asked if one not in lock.entries)
    oldest = min((lock.entries[one].taken for one in asked if one in lock.entries), default=today)
    if today - oldest > STALE:
        yield f"is {(today - oldest).days} days old ({oldest}): names may have changed since"


def against(config: Config, lock: Lock, systems: Mapping[str, System], connector: Connector) -> Iterator[Finding]:
    """Find what is wrong with a connector by what the lock knows; what it does not know is passed over."""
    for face in connector.faces:
        known = {one: lock.entries[one].rows for one in asked_by(config, systems, face) if one in lock.entries}
        for one in _face(face, known):
            # Where a rule was turned round, it stands under mapping all the same.
            yield replace(one, path=("back", *one.path)) if face.turned and one.path[0] != "mapping" else one


def _face(face: Connector, known: Mapping[Question, Sequence[Listed]]) -> Iterator[Finding]:
    for question, rows in known.items():
        if question.kind == "fields":
            yield from _fields(face, rows, " / ".join(word for _, word in question.of) or question.connection)
    yield from _types(face, _all(known, "statuses"))
    yield from _labels(face, _all(known, "labels"))
    yield from _channels(face, known)


def _all(known: Mapping[Question, Sequence[Listed]], kind: str) -> list[Listed]:
    return [row for question, rows in known.items() if question.kind == kind for row in rows]


# --- fields ------------------------------------------------------------------------------------------------
def _fields(connector: Connector, rows: Sequence[Listed], where: str) -> Iterator[Finding]:
    """Compare ``mapping`` with the fields there are, and the values that stand in it with their options."""
    needs = needs_of(connector)
    feeds: dict[str, Fed] = {}
    for fed in needs.fields:
        named = _named(rows, fed.name)
        feeds.update((row.id, fed) for row in named)
        if len(named) > 1:
            text = f"several fields of {where} have this name"
            yield Finding(Level.PROBLEM, fed.path, text, f"write one of {listed(row.id for row in named)}", "ambiguous")
        elif named:
            yield from _fed(named[0], fed)
        else:
            yield _missing(rows, fed, where, creates=needs.creates)
    if needs.creates:
        yield from _required(rows, feeds)
    status = next((row for row in rows if any("category" in one for one in row.facts.get("options", ()))), None)
    if status is not None:
        for one in needs.statuses:
            yield from _value(status, one.path, one.value)


def _missing(rows: Sequence[Listed], fed: Fed, where: str, *, creates: bool) -> Finding:
    near = meant(fed.name, {word for row in rows for word in (row.name, *row.facts.get("aliases", ()))})
    act = f"did you mean {near!r}?" if near else "correct the name, or write the field's id"
    # What is only updated is set on the edit screen, which may hold more.
    level = Level.PROBLEM if creates else Level.WARNING
    return Finding(level, fed.path, f"{where} has no such field", act, "field")


def _required(rows: Iterable[Listed], feeds: Mapping[str, Fed]) -> Iterator[Finding]:
    for row in rows:
        if not row.facts.get("required"):
            continue
        fed = feeds.get(row.id)
        if fed is None:
            text = f"{row.name} is required of what is created, and the mapping does not feed it"
            act = f"map {row.name}, if only with value:"
            yield Finding(Level.PROBLEM, _MAPPING, text, act, f"required:{row.id}")
        elif not fed.always:
            text = f"{row.name} is required of what is created, and the rule may give nothing"
            yield Finding(Level.WARNING, fed.path, text, "add default:", f"required:{row.id}")


def _fed(row: Listed, fed: Fed) -> Iterator[Finding]:
    if wrong := misfit(fed, Takes(row.facts.get("takes", Takes.ANY))):
        yield wrong
    for one in fed.named:
        yield from _value(row, one.path, one.value)


def _value(row: Listed, path: Path, value: Any) -> Iterator[Finding]:
    options: Options | None = row.facts.get("options")
    if options is None:
        return
    if row.facts.get("takes") == Takes.LEVELS:
        yield from _levels(row, path, value, options)
        return
    for word in _words(row, value):
        if _option(options, word) is None:
            yield _no_option(row, path, word, options)


def _levels(row: Listed, path: Path, value: Any, options: Options) -> Iterator[Finding]:
    parts = value.split("/", 1) if isinstance(value, str) else value if isinstance(value, list) else []
    for part in parts:
        found = _option(options, str(part).strip())
        if found is None:
            yield _no_option(row, path, str(part).strip(), options)
            return
        options = found.get("below") or ()


def _no_option(row: Listed, path: Path, word: str, options: Options) -> Finding:
    names = [str(one["name"]) for one in options]
    near = meant(word, names)
    if row.facts.get("open"):
        act = f"did you mean {near!r}?" if near else "make it beforehand, if it is meant"
        return Finding(Level.WARNING, path, f"{word!r} is new to {row.name}: it is made at its first use", act, "label")
    text = f"{word!r} is no choice of {row.name}; there are {listed(names)}"
    return Finding(Level.PROBLEM, path, text, f"did you mean {near!r}?" if near else _NAME_ONE, f"option:{row.id}")


# --- the ends ------------------------------------------------------------------------------------------------
def _types(connector: Connector, rows: Sequence[Listed]) -> Iterator[Finding]:
    words = {word for row in rows for word in row.facts.get("types", ())}
    for name in getattr(connector.source.settings, "types", ()) if rows else ():
        if name.casefold() not in {word.casefold() for word in words}:
            near = meant(name, words)
            text = f"there is no issue type {name!r}; there are {listed(words)}"
            act = f"did you mean {near!r}?" if near else _NAME_ONE
            yield Finding(Level.PROBLEM, ("from", "types"), text, act, "type")


def _labels(connector: Connector, rows: Sequence[Listed]) -> Iterator[Finding]:
    """Doubt a label that is not there: somebody may be about to make it, but a typing error is never met."""
    words = {row.name for row in rows}
    for name in sorted(connector.when.labels) if rows else ():
        if name.casefold() not in {word.casefold() for word in words}:
            near = meant(name, words)
            act = f"did you mean {near!r}?" if near else "make it, or nothing will ever be taken by it"
            yield Finding(Level.WARNING, ("when", "labels"), f"there is no label {name!r}", act, "label")


def _channels(connector: Connector, known: Mapping[Question, Sequence[Listed]]) -> Iterator[Finding]:
    for key, end in (("to", connector.target), ("from", connector.source)):
        for name in channels(end):
            if known.get(Question(end.connection, "channels", (("channel", name),))) == ():
                text = f"there is no channel {name} that the app of {end.connection} can see"
                act = f"correct the name (connector channels {end.connection}), or invite the app"
                yield Finding(Level.PROBLEM, (key, "channel"), text, act, "channel")


# --- words ---------------------------------------------------------------------------------------------------
def _named(rows: Sequence[Listed], name: str) -> list[Listed]:
    """Find fields by id, else by name in any case, else by another word for it, without spaces and dashes."""
    exact = [row for row in rows if row.id == name] or [row for row in rows if row.name.casefold() == name.casefold()]
    word = _folded(name)
    return exact or [
        row for row in rows if word in {_folded(one) for one in (row.id, row.name, *row.facts.get("aliases", ()))}
    ]


def _folded(name: str) -> str:
    return name.casefold().replace(" ", "").replace("_", "").replace("-", "")


def _words(row: Listed, value: Any) -> Iterator[str]:
    """Yield the options that a value names."""
    match value:
        case None | "" | bool():
            return
        case list():
            for one in value:
                yield from _words(row, one)
        case Mapping():
            keys = ("id", "value", "name", "key", row.id, *row.facts.get("aliases", ()))
            said = next((value[key] for key in keys if value.get(key)), "") if "format" not in value else ""
            yield from _words(row, said)
        case _:
            yield str(value).strip()


def _option(options: Options, word: str) -> Mapping[str, Any] | None:
    return next((one for one in options if word.casefold() in _called(one)), None)


def _called(option: Mapping[str, Any]) -> set[str]:
    return {str(option.get(name, "")).casefold() for name in ("id", "name")}
