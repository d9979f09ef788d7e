"""Keep the versions of a connector that were in force, and how much was delivered by each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from workers.stores.deliveries import Deliveries
from workers.stores.records import compress, expand
from workers.stores.scripts import run

MOST: Final = 30
"""Versions of a connector that are kept."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version: when it was first and last used (ms), how many deliveries it made, and what it says.

    ``document`` is as `connector.versions.kept` returns it, ``people`` as `tables` does; both are empty where the
    record is gone.  ``config`` is the hash of the configuration that brought it.
    """

    name: str
    first: int = 0
    last: int = 0
    delivered: int = 0
    config: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)


def keep(books: Deliveries, name: str, document: Mapping[str, Any], people: Mapping[str, str], *, config: str) -> None:
    """Keep a version, once."""
    record = compress(orjson.dumps({"v": 1, "document": document, "people": people, "config": config}, default=str))
    run(books.client, "version", books.tag, *books.head(), name, record, MOST)


def versions(books: Deliveries) -> list[Version]:
    """Return the versions that are known, the one that was used last first."""
    found = {name.decode(): value for name, value in books.client.hgetall(books.tag + "versions").items()}
    names = {name.partition(":")[0] for name in found}
    return sorted((_version(name, found) for name in names), key=lambda one: (one.last, one.first), reverse=True)


def _version(name: str, found: Mapping[str, bytes]) -> Version:
    record = orjson.loads(expand(found[name])) if name in found else {}
    return Version(
        name,
        int(float(found.get(f"{name}:first", 0))),
        int(float(found.get(f"{name}:last", 0))),
        int(found.get(f"{name}:n", 0)),
        record.get("config", ""),
        record.get("document", {}),
        record.get("people", {}),
    )
