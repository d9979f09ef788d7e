"""Read what a caller sends: texts, switches, pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.systems.slack.sandbox.workspace import Refused, User

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever a token belongs to, at a time."""

    user: User
    now: datetime


def text(arguments: Arguments, name: str, error: str = "") -> str:
    """Return a textual argument; ``error`` where it must be there."""
    value = arguments.get(name)
    if value in {None, ""} and error:
        raise Refused(error)
    return "" if value is None else str(value)


def truth(arguments: Arguments, name: str) -> bool:
    """Return a switch, as JSON or as a form writes it."""
    return arguments.get(name) in {True, "1", "true", "True"}


def cut(found: Sequence[Any], arguments: Arguments) -> tuple[list[Any], str]:
    """Return a page of a listing and the cursor of the next one, "" on the last.

    The cursor names the item that comes next, as Slack's do (``next_ts:...``): what is added or
    taken away before it moves nothing.
    """
    limit = text(arguments, "limit") or "100"
    if not limit.isdigit() or not 0 < int(limit) <= 999:
        raise Refused("invalid_limit")
    start = 0
    if cursor := text(arguments, "cursor"):
        try:
            wanted = base64.b64decode(cursor, validate=True).decode().removeprefix("next:")
        except (binascii.Error, ValueError) as error:
            raise Refused("invalid_cursor") from error
        start = next((number for number, one in enumerate(found) if _name(one) == wanted), -1)
        if start < 0:
            raise Refused("invalid_cursor")
    end = start + int(limit)
    following = base64.b64encode(f"next:{_name(found[end])}".encode()).decode() if end < len(found) else ""
    return list(found[start:end]), following


def _name(one: Any) -> str:
    return one if isinstance(one, str) else str(one["id"])
