"""Serve one sandbox over loopback HTTP, for the vendors' own client libraries; listen for its webhooks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from connector.sandbox import Sandbox
from workers.sandbox import Served, wall_clock

S = TypeVar("S", bound=Sandbox)


@contextmanager
def serve(sandbox: Sandbox, now: Callable[[], datetime] = wall_clock) -> Iterator[str]:
    """Give the base URL (``http://127.0.0.1:PORT``) of a sandbox; its paths start at the root."""
    with Served({"": sandbox}, now=now) as served:
        yield served.url()


@contextmanager
def serve_built(build: Callable[[str], S], now: Callable[[], datetime] = wall_clock) -> Iterator[tuple[str, S]]:
    """Build a sandbox that knows its own URL (for libraries that follow absolute links) and serve it."""
    with Served(now=now) as served:
        sandbox = build(served.url())
        served.add("", sandbox)
        yield served.url(), sandbox


class Listener:
    """A subscriber that answers with the given statuses, then 200, and tells when it has got enough."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.changed = threading.Condition()

    def wait(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.got) >= count, timeout=10), f"only {len(self.got)} arrived"
        return self.got


@contextmanager
def listening(*statuses: int) -> Iterator[tuple[str, Listener]]:
    listener = Listener(*statuses)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = listener.statuses.pop(0) if listener.statuses else 200
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()
            with listener.changed:
                listener.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                listener.changed.notify_all()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/in?x=1", listener
    finally:
        server.shutdown()
        server.server_close()
