"""Run the receiver as a process: doors from the configuration, the store behind them."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY

from workers.inbox import Hall
from workers.listener import server
from workers.receiver import Door, Limits, create_app
from workers.stores.client import open_async_store

if TYPE_CHECKING:
    from workers.process import Process


def serve(process: Process, host: str, port: int) -> None:
    """Receive until told to stop; the configuration is followed meanwhile."""
    asyncio.run(_serve(process, host, port))


async def _serve(process: Process, host: str, port: int) -> None:
    hall = Hall(process.wiring.inbox(), open_async_store(process.store_url))

    def door(name: str) -> Door | None:
        connection = process.source.current.connections.get(name)
        if connection is None or getattr(connection.settings, "webhook", None) is None:
            return None
        return Door(name, process.wiring.systems[connection.system], connection.settings, process.reveal)

    app = create_app(hall, door, limits=Limits(proxies=process.settings.receiver_proxies), registry=REGISTRY)
    over = threading.Event()
    follower = threading.Thread(target=_follow, args=(process, over), name="follow", daemon=True)
    follower.start()
    try:
        await server(app, host=host, port=port).serve()
    finally:
        over.set()
        await hall.close()
        process.close()


def _follow(process: Process, over: threading.Event) -> None:
    while not over.wait(1.0):
        process.source.follow()
