"""Read the body of an answer and unpack it, never beyond a cap."""

from __future__ import annotations

import zlib
from typing import Final

from urllib3 import HTTPResponse

LARGEST: Final = 20 * 1024 * 1024
"""Bytes an answer may have, decompressed."""


def read(raw: HTTPResponse) -> bytes:
    """Return the body as it came, a byte over the cap at most."""
    pieces: list[bytes] = []
    left = LARGEST + 1
    # One read more than there are pieces: only a read that finds nothing notices a body cut short.
    while left and (piece := raw.read(left, decode_content=False)):
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def unpacked(body: bytes, encoding: str) -> bytes:
    """Return the body of an answer, within the cap.

    Not left to urllib3: its bounds on decompression were bypassed more than once (CVE-2025-66471, CVE-2026-44432),
    and it accepts encodings that nobody asked for.
    """
    packed = encoding.strip().lower() not in {"", "identity"} and body
    if not packed:
        whole = body
    elif encoding.strip().lower() not in {"gzip", "x-gzip"}:
        raise zlib.error("an encoding that was not asked for")
    else:
        whole = b""
        while packed and len(whole) <= LARGEST:
            # One member after another, as gzip allows.
            unpacker = zlib.decompressobj(31)
            whole += unpacker.decompress(packed, LARGEST + 1 - len(whole))
            if not unpacker.eof and len(whole) <= LARGEST:
                raise zlib.error("it ends too early")
            packed = unpacker.unused_data
    if len(whole) > LARGEST:
        raise TooLarge
    return whole


class TooLarge(OSError):
    """The body is larger than the cap."""

    def __str__(self) -> str:
        return f"the answer is larger than {LARGEST} bytes"
