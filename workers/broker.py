"""Read doorbells from the broker so that no message can stop a worker.

A message that Celery can read but not run (a task of another name, arguments that don't fit, a strange content type) it
refuses by itself.  One that kombu cannot even take apart raises out of the event loop instead, and ends the
consumer (seen with kombu 5.7.0: ``_brpop_read`` decodes what it has taken off the list with nothing around
it).  It is off the list by then, so it is dropped here and said loudly: a doorbell that is lost costs nothing.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from kombu import transport
from kombu.transport import redis

log = logging.getLogger("connector.broker")

_UNREADABLE: Final = (ValueError, TypeError, KeyError, AttributeError, IndexError)
"""What taking apart anything but a message of Celery raises; lost connections are other errors."""


class Channel(redis.Channel):
    """A channel that drops what it cannot read."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # the stubs know no private names
        except _UNREADABLE:
            log.exception("a message that cannot be read is dropped")
            return True


class Transport(redis.Transport):
    """kombu's transport over Redis, with such channels."""

    Channel = Channel


def use() -> None:
    """Let every connection to a broker of this process be such a one."""
    for scheme in ("redis", "rediss"):
        transport.TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
