"""Post a sandbox's webhooks to one subscriber, in order, repeated as the vendor would."""

from __future__ import annotations

import heapq
import http.client
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from connector.sandbox import Hook

_TIMEOUT_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 2.0
"""A connection idle for longer is opened anew: servers close idle ones after five seconds or so."""
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Post:
    """One attempt to deliver a webhook: ``status`` 0 where no answer came, ``problem`` why."""

    name: str
    url: str
    attempt: int
    status: int
    problem: str = ""


class Subscriber:
    """A URL that gets webhooks, and the thread that posts them.

    One at a time and in order, which is kinder than vendors are; a repeat waits aside and holds up
    nothing.  ``posts`` remembers the last ten thousand attempts.
    """

    def __init__(self, url: str, now: Callable[[], datetime], hurry: float = 1.0) -> None:
        self.url = url
        self.posts: deque[Post] = deque(maxlen=_REMEMBERED)
        self._now = now
        self._hurry = hurry
        self._waiting: list[tuple[float, int, Hook, int, str]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0
        self._thread = threading.Thread(target=self._run, name=f"hooks to {url}", daemon=True)
        self._thread.start()

    def take(self, hook: Hook) -> None:
        """Queue a webhook for now."""
        self._put(0.0, hook, 0, "")

    def stop(self) -> None:
        """End the thread; what still waits is dropped."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(_TIMEOUT_SECONDS + 1)

    def _put(self, wait: float, hook: Hook, attempt: int, why: str) -> None:
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + wait, next(self._order), hook, attempt, why))
            self._changed.notify()

    def _next(self) -> tuple[Hook, int, str] | None:
        with self._changed:
            while not self._stopped:
                wait = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if wait is not None and wait <= 0:
                    _, _, hook, attempt, why = heapq.heappop(self._waiting)
                    return hook, attempt, why
                self._changed.wait(wait)
        return None

    def _run(self) -> None:
        while (due := self._next()) is not None:
            hook, attempt, why = due
            status, problem = self._post(hook, attempt, why)
            self.posts.append(Post(hook.name, self.url, attempt, status, problem))
            if hook.told is not None:
                hook.told(self._now(), status)
            if (problem or status in hook.retry_on) and attempt < len(hook.retries):
                wait = hook.retries[attempt].total_seconds() * self._hurry
                self._put(wait, hook, attempt + 1, problem or "status")
        if self._connection is not None:
            self._connection.close()

    def _post(self, hook: Hook, attempt: int, why: str) -> tuple[int, str]:
        headers = dict(hook.headers)
        if attempt:
            headers |= hook.headers_on_retry
            if hook.again is not None:
                headers |= hook.again(self._now(), attempt, why)
        fresh = self._connect()
        try:
            return self._send(hook.body, headers), ""
        except TimeoutError:
            self._drop()
            return 0, "timeout"
        except (OSError, http.client.HTTPException):
            self._drop()
            if fresh:
                return 0, "connection"
        # The kept connection had been closed by the other side; that is nobody's failure.
        self._connect()
        try:
            return self._send(hook.body, headers), ""
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            return 0, "timeout" if isinstance(error, TimeoutError) else "connection"

    def _connect(self) -> bool:
        if self._connection is not None and time.monotonic() - self._used > _IDLE_SECONDS:
            self._drop()
        if self._connection is not None:
            return False
        parts = urlsplit(self.url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_TIMEOUT_SECONDS)
        return True

    def _send(self, body: bytes, headers: dict[str, str]) -> int:
        connection = self._connection
        if connection is None:
            raise ConnectionError("not connected")
        parts = urlsplit(self.url)
        connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        answer = connection.getresponse()
        answer.read()
        self._used = time.monotonic()
        if answer.will_close:
            self._drop()
        return answer.status

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
