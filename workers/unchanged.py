"""Read again only what has changed: a connection's last answers are kept, and asked for with their ETag.

GitHub answers such a read with 304 where nothing is new, and that costs nothing of the hourly quota (its
documentation, *Best practices for using the REST API*).  Only single objects are kept: a full page of a list
stays the same when the next item comes after it, so its ETag would hide that there is another page.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Final

from connector.ports import Request, Response, Transport

MOST_BYTES: Final = 4 * 1024 * 1024
"""What is kept for one connection in one process, bodies alone; the longest unused goes first."""

LARGEST: Final = 128 * 1024
"""A longer body is not kept."""


@dataclass(slots=True)
class Unchanged:
    """Wraps ``send`` of one connection; safe to share between threads."""

    most: int = MOST_BYTES
    _kept: OrderedDict[Hashable, Response] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, request: Request, send: Transport, /) -> Response:
        """Send a request, a read with the ETag of its last answer; raises what ``send`` raises."""
        asked = _question(request)
        if asked is None:
            return send(request)
        with self._lock:
            known = self._kept.get(asked)
            if known is not None:
                self._kept.move_to_end(asked)
        if known is not None:
            request = replace(request, headers={**request.headers, "If-None-Match": known.headers["etag"]})
        response = send(request)
        if response.status == 304 and known is not None:
            return known
        self._keep(asked, response)
        return response

    def _keep(self, asked: Hashable, response: Response) -> None:
        worth = _is_object(response) and len(response.body) <= LARGEST
        with self._lock:
            old = self._kept.pop(asked, None)
            self._bytes -= len(old.body) if old is not None else 0
            if worth:
                self._kept[asked] = response
                self._bytes += len(response.body)
            while self._bytes > self.most:
                _, gone = self._kept.popitem(last=False)
                self._bytes -= len(gone.body)


def _question(request: Request) -> Hashable | None:
    """Name what a plain read asks for; None where it may not be made conditional, or the caller did so itself."""
    names = {name.casefold() for name in request.headers}
    if request.method != "GET" or request.content() is not None or "if-none-match" in names:
        return None
    query = frozenset((n, value if isinstance(value, str) else tuple(value)) for n, value in request.query.items())
    return request.path, query, frozenset(request.headers.items())


def _is_object(response: Response) -> bool:
    return response.status == 200 and bool(response.headers.get("etag")) and response.body.lstrip()[:1] == b"{"
