"""Refuse JSON that means two things or costs too much, before any system parses it.

A body with two members of one name means one thing to whoever signed it and another to whoever parses it; a
hundred thousand nested lists overflow a stack; ``1e400`` is read as an infinity that no writer can write again.
All of that is well-formed enough for ``json.loads``.

Why ``json`` and not the faster ``orjson`` here: what passes must mean the same to ``json.loads``, which systems use;
orjson keeps the last of two equal names and turns a large integer into a float, both silently.  For a GitHub issue of
9 kB the whole check costs about 47 µs (``json.loads`` alone: 24 µs; measured 2026-11).  Regular expressions over the
whole body are avoided: two of them cost 170 µs.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

DEEPEST: Final = 64
MOST: Final = 500_000
"""Values a body may hold, counted by its brackets and commas; 25 MB of ordinary payload have fewer."""

_BOM: Final = b"\xef\xbb\xbf"
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
# A pair, half a pair, any other escape: in this order, so that an escaped backslash never starts a match.
_ESCAPE: Final = re.compile(
    rb"(?s)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)


class Malformed(Exception):
    """JSON that no honest sender writes; the sender is told why (400)."""


class NotJson(Exception):
    """Not JSON at all: kept as it is, for a person."""


def strict(body: bytes) -> bytes:
    """Return ``body`` fit to be parsed and stored; raises `Malformed` or `NotJson`.

    The byte order mark goes, and half a surrogate pair becomes U+FFFD: it is no character, and writing it as UTF-8
    would fail later, in a place that cannot answer the sender.
    """
    body = body.removeprefix(_BOM)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise NotJson(f"not UTF-8: {error.reason} at byte {error.start}") from error
    opened = body.count(b"{") + body.count(b"[")
    # A body of fewer bytes cannot hold more values: the common case counts nothing twice.
    if len(body) > MOST and (opened + body.count(b",") > MOST or body.count(b'"') > 4 * MOST):
        raise Malformed("too many values")
    if opened > DEEPEST and _too_deep(body):
        raise Malformed("nested too deeply")
    try:
        _STRICT.decode(text)
    except json.JSONDecodeError as error:
        raise NotJson(f"not JSON: {error.msg} at character {error.pos}") from error
    if b"\\u" in body and _SURROGATE.search(body):
        return _ESCAPE.sub(_whole_characters, body)
    return body


def _too_deep(body: bytes) -> bool:
    """Tell whether brackets nest too deeply, without recursion: take away innermost pairs, layer by layer."""
    brackets = _structure(body).translate(None, _NOT_BRACKETS)
    for _ in range(DEEPEST):
        inner = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(inner) == len(brackets):
            # Empty: shallow enough.  Not empty: brackets that match nothing, the parser will say so.
            return False
        brackets = inner
    return bool(brackets)


def _structure(body: bytes) -> bytes:
    """Return what stands outside strings."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(body.split(b'"')[::2])


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("two members of one name")
    return members


def _constant(name: str) -> Any:
    raise Malformed(f"{name} is not a JSON number")


def _integer(digits: str) -> int:
    # Twenty characters hold every 64-bit number; longer ones are not even converted (that takes quadratic time).
    number = int(digits) if len(digits) <= 20 else 2**64
    if not -(2**63) <= number < 2**64:
        raise Malformed("a number of more than 64 bits")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if number - number != 0.0:
        raise Malformed("a number of more than 64 bits")
    return number


_STRICT: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_constant=_constant, parse_int=_integer, parse_float=_float
)


def _whole_characters(found: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if found[2] else found[0]
