"""Find addresses in plain text, and say which ones may be written as links.

Scanners here go over the text once, whatever it holds: it comes from anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_START: Final = re.compile(r"(?<![A-Za-z0-9])https?://", re.IGNORECASE)
_END: Final = re.compile(r"[\s<>\"`|\[\]{}\\^\u200b\u2060\ufeff]")
_TRAILING: Final = "?!.,:;*_~'\""
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{0,30}:", re.IGNORECASE)
_SAFE: Final = frozenset({"http:", "https:", "mailto:", "ftp:", "ftps:", "tel:", "sftp:", "ssh:", "irc:", "slack:"})
_LEAST: Final = len("http://x")


def bare_end(text: str, start: int) -> int:
    """Return where the bare address that begins at ``start`` ends, ``start`` where there is none.

    As in GFM's autolink extension: punctuation at the end, and closing brackets without their
    opening ones, belong to the sentence.
    """
    found = _END.search(text, start)
    end = found.start() if found else len(text)
    opened, closed = text.count("(", start, end), text.count(")", start, end)
    while end > start:
        last = text[end - 1]
        if last == ")" and closed > opened:
            closed -= 1
        elif last not in _TRAILING:
            break
        end -= 1
    scheme = text.find("://", start, end)
    return end if scheme > 0 and end > scheme + 3 and (text[scheme + 3].isalnum()) else start


def split(text: str) -> Iterator[tuple[str, bool]]:
    """Cut a text into (piece, is an address), in order and without losing a character."""
    done = 0
    for found in _START.finditer(text):
        if found.start() < done:
            continue
        end = bare_end(text, found.start())
        if end - found.start() < _LEAST:
            continue
        if found.start() > done:
            yield text[done : found.start()], False
        yield text[found.start() : end], True
        done = end
    if done < len(text):
        yield text[done:], False


def is_web(url: str) -> bool:
    """Tell an absolute web address."""
    return url[:8].lower().startswith(("http://", "https://"))


def is_bare(url: str) -> bool:
    """Tell an address that is recognised as one without any markup around it."""
    return is_web(url) and bare_end(url, 0) == len(url)


def has_scheme(url: str) -> bool:
    """Tell an address that begins with a scheme."""
    return _SCHEME.match(url) is not None


def safe(url: str) -> str:
    """Return an address fit for a link, "" for one that must not become clickable (``javascript:``).

    White space and angle brackets, which would end a link early in most formats, are encoded.
    """
    url = "".join(_ENCODED.get(letter, letter) for letter in url.strip() if letter >= " ")
    scheme = _SCHEME.match(url)
    if scheme and scheme[0].lower() not in _SAFE:
        return ""
    return url


_ENCODED: Final = {" ": "%20", "\t": "%09", "<": "%3C", ">": "%3E", "\u00a0": "%C2%A0", '"': "%22", "\\": "%5C"}
