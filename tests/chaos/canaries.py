"""Plant a word of chance in every credential, and look afterwards wherever none of them may be found."""

from __future__ import annotations

import base64
import contextlib
import gzip
import secrets
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import zstandard
from redis import Redis
from redis.exceptions import RedisError

AWKWARD: Final = "+/="
"""Stands in every credential: what URL-encoding and JSON change."""

_FRAME: Final = b"\x28\xb5\x2f\xfd"
"""How what zstd has packed begins."""


@dataclass(slots=True)
class Canaries:
    """Credentials by name; each holds a word that is nowhere else in the world."""

    planted: dict[str, str] = field(default_factory=dict)
    _shapes: dict[bytes, str] = field(default_factory=dict)

    def plant(self, name: str, *, prefix: str = "", awkward: str = AWKWARD) -> str:
        """Make the credential of this name."""
        word = secrets.token_hex(12)
        value = f"{prefix}{word}{awkward}{secrets.token_hex(2)}"
        self.planted[name] = value
        self._shapes |= dict.fromkeys(_shapes(word, value), name)
        return value

    def found_in(self, what: bytes, *, but: Iterable[str] = ()) -> list[str]:
        """Return the names of the credentials that stand in ``what``, plain, URL-encoded or in base64."""
        names = {name for text in _opened(what) for shape, name in self._shapes.items() if shape in text}
        return sorted(names - set(but))


def _shapes(word: str, value: str) -> Iterator[bytes]:
    yield word.encode()
    yield value.encode()
    yield quote(value, safe="").encode()
    for lead in range(3):
        # In base64 a word looks different at each of three offsets; its edges depend on its neighbours.
        encoded = base64.b64encode(b"\0" * lead + word.encode())
        yield encoded[4 if lead else 0 : (len(word) + lead) // 3 * 4]


def _opened(what: bytes) -> Iterator[bytes]:
    """Return ``what``, and whatever is packed somewhere inside it: bodies in a store, a store in its file."""
    yield what
    at = what.find(_FRAME)
    while at >= 0:
        with contextlib.suppress(zstandard.ZstdError):  # it only looks like the beginning of one
            yield zstandard.ZstdDecompressor().decompressobj().decompress(what[at:])
        at = what.find(_FRAME, at + 1)


# --- where to look -----------------------------------------------------------------------------------------
def in_files(canaries: Canaries, folder: Path) -> Iterator[str]:
    """Look into every file: logs, the audit, the append-only files (and so into every command that wrote)."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            for name in canaries.found_in(path.read_bytes()):
                yield f"{name} in {path.relative_to(folder)}"


def in_server(canaries: Canaries, client: Redis) -> Iterator[str]:
    """Look into every key and value of a store or broker; bodies are unpacked first."""
    asked: Any = client
    for key in asked.scan_iter(count=1000):
        for text in (key, *_values(asked, key)):
            for name in canaries.found_in(text):
                yield f"{name} in {key.decode('utf-8', 'replace')}"


def _values(client: Any, key: bytes) -> Iterator[bytes]:
    match client.type(key):
        case b"string":
            yield client.get(key) or b""
        case b"hash":
            for pair in client.hgetall(key).items():
                yield from pair
        case b"list":
            yield from client.lrange(key, 0, -1)
        case b"set":
            yield from client.smembers(key)
        case b"zset":
            yield from client.zrange(key, 0, -1)
        case b"stream":
            for _, fields in client.xrange(key):
                for pair in fields.items():
                    yield from pair
        case b"none":
            return  # it has expired since
        case kind:
            raise AssertionError(f"{key!r} is a {kind!r}, which nobody looks into")


class Eavesdropper:
    """Hears everything that is published on a broker (Celery's events among it) and keeps it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.heard: list[bytes] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="eavesdropper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(5)

    def _listen(self) -> None:
        while not self._over.wait(0.1):
            try:
                with Redis.from_url(self._url, socket_timeout=2) as client, client.pubsub() as channel:
                    channel.psubscribe("*")
                    while not self._over.is_set():
                        message = channel.get_message(timeout=0.5)
                        if message and message["type"] == "pmessage":
                            self.heard += [bytes(message["channel"]), bytes(message["data"])]
            except (OSError, RedisError):  # the broker is being restarted
                continue


class Sink:
    """A Sentry that keeps what it is sent: ``dsn`` is where; ``envelopes`` are unpacked."""

    def __init__(self, key: str) -> None:
        self.envelopes: list[bytes] = []
        sink = self

        class Takes(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                packed = self.headers.get("content-encoding", "")
                sink.envelopes.append(gzip.decompress(body) if packed == "gzip" else _inflated(body, packed))
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sentry", daemon=True)
        self.dsn = f"http://{key}@127.0.0.1:{self._server.server_port}/1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


def _inflated(body: bytes, packed: str) -> bytes:
    if packed == "deflate":
        return zlib.decompress(body)
    if packed:
        raise AssertionError(f"an envelope packed as {packed}, which nobody looks into")
    return body


def in_pieces(canaries: Canaries, where: Mapping[str, Iterable[bytes]], *, but: Iterable[str] = ()) -> Iterator[str]:
    """Look into texts, by the name of where they were seen."""
    for place, texts in where.items():
        for text in texts:
            for name in canaries.found_in(text, but=but):
                yield f"{name} in {place}"
