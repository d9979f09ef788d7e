"""Read members of JSON objects strictly: what is missing or of the wrong kind is named in `Unreadable`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connector.errors import Unreadable

Json = Mapping[str, Any]


def member(of: Json, name: str, kind: type[Any]) -> Any:
    """Return a member that must be there and of this kind."""
    value = of.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        message = f"{name}: expected {kind.__name__}, found {type(value).__name__}"
        raise Unreadable(message, cause=f"member:{name}")
    return value


def optional(of: Json, name: str, kind: type[Any]) -> Any:
    """Return a member of this kind, or None where it is absent or null."""
    return None if of.get(name) is None else member(of, name, kind)


def moment(of: Json, name: str) -> datetime:
    """Return a member that is a time with its zone."""
    text = member(of, name, str)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{name}: not a time"
        raise Unreadable(message, cause=f"member:{name}") from error
    if at.tzinfo is None:
        message = f"{name}: a time without a zone"
        raise Unreadable(message, cause=f"member:{name}")
    return at


def readable(value: Any) -> Any:
    r"""Replace lone surrogates (``"\ud800"`` is legal JSON) which no encoder would take later."""
    match value:
        case str():
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
        case dict():
            return {readable(name): readable(one) for name, one in value.items()}
        case list():
            return [readable(one) for one in value]
        case _:
            return value
