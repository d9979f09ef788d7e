"""Count what one piece of work asks of which connection, and ask nothing twice within one attempt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from connector.errors import ConnectorError, Retryable
from connector.ports import Request, Response, Site
from workers.desk import Post


@dataclass(slots=True)
class Calls:
    """Opens sites as ``post`` does; counts the calls made through them, and remembers their reads for an attempt.

    A read is answered from what the same attempt has read before, until it writes to that connection: so an
    attempt judges by one picture of each item, and pays for it once.

    What counts is a request that left: one that our own limit kept back, or that found no connection, cost the
    target nothing.  A redirect that is followed and a token that is fetched belong to the call that needed it.
    """

    post: Post
    made: Counter[str] = field(default_factory=Counter)
    """Calls so far, by connection."""
    _read: dict[str, dict[Hashable, Response]] = field(default_factory=dict)

    def begin(self) -> None:
        """Begin an attempt: everything is read anew."""
        self._read.clear()

    def __call__(self, connection: str, until: float, /) -> Site:
        """Return a site whose calls are counted."""
        site = self.post(connection, until)

        def send(request: Request, /) -> Response:
            read = self._read.setdefault(connection, {})
            if request.writes:
                read.clear()
            asked = _question(request)
            if asked is not None and asked in read:
                return read[asked]
            try:
                response = site.send(request)
            except ConnectorError as error:
                if error.status is not None or (isinstance(error, Retryable) and error.sent):
                    self.made[connection] += 1
                raise
            self.made[connection] += 1
            if asked is not None:
                read[asked] = response
            return response

        return replace(site, send=send)


def _question(request: Request) -> Hashable | None:
    """Return what two requests have in common that ask the same; None for one that is no plain read."""
    if request.method != "GET" or request.content() is not None:
        return None
    query = tuple((name, value if isinstance(value, str) else tuple(value)) for name, value in request.query.items())
    return request.path, frozenset(query), frozenset(request.headers.items())
