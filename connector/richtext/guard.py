"""Keep copied text from calling people and closing issues: an unseen character breaks the spell.

GitHub and GitLab act on the *rendered* text: ``@name`` notifies, ``#12`` refers, ``Closes #12``
closes, however the Markdown escapes it.  So a zero-width space goes between the sign and the word:
nothing is seen, nothing happens.  Reading takes it out again, which makes a round trip clean.  The
weakness: whoever copies such a word by hand copies the space with it.

What GitHub's patterns accept is taken from general knowledge of its documentation (not verified
against its code); ours are wider on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from connector.richtext.tree import Card, Inline, Inlines, Kind, Run

GUARD: Final = "\u200b"
"""Zero-width space."""

_PERSON: Final = re.compile(r"(?<![A-Za-z0-9_])@(?=[A-Za-z0-9_])")
_NUMBER: Final = re.compile(r"(#|\b[Gg][Hh]-)(?=[0-9])|(?<![A-Za-z0-9!])(!)(?=[0-9])")
_COMMAND: Final = re.compile(r"(?:^|(?<=\n))/(?=[a-z_]{2,30}(?:\s|$))")
_CLOSING: Final = re.compile(r"\b(clos|fix|resolv|implement)(e|es|ed|ing)?:?\s{1,4}$", re.IGNORECASE)
_GUARDED: Final = re.compile(
    rf"^{GUARD}|(?<=[@#!/*_~`\-]){GUARD}|{GUARD}(?=>)|(?<=[CcFfRrIi]){GUARD}(?=los|ix|esolv|mplement)"
)


def guarded(text: str) -> str:
    """Return a text that notifies nobody and refers to nothing when a code host renders it."""
    if "@" in text:
        text = _PERSON.sub(f"@{GUARD}", text)
    if "#" in text or "-" in text or "!" in text:
        text = _NUMBER.sub(lambda found: found[0] + GUARD, text)
    return _COMMAND.sub(f"/{GUARD}", text) if "/" in text else text


def guard(inlines: Iterable[Inline]) -> Inlines:
    """Guard every run; also ``Closes`` right before the address of an issue."""
    done: list[Inline] = []
    for inline in inlines:
        if _is_address(inline) and done and isinstance(done[-1], Run):
            done[-1] = replace(done[-1], text=_unspelled(done[-1].text))
        if isinstance(inline, Run) and all(mark.kind is not Kind.CODE for mark in inline.marks):
            done.append(replace(inline, text=guarded(inline.text)))
        else:
            done.append(inline)
    return tuple(done)


def unguarded(text: str) -> str:
    """Take out what `guarded` (or a writer that defuses a sign) put in; other zero-width spaces stay."""
    return _GUARDED.sub("", text) if GUARD in text else text


def _is_address(inline: Inline) -> bool:
    return isinstance(inline, Card) or any(mark.kind is Kind.LINK for mark in inline.marks)


def _unspelled(text: str) -> str:
    found = _CLOSING.search(text[-40:])
    if found is None:
        return text
    place = len(text) - len(text[-40:]) + found.start() + 1
    return text[:place] + GUARD + text[place:]
