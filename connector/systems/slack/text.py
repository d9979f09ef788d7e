"""Write rich text as Slack's mrkdwn, safely: nothing that was copied may ping a channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from connector import richtext
from connector.event import Text

LIMIT: Final = 3_900
"""Characters of a message.

Slack advises 4,000 and cuts off at 40,000 without an error, so a longer text would be lost unseen;
the rest is room for what it counts otherwise than we do (emoji).
"""

TITLE_LIMIT: Final = 120
"""Characters of the title that stands for a thread."""


def text_of(value: Any) -> Text:
    """Return a value as a `Text`: a plain string is plain text, None is empty."""
    if isinstance(value, Mapping) and isinstance(value.get("format"), str) and "content" in value:
        return cast("Text", value)
    return {"format": "plain", "content": "" if value is None else str(value)}


def native(value: Any) -> tuple[str, tuple[str, ...]]:
    """Write a `Text` (or a plain string) as mrkdwn that fits; returns (mrkdwn, losses).

    ``<!channel>``, ``<!here>``, ``<!everyone>`` and ``<!subteam^...>`` are defused by the conversion, even
    where the source is Slack itself: a copy must not page the people that the original paged.
    """
    converted = richtext.convert(text_of(value), "mrkdwn", limit=LIMIT)
    return converted.content, converted.losses


def title(mrkdwn: str) -> str:
    """Return the first line of a message as plain text, for the title of a thread."""
    lines = richtext.plain({"format": "mrkdwn", "content": mrkdwn}).split("\n")
    first = next((line.strip() for line in lines if line.strip()), "")
    return first if len(first) <= TITLE_LIMIT else first[: TITLE_LIMIT - 1].rstrip() + "…"
