"""Return what a message says, also where its ``text`` is empty: from its blocks, attachments and files.

Slack asks apps to send a ``text`` beside blocks and many do not; a person's upload without a word has
none either.  What is read here is a fallback in mrkdwn: the words in their order, styles left out.
Not verified: the members of ``rich_text`` and of mentions inside it are from memory, no captured body
has them.  What is not known is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_DEEPEST: Final = 12
_LONGEST: Final = 40_000
"""Characters; what Slack cuts a message at."""


def words_of(message: Mapping[str, Any]) -> str:
    """Return the message's text as mrkdwn, "" where it says nothing at all."""
    text = message.get("text")
    if isinstance(text, str) and text.strip():
        return text
    parts = [*_all(_block, message.get("blocks")), *_all(_attachment, message.get("attachments"))]
    parts += _all(_file, message.get("files"))
    return "\n".join(part for part in parts if part.strip())[:_LONGEST]


def _escaped(text: Any) -> str:
    raw = text if isinstance(text, str) else ""
    return raw.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _all(read: Any, items: Any) -> Iterator[str]:
    for one in items if isinstance(items, list) else ():
        if isinstance(one, Mapping):
            yield read(one)


def _block(block: Mapping[str, Any]) -> str:
    if block.get("type") == "rich_text":
        return _rich(block, 0)
    said = [_text(block.get("text")), *_all(_text, block.get("fields")), *_all(_text, block.get("elements"))]
    if block.get("type") == "image":
        said += [_text(block.get("title")) or _escaped(block.get("alt_text"))]
    return "\n".join(part for part in said if part)


def _text(value: Any) -> str:
    """Read a text object; one inside a button or a menu is a control, nobody's words."""
    if not isinstance(value, Mapping) or not isinstance(value.get("text"), str):
        return ""
    return str(value["text"]) if value.get("type") == "mrkdwn" else _escaped(value["text"])


def _rich(element: Mapping[str, Any], depth: int) -> str:
    if depth > _DEEPEST:
        return ""
    match element.get("type"):
        case "text":
            return _escaped(element.get("text"))
        case "link":
            shown = _escaped(element.get("text"))
            return f"<{element.get('url')}|{shown}>" if shown else f"<{element.get('url')}>"
        case "user":
            return f"<@{element.get('user_id')}>"
        case "channel":
            return f"<#{element.get('channel_id')}>"
        case "usergroup":
            return f"<!subteam^{element.get('usergroup_id')}>"
        case "broadcast":
            return f"<!{element.get('range')}>"
        case "emoji":
            return f":{element.get('name')}:"
        case kind:
            lines = kind in {"rich_text", "rich_text_list"}
            inside = element.get("elements")
            parts = (
                [_rich(one, depth + 1) for one in inside if isinstance(one, Mapping)]
                if isinstance(inside, list)
                else []
            )
            if kind == "rich_text_list":
                parts = [f"• {part}" for part in parts]
            return ("\n" if lines else "").join(parts)


def _attachment(attachment: Mapping[str, Any]) -> str:
    blocks = list(_all(_block, attachment.get("blocks")))
    said = [str(attachment[name]) for name in ("pretext", "title", "text") if isinstance(attachment.get(name), str)]
    return "\n".join([*said, *blocks]) if said or any(blocks) else _escaped(attachment.get("fallback"))


def _file(file: Mapping[str, Any]) -> str:
    name = _escaped(file.get("title") or file.get("name"))
    link = file.get("permalink")
    return f"<{link}|{name or 'file'}>" if isinstance(link, str) and link else name
