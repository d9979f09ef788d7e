"""Bring rich text into the form of this Jira: ADF for Cloud, wiki markup for Data Center."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connector.event import Text
from connector.ports import Site
from connector.richtext import convert, plain
from connector.systems.jira.settings import JiraTarget

LIMIT: Final = 30_000
"""Where texts are cut.  Jira takes 32,767 characters; whether it counts ADF as JSON is not published."""

_SERVER_IDS: Final = frozenset({"taskList", "taskItem", "decisionList", "decisionItem"})


def as_text(value: Any) -> Text:
    """Take what a mapping gave for a rich text: a `Text`, or plain words."""
    if isinstance(value, Mapping) and "format" in value and "content" in value:
        return {
            "format": str(value["format"]),
            "content": value["content"],
            "settled": value.get("settled") is True,
        }
    return {"format": "plain", "content": "" if value is None else str(value)}


def words(value: Any) -> str:
    """Return what a mapping gave as plain words."""
    if isinstance(value, Mapping) and "format" in value:
        return plain(as_text(value))
    return "" if value is None else str(value)


def native(site: Site, value: Any) -> tuple[Any, tuple[str, ...]]:
    """Convert a text (None: no text) into what a write takes, and say what could not be carried."""
    if value is None:
        return None, ()
    done = convert(as_text(value), site.settings.flavour.text, limit=LIMIT)
    return done.content, done.losses


def comment_text(site: Site, _target: JiraTarget, value: Any) -> tuple[Any, tuple[str, ...]]:
    """Convert a `Text` into the body of a comment."""
    return native(site, value)


def comparable(value: Any) -> Any:
    """Return a rich text as it compares with one of ours: without the ids that Jira adds to nodes."""
    if isinstance(value, Mapping):
        kept = {name: comparable(one) for name, one in value.items()}
        attrs = kept.get("attrs")
        if isinstance(attrs, dict) and kept.get("type") not in _SERVER_IDS:
            attrs.pop("localId", None)
            if not attrs:
                del kept["attrs"]
        return kept
    if isinstance(value, list):
        return [comparable(one) for one in value]
    return value
