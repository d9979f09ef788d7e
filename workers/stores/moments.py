"""Let each moment that a poll is due at be served once, by whichever process is first."""

from __future__ import annotations

from workers.stores.deliveries import Deliveries


def claim(books: Deliveries, moment: int, *, now: int, late: int) -> bool:
    """Win the last moment of a poll's cron (``moment`` and ``now`` in ms); nobody else does.

    One that nobody served (no worker ran) is won late.  Only where none has ever been served it must not be older than
    ``late`` ms: a connector that starts at noon is not polled for its six o'clock.
    """
    before: bytes | None = books.client.set(books.tag + "moment", moment, get=True)
    if before is None:
        return now - moment <= late
    return int(before) < moment
