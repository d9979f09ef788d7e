"""Carry our marker through GitHub's Markdown: hidden when written, found and taken off when read.

GitHub keeps HTML comments in bodies and does not show them, so the marker stands in one at the end
of whatever we add.  It survives edits unless a person removes it.
"""

from __future__ import annotations

import re
from typing import Any, Final, cast

from connector import richtext
from connector.event import Text
from connector.link import Marker

LIMIT: Final = 65_536
"""Characters in an issue body or comment; GitHub answers 422 above it."""

ROOM: Final = 160
"""Kept free for the hidden marker (at most 118 characters and its comment signs)."""

TITLE_LIMIT: Final = 256
"""Characters in a title (from general knowledge, not verified against a published source)."""

_HIDDEN: Final = re.compile(r"<!--[ \t]*(jc1:[a-z0-9-]{1,40}:[a-z0-9-]{1,40}:[0-9a-f]{32})[ \t]*-->")


def markers(body: str) -> tuple[str, ...]:
    """Return the markers hidden in a body, in order."""
    return tuple(_HIDDEN.findall(body)) if "jc1:" in body else ()


def marker(body: str) -> str:
    """Return the first marker hidden in a body, "" where there is none."""
    return next(iter(markers(body)), "")


def bare(body: str) -> str:
    """Return a body without our hidden markers; everything else is left as it is."""
    return _HIDDEN.sub("", body).rstrip() if markers(body) else body


def marked(body: str, *marks: Marker | str) -> str:
    """Return a body with markers hidden at its end (and none elsewhere: copied text may hold one)."""
    hidden = "\n".join(f"<!-- {mark} -->" for mark in marks)
    return "\n\n".join(part for part in (bare(body).rstrip(), hidden) if part)


def native(text: Any, more: str = "") -> tuple[str, tuple[str, ...]]:
    """Write a `Text` as Markdown that fits; returns (markdown, losses).

    A plain string is taken as Markdown already, as templates make it; None is an empty text.
    """
    source = text if isinstance(text, dict) else {"format": "markdown", "content": "" if text is None else str(text)}
    converted = richtext.convert(cast("Text", source), "markdown", limit=LIMIT - ROOM, more=more)
    return bare(converted.content), converted.losses
