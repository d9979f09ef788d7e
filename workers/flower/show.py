"""Turn times, spans and series into what a page shows."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from connector.richtext import plain
from workers.logs import is_sensitive, redact

HEIGHT: Final = 24.0
STEP: Final = 3.0
"""Size, in units of the drawing, of one minute in a chart."""


def when(ms: float) -> str:
    """Show a time given in ms; "" where there is none."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if ms else ""


def ago(ms: float, now: float) -> str:
    """Show how long ago a time is; "" where there is none."""
    return span(max(0.0, now - ms)) if ms else ""


def span(ms: float) -> str:
    """Show a span given in ms, in the two largest units."""
    seconds = int(ms / 1000)
    if ms < 1000:
        return f"{int(ms)} ms"
    if seconds < 60:
        return f"{seconds} s"
    for size, unit, below, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // below
            return f"{seconds // size} {unit}" + (f" {rest} {small}" if rest else "")
    return ""


def bars(series: Sequence[int]) -> list[tuple[float, float, float]]:
    """Return (x, y, height) of the bars of a small chart, the highest filling it."""
    most = max(series, default=0) or 1
    return [
        (number * STEP, round(HEIGHT - HEIGHT * value / most, 1), round(HEIGHT * value / most, 1))
        for number, value in enumerate(series)
        if value
    ]


_EMAIL: Final = re.compile(r"([\w.+-])[\w.+-]*@([\w-]+(?:\.[\w-]+)+)")


def readable(value: Any) -> str:
    """Show a value to a person, without credentials and without addresses of people."""
    if isinstance(value, dict) and value.get("type") == "doc" and "content" in value:
        value = plain({"format": "adf", "content": value})
    hidden = redacted(value)
    return hidden if isinstance(hidden, str) else json.dumps(hidden, indent=2, ensure_ascii=False, default=str)


def redacted(value: Any) -> Any:
    """Return a value without credentials (by value and by name) and with e-mail addresses masked."""
    match value:
        case str():
            return _EMAIL.sub(r"\1…@\2", redact(value))
        case dict():
            return {
                name: "[redacted]" if is_sensitive(str(name)) and inner else redacted(inner)
                for name, inner in value.items()
            }
        case list() | tuple():
            return [redacted(one) for one in value]
        case _:
            return value
