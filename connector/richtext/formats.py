"""Name the formats that rich text comes in: each can be read into the tree and written from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector.event import Text
from connector.richtext import (
    adf_read,
    adf_write,
    markdown_read,
    markdown_write,
    mrkdwn_read,
    mrkdwn_write,
    plain,
    wiki_read,
    wiki_write,
)
from connector.richtext.tree import Document, Style, Written


@dataclass(frozen=True, slots=True)
class Codec:
    """A format: ``read`` takes any content without raising, ``write`` gives content and losses."""

    read: Callable[[Any], Document]
    write: Callable[[Document, Style], Written]


FORMATS: Final[Mapping[str, Codec]] = {
    "markdown": Codec(markdown_read.read, markdown_write.write),
    "adf": Codec(adf_read.read, adf_write.write),
    "wiki": Codec(wiki_read.read, wiki_write.write),
    "mrkdwn": Codec(mrkdwn_read.read, mrkdwn_write.write),
    "plain": Codec(plain.read, plain.write),
}


def parts(text: Text | str | None) -> tuple[str, Any]:
    """Return the format and the content of a text; a bare str, and an unknown format, is plain."""
    if isinstance(text, Mapping):
        known = str(text.get("format"))
        return known if known in FORMATS else "plain", text.get("content")
    return "plain", text or ""
