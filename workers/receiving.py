"""Run the receiver as a process: doors from the configuration, the store behind them."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import uvloop
from prometheus_client import REGISTRY

from workers.arrivals import Arrivals
from workers.doors import Door
from workers.hall import Hall
from workers.inbox import Unavailable
from workers.listener import server
from workers.publishing import NOTHING
from workers.receiver import Limits, create_app
from workers.stores.client import open_async_store
from workers.stores.durability import FULL, used
from workers.stores.scripts import StoreError
from workers.stores.webhooks import Sighting, Webhooks

if TYPE_CHECKING:
    from workers.process import Process

log = logging.getLogger("connector.receiving")


def serve(process: Process, host: str, port: int) -> None:
    """Receive until told to stop; the configuration is followed meanwhile."""
    uvloop.run(_serve(process, host, port))


async def _serve(process: Process, host: str, port: int) -> None:
    watch = _Watch(process)
    hall = Hall(process.wiring.inbox(), open_async_store(process.store_url), full=lambda: watch.full)

    def door(name: str) -> Door | None:
        if process.source.current is NOTHING:
            raise Unavailable("no configuration is published yet")
        connection = process.source.current.connections.get(name)
        if connection is None or getattr(connection.settings, "webhook", None) is None:
            return None
        return Door(name, process.wiring.systems[connection.system], connection.settings, process.reveal)

    app = create_app(hall, door, limits=Limits(proxies=process.settings.receiver_proxies), registry=REGISTRY)
    process.serve_as("receive")
    watch.arrivals = app.arrivals
    watch.start()
    try:
        await server(app, host=host, port=port).serve()
    finally:
        watch.over.set()
        process.wiring.epoch.keep()
        await hall.close()
        process.close()


class _Watch(threading.Thread):
    """Once a second: take up a changed configuration, enter new connectors, see whether the store fills up.

    And write down which webhooks arrived last.
    """

    def __init__(self, process: Process) -> None:
        super().__init__(name="watch", daemon=True)
        self.over = threading.Event()
        self.full = False
        self.arrivals = Arrivals()
        self._process = process

    def run(self) -> None:
        """Watch until told to stop."""
        while True:
            self._process.source.follow()
            try:
                self._process.wiring.enter()
                self._process.wiring.epoch.keep()
                self.full = used(self._process.wiring.store) > FULL
                for one in self.arrivals.taken():
                    sighting = Sighting(int(one.at.timestamp() * 1000), one.what)
                    Webhooks(self._process.wiring.store).arrived(one.connection, sighting, proven=one.proven)
            except StoreError:
                pass  # accepting finds out by itself, and says 503
            if self.over.wait(1.0):
                return
