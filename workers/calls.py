"""Count what one piece of work asks of which connection, so that the price of an event is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from connector.errors import ConnectorError, Retryable
from connector.ports import Request, Response, Site
from workers.desk import Post


@dataclass(slots=True)
class Calls:
    """Opens sites as ``post`` does, and counts the calls made through them by connection.

    What counts is a request that left: one that our own limit kept back, or that found no connection, cost the
    target nothing.  A redirect that is followed and a token that is fetched belong to the call that needed it.
    """

    post: Post
    made: Counter[str] = field(default_factory=Counter)

    def __call__(self, connection: str, until: float, /) -> Site:
        """Return a site whose calls are counted."""
        site = self.post(connection, until)

        def send(request: Request, /) -> Response:
            try:
                response = site.send(request)
            except ConnectorError as error:
                if error.status is not None or (isinstance(error, Retryable) and error.sent):
                    self.made[connection] += 1
                raise
            self.made[connection] += 1
            return response

        return replace(site, send=send)
