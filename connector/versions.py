"""Name what decides on a connector's writes, so that a delivery can say by which version of it it was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

BESIDE: Final = frozenset(
    {
        *("version", "name", "renamed_from", "description", "owner", "template", "mode", "start", "poll"),
        *("concurrency", "weight", "attempts", "on_dead", "brake", "quiet"),
    }
)
"""Keys of a connector that change nothing in what it writes: who owns it, whether and how fast it works."""

SIGNS: Final = 8
"""Length of a version's name."""


class People(dict[str, str]):
    """A table of people that came from a file, whose name it keeps; a copy is a plain table of no file."""

    def __init__(self, table: Mapping[str, str] | Iterable[tuple[str, str]] = (), file: str = "") -> None:
        super().__init__(table)
        self.file = file


def version_of(document: Mapping[str, Any]) -> str:
    """Name the version of a resolved connector; one that writes the same has the same name."""
    writing = {key: value for key, value in document.items() if key not in BESIDE}
    text = json.dumps(writing, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:SIGNS]


def kept(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a version: what it writes by, as plain values, and of tables of people no person.

    A table that came from a file is its name again; one that stands in the connector itself is counted.
    """
    return {key: _without_people(value) for key, value in document.items() if key not in BESIDE}


def tables(document: Mapping[str, Any]) -> dict[str, str]:
    """Return what tells two tables of people apart, by target field: how many they are and a digest."""
    mapping = document.get("mapping")
    found = {}
    for target, rule in mapping.items() if isinstance(mapping, Mapping) else ():
        people = rule.get("people") if isinstance(rule, Mapping) else None
        if isinstance(people, Mapping):
            text = json.dumps(people, sort_keys=True, ensure_ascii=False, default=str)
            digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:SIGNS]
            found[str(target)] = f"{len(people)} people ({digest})"
    return found


def plain(value: Any) -> Any:
    """Return a copy of a document in which every table is a plain one, as whoever writes YAML wants it."""
    match value:
        case Mapping():
            return {key: plain(one) for key, one in value.items()}
        case list():
            return [plain(one) for one in value]
        case _:
            return value


def _without_people(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return [_without_people(one) for one in value] if isinstance(value, list) else value
    found: dict[str, Any] = {}
    for key, one in value.items():
        if key == "people" and isinstance(one, People) and one.file:
            found[key] = one.file
        elif key == "people" and isinstance(one, Mapping):
            found[key] = {f"({len(one)} people, not kept)": ""}
        else:
            found[key] = _without_people(one)
    return found
