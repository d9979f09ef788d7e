"""Compare two configurations as they are written: what comes, goes, is renamed, and changes field by field.

Templates are merged before, so that a changed template shows as the fields that it changes.  Credentials are only
ever *changed*: neither their values, which no configuration holds, nor where they are kept is repeated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SHOWN: Final = 80
"""Characters of a value that are shown."""

MANY: Final = 12
"""Changed entries of one table beyond which they are counted instead of listed."""

_TABLES: Final = frozenset({"people", "map", "first"})
_ABSENT: Final = object()
_REFERENCE: Final = re.compile(r"(env|file):\S+")
_HOOK: Final = re.compile(r"(https?://[^/\s]+)/\S*")


@dataclass(frozen=True, slots=True)
class Said:
    """What a configuration says: connections and connectors by name, each as plain values."""

    instance: str = "default"
    connections: Mapping[str, Any] = field(default_factory=dict)
    connectors: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Field:
    """One changed field, ``mapping.Priority.default``; ``before`` and ``after`` as people read them, "" for absent."""

    path: str
    before: str
    after: str
    secret: bool = False

    @property
    def words(self) -> str:
        """The change as a line."""
        if self.secret:
            what = "added" if not self.before else "changed" if self.after else "removed"
            return f"{self.path}: {what} (a credential)"
        if not self.before:
            return f"{self.path}: {self.after} (new)"
        return (
            f"{self.path}: {self.before} → {self.after}" if self.after else f"{self.path}: removed (was {self.before})"
        )

    def as_json(self) -> dict[str, str | None]:
        """Return it as a document; null stands for absent and for a credential."""
        hidden = self.secret
        return {
            "path": self.path,
            "before": None if hidden else self.before or None,
            "after": None if hidden else self.after or None,
            "words": self.words,
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of one connector or connection: ``added``, ``removed``, ``renamed`` (from ``formerly``), ``changed``.

    A renamed one may have changed fields too.  ``uid`` is the stable name of a connector, and a connection's name.
    """

    name: str
    uid: str
    what: str
    formerly: str = ""
    fields: tuple[Field, ...] = ()

    def touches(self, *parts: str) -> bool:
        """Tell whether a field below one of these top keys changed."""
        return any(re.split(r"[.\[]", one.path)[0] in parts for one in self.fields)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences, by name."""

    connectors: tuple[Difference, ...] = ()
    connections: tuple[Difference, ...] = ()
    instance: Field | None = None

    def __bool__(self) -> bool:
        return bool(self.connectors or self.connections or self.instance)


def compare(before: Said, after: Said) -> Comparison:
    """Compare two configurations; connectors are the same where their stable names are."""
    old = {_uid(name, value): (name, value) for name, value in before.connectors.items()}
    new = {_uid(name, value): (name, value) for name, value in after.connectors.items()}
    connectors = [_connector(uid, old.get(uid), new.get(uid)) for uid in {**old, **new}]
    connections = [
        _difference(name, name, before.connections.get(name, _ABSENT), after.connections.get(name, _ABSENT))
        for name in {**before.connections, **after.connections}
    ]
    moved = before.instance != after.instance and bool(old or before.connections)
    return Comparison(
        tuple(sorted((one for one in connectors if one is not None), key=lambda one: one.name)),
        tuple(sorted((one for one in connections if one is not None), key=lambda one: one.name)),
        Field("instance", before.instance, after.instance) if moved else None,
    )


def _connector(uid: str, old: tuple[str, Any] | None, new: tuple[str, Any] | None) -> Difference | None:
    if old is None or new is None:
        name, _ = old or new or ("", None)
        return Difference(name, uid, "removed" if new is None else "added")
    (formerly, before), (name, after) = old, new
    fields = _difference(name, uid, _unnamed(before), _unnamed(after))
    if formerly == name:
        return fields
    return Difference(name, uid, "renamed", formerly, fields.fields if fields else ())


def _difference(name: str, uid: str, before: Any, after: Any) -> Difference | None:
    if before is _ABSENT or after is _ABSENT:
        return Difference(name, uid, "added" if before is _ABSENT else "removed")
    fields = tuple(_fields(before, after, ""))
    return Difference(name, uid, "changed", fields=fields) if fields else None


def _uid(name: str, value: Any) -> str:
    earlier = value.get("renamed_from") if isinstance(value, dict) else None
    first = earlier[0] if isinstance(earlier, list) and earlier else earlier
    return str(first) if first else name


def _unnamed(value: Any) -> Any:
    # What only says which connector it is, and in which version of the grammar.
    hidden = {"name", "renamed_from", "version"}
    return {key: one for key, one in value.items() if key not in hidden} if isinstance(value, dict) else value


def _fields(before: Any, after: Any, path: str) -> Iterator[Field]:
    if isinstance(before, dict) and isinstance(after, dict):
        found = [
            one
            for key in {**before, **after}
            for one in _fields(before.get(key, _ABSENT), after.get(key, _ABSENT), f"{path}.{key}".lstrip("."))
        ]
        # A table of people with hundreds of rows is one thing that changed; a mapping is read field by field.
        tabular = path.rpartition(".")[2] in _TABLES
        if (
            tabular
            and len(found) > MANY
            and not any(isinstance(one, dict) for one in (*before.values(), *after.values()))
        ):
            come, gone = len(after.keys() - before.keys()), len(before.keys() - after.keys())
            told = f"{len(after)} entries: {come} added, {gone} removed, {len(found) - come - gone} changed"
            found = [Field(path, f"{len(before)} entries", told)]
        yield from found
    elif _many(before) and _many(after):
        for number in range(max(len(before), len(after))):
            yield from _fields(
                before[number] if number < len(before) else _ABSENT,
                after[number] if number < len(after) else _ABSENT,
                f"{path}[{number}]",
            )
    elif before is _ABSENT or after is _ABSENT or _plain(before) != _plain(after):
        secret = _holds_reference(before) or _holds_reference(after)
        yield Field(path, _shown(before, path), _shown(after, path), secret)


def _many(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _holds_reference(value: Any) -> bool:
    match value:
        case str():
            return _REFERENCE.fullmatch(value) is not None
        case dict():
            return any(map(_holds_reference, value.values()))
        case list():
            return any(map(_holds_reference, value))
        case _:
            return False


def _plain(value: Any) -> str:
    # As JSON, where 1 and true differ.
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _shown(value: Any, path: str) -> str:
    if value is _ABSENT:
        return ""
    text = value if isinstance(value, str) and value.strip() else _plain(value)
    if path.rpartition(".")[2] == "alert":
        # The path of a hook is often its password.
        text = _HOOK.sub(r"\1/…", text)
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
