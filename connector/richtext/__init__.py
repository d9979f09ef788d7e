"""Carry rich text from any system's format into any other's, and say what was lost on the way.

>>> convert({"format": "markdown", "content": "**bold** @octocat"}, "wiki").content
'*bold* @octocat'

Every format is read into one tree (`tree`) and written from it.  Formats are ``markdown`` (GitHub's),
``adf`` (Atlassian's documents, a dict), ``wiki`` (Jira's markup), ``mrkdwn`` (Slack's) and ``plain``.

Copied text must not act: it pings nobody, closes no issue, expands no macro and opens no script, in
any target (see `guard`).  Who *should* be pinged is said by ``people``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connector.event import Text
from connector.richtext import adf_extra, adf_read, cut, wiki_write
from connector.richtext import plain as _plain
from connector.richtext.compare import same
from connector.richtext.formats import FORMATS, Codec, parts
from connector.richtext.restore import Merged, merge_back
from connector.richtext.settle import settled
from connector.richtext.tree import Document, Style, Written

__all__ = [
    "FORMATS",
    "Codec",
    "Converted",
    "Document",
    "Merged",
    "Style",
    "Written",
    "convert",
    "find_text",
    "merge_back",
    "plain",
    "same",
    "size",
]


@dataclass(frozen=True, slots=True)
class Converted:
    """A text in its new format: ``content`` is a str, for ``adf`` a dict."""

    content: Any
    losses: tuple[str, ...] = ()


def convert(
    text: Text | str | None,
    to: str,
    *,
    limit: int | None = None,
    people: Callable[[str], str | None] | None = None,
    links: Callable[[str], str | None] | None = None,
    files: Callable[[str], str | None] | None = None,
    more: str = "",
    pings: bool = False,
) -> Converted:
    """Convert a text into format ``to``.

    ``limit`` is the most that `size` of the result may be; a longer text ends with a notice and
    ``more``, the page where all of it is.  ``people`` maps a person's id in the source to the id (on
    code hosts the login) in the target; who is not mapped is named without being notified.  ``links`` maps
    the address of an issue to that of its counterpart, ``files`` the name of an attached file to where
    the target's readers find it; a file that is not mapped leads to ``more``.  ``pings``
    is for texts that were written *for* the target, such as templates: what they say may act.
    An unknown format of a text is read as plain text; an unknown ``to`` is a KeyError, our own bug.
    A text that is ``settled`` is left as it is where it fits: what its authors wrote is not written anew.
    """
    codec = FORMATS[to]
    known, content = parts(text)
    is_settled = isinstance(text, Mapping) and text.get("settled") and known == to
    if is_settled and (limit is None or size(to, content) <= limit):
        return Converted(content)
    source = FORMATS[known].read(content)
    document = settled(source, known=known, to=to, people=people, pings=pings, links=links, files=files, page=more)
    style = Style(pings=pings)
    written = codec.write(document, style)
    beyond = adf_extra.lost(source.blocks) if to != "adf" else ()
    losses = (*document.losses, *beyond, *written.losses)
    if limit is not None and size(to, written.content) > limit:
        words = f"text cut: it has {size(to, written.content)} characters and only {limit} fit"
        best = cut.shortened(
            document,
            more,
            lambda part: codec.write(part, style).content,
            lambda made: size(to, made) <= limit,
        )
        if best is None:
            best = cut.clipped(cut.NOTICE, limit) if to != "adf" else codec.write(Document(), style).content
        return Converted(best, tuple(dict.fromkeys((*losses, words))))
    return Converted(written.content, tuple(dict.fromkeys(losses)))


def size(to: str, content: Any) -> int:
    """Return the length that a limit is compared with: UTF-16 units, never fewer than code points.

    For ``adf`` it is that of the same text in wiki markup: what Jira counts there is not published,
    and its JSON is many times longer than anything a person wrote.
    """
    if to == "adf":
        return cut.units(str(wiki_write.write(adf_read.read(content), Style()).content))
    return cut.units(str(content))


def plain(text: Text | str | None) -> str:
    """Return readable plain text, for titles, templates and conditions; links show their words only."""
    if text is None or isinstance(text, str):
        return text or ""
    known, content = parts(text)
    document = FORMATS[known].read(content)
    document = settled(document, known=known, to="plain", people=None, pings=False)
    return _plain.show(document.blocks).strip("\n")


def find_text(value: Any) -> Iterator[Text]:
    """Yield every `Text` in a JSON value (an event's data, a mapping's result), at any depth."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, Mapping):
            if isinstance(one.get("format"), str) and one["format"] in FORMATS and "content" in one:
                yield {"format": one["format"], "content": one["content"]}
            else:
                left += one.values()
        elif isinstance(one, list | tuple):
            left += reversed(one)
