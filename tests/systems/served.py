"""Serve one sandbox over loopback HTTP, for the vendors' own client libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

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
