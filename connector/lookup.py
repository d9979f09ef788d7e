"""Look values up in the tables of a mapping: closed ones, precedence lists, tables of people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector.errors import Rejected
from connector.expression import MISSING

Run = Callable[[Mapping[str, Any]], Any]
"""Makes one target value of a view; may also return `MISSING`, `Left`, `Part` or `Known`."""


@dataclass(frozen=True, slots=True)
class Left:
    """Why a field is left alone, and whether that is a loss."""

    why: str
    loss: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A list of which some items could not be carried."""

    kept: Any
    losses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A value that a table gives on purpose, be it empty; no transform or default may touch it."""

    value: Any


_NONE_KNOWN: Final = Left("the source holds none of the listed values")


def names(value: Any) -> list[str]:
    """Return the words under which a value may stand in a table: a person has several."""
    match value:
        case Mapping():
            return [str(value[key]) for key in ("id", "login", "email", "name") if value.get(key)]
        case bool():
            return ["true" if value else "false"]
        case _:
            return [str(value)]


def _finder(table: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Find by exact word, else by a word that differs in capitals only."""
    folded = {key.casefold(): value for key, value in table.items()}

    def find(value: Any) -> Any:
        if type(value) is str and value in table:
            return table[value]
        words = names(value)
        for word in words:
            if word in table:
                return table[word]
        for word in words:
            if word.casefold() in folded:
                return folded[word.casefold()]
        return MISSING

    return find


def looking_up(run: Run, table: Mapping[str, Any], default: Any, *, open_: bool = False) -> Run:
    """Look a value, or each item of a list, up in a closed table; what it lacks is rejected or the default.

    What an ``open_`` table lacks leaves the field alone; of a list, it is left out.
    """
    find = _finder(table)

    def one(value: Any) -> Any:
        hit = find(value)
        if hit is MISSING:
            if default is MISSING and not open_:
                raise Rejected(f"{_shown(value)} is not in its table ({', '.join(table)})", cause="table")
            return Left("not in its table")
        return hit

    def looked_up(seen: Mapping[str, Any]) -> Any:
        found = run(seen)
        if found is MISSING or found is None:
            return found
        if isinstance(found, list):
            hits = [one(item) for item in found]
            if open_:
                return [hit for hit in hits if hit is not None and type(hit) is not Left]
            return [default if type(hit) is Left else hit for hit in hits if hit is not None]
        hit = one(found)
        return Known(None) if hit is None and default is not MISSING else hit

    return looked_up


def taking_first(run: Run, entries: Mapping[str, Any]) -> Run:
    """Take the first entry that the value holds; the order of the entries is the order of precedence."""

    def taken(seen: Mapping[str, Any]) -> Any:
        found = run(seen)
        if found is MISSING:
            return found
        held = {word.casefold() for item in (found if isinstance(found, list) else [found]) for word in names(item)}
        for word, value in entries.items():
            if word.casefold() in held:
                return value
        return _NONE_KNOWN

    return taken


def looking_up_people(run: Run, table: Mapping[str, str], default: Any) -> Run:
    """Turn persons there into persons here; strangers are left out and reported."""
    find = _finder(table)

    def looked_up(seen: Mapping[str, Any]) -> Any:
        found = run(seen)
        if found is MISSING or found is None:
            return found
        if isinstance(found, list):
            hits = [(item, find(item)) for item in found]
            losses = tuple(_stranger(item) for item, hit in hits if hit is MISSING and default is MISSING)
            kept = [
                default if hit is MISSING else hit for _, hit in hits if hit is not MISSING or default is not MISSING
            ]
            kept = [one for one in kept if one is not None]
            return Part(kept, losses) if losses else kept
        hit = find(found)
        return Left("the person is not in its table", _stranger(found)) if hit is MISSING else hit

    return looked_up


def _stranger(person: Any) -> str:
    return f"{_shown(person)} is not in the people table"


def _shown(value: Any) -> str:
    """Name a value in a message, shortened; a person by login or name, never by e-mail."""
    if isinstance(value, Mapping):
        value = value.get("login") or value.get("name") or value.get("id") or "somebody"
    text = str(value)
    return repr(text if len(text) <= 40 else text[:39] + "…")
