"""Receive webhooks with the product's own receiver, but store nothing: what checking and reading alone cost."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import uvloop

from connector.event import Event
from connector.registry import SYSTEMS
from workers.doors import Door
from workers.listener import server
from workers.process import offline_process
from workers.receiver import create_app


class Nowhere:
    """An inbox that takes everything and keeps nothing."""

    async def accept(self, connection: str, events: Sequence[Event], /) -> None:
        """Say yes."""

    async def keep_unreadable(self, connection: str, body: bytes, headers: Mapping[str, str], why: str, /) -> None:
        """Say yes."""

    async def ready(self) -> bool:
        """Say yes."""
        return True


def application() -> Any:
    """Return the receiver with the doors of the configuration and nothing behind them."""
    process = offline_process()

    def door(name: str) -> Door | None:
        connection = process.source.current.connections.get(name)
        if connection is None:
            return None
        return Door(name, SYSTEMS[connection.system], connection.settings, process.reveal)

    return create_app(Nowhere(), door)


if __name__ == "__main__":
    uvloop.run(server(application(), port=int(sys.argv[1])).serve())
