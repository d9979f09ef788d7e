"""Make the parts of one process from its environment: settings, servers, configuration, secrets."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from connector.config import Config, Connector
from connector.ports import Reveal
from workers import sentry
from workers.configuration import Source
from workers.doorbell import Doorbell
from workers.embedded import running
from workers.env_file import filled
from workers.files import Folder, Secrets
from workers.following import Serving
from workers.logs import revealing
from workers.publishing import Followed, followed
from workers.settings import ConfigSource, Settings
from workers.stores.scripts import StoreError
from workers.tools import tools
from workers.wiring import Wiring

log = logging.getLogger("connector.process")


class NoServers(Exception):
    """No broker or store is configured, and none is running in this folder."""


@dataclass(slots=True)
class Process:
    """What every process of the product has; tasks and commands share it."""

    settings: Settings
    broker_url: str
    store_url: str
    source: Source
    reveal: Reveal
    forget: Callable[[], None] = lambda: None
    doorbell: Doorbell | None = None
    followed: Followed | None = None
    """What is published, where this process follows that; None where it follows files."""
    serving: Serving = field(default_factory=Serving)
    """What it delivers for, where it is a worker."""
    _wiring: Wiring | None = field(default=None)

    @property
    def attached(self) -> bool:
        """Whether the parts have been made."""
        return self._wiring is not None

    @property
    def wiring(self) -> Wiring:
        """The parts; `attach` must have been called."""
        if self._wiring is None:
            message = "this process has no doorbell yet"
            raise RuntimeError(message)
        return self._wiring

    def attach(
        self,
        doorbell: Doorbell | None,
        *,
        stopping: Callable[[], bool] = bool,
        buried: Callable[[Connector, str, Mapping[str, str]], None] = lambda *_: None,
        held: Callable[[Connector, str, Mapping[str, str]], None] = lambda *_: None,
    ) -> Wiring:
        """Give the process a way to ring (None: it only looks), and make its parts."""
        self.doorbell = doorbell
        self._wiring = Wiring(
            settings=self.settings,
            store_url=self.store_url,
            source=self.source,
            reveal=self.reveal,
            ring=doorbell.ring if doorbell is not None else lambda *_: None,
            tools=tools(),
            forget=self.forget,
            buried=buried,
            held=held,
            stopping=stopping,
        )
        return self._wiring

    def resolved(self, connector: str) -> dict[str, Any]:
        """Return what a connector says with its template merged in, as it is in force; raises `ConfigError`."""
        if self.followed is None:
            return _folder(self.settings).resolved(connector)
        return self.followed.resolved(connector)

    def serve_as(self, role: str) -> None:
        """Say what this process is (``work``, ``receive``...), so that people see who follows which version."""
        if self.followed is not None:
            self.followed.serve_as(role, self.source.current)

    def close(self) -> None:
        """Publish what is still to be rung, and hand over what was used since the last time."""
        if self.attached and self.wiring.store_answered():
            try:
                self.wiring.flush_calls()
            except StoreError as error:
                log.warning("what was used last is not counted: %s", error)
        if self.doorbell is not None:
            self.doorbell.close()
        if self.followed is not None:
            self.followed.leave()


def servers(settings: Settings) -> tuple[str, str]:
    """Return the URLs of broker and store: the given ones, or the embedded ones that run in this folder.

    Raises `NoServers`.
    """
    broker = settings.broker_url.reveal() if settings.broker_url else ""
    store = settings.store_url.reveal() if settings.store_url else ""
    if broker and store:
        return broker, store
    if found := running(settings.home):
        return broker or found.broker_url, store or found.store_url
    message = (
        f"BROKER_URL and STORE_URL are not set and no embedded servers run in {settings.home.resolve()}; "
        "start them with 'connector up' in that folder, or set both"
    )
    raise NoServers(message)


@cache
def this_process() -> Process:
    """Return this process's parts, made once; raises `ConfigError` and `NoServers`."""
    settings = Settings.from_environment(filled(os.environ))
    broker, store = servers(settings)
    sentry.start(settings.sentry_dsn.reveal() if settings.sentry_dsn else "")
    return _process(settings, broker, store)


@cache
def offline_process() -> Process:
    """Return the parts of a process that only looks: configuration and connections, no broker and no store."""
    return _process(Settings.from_environment(filled(os.environ)), "", "")


def looking(settings: Settings, config: Config) -> Process:
    """Return the parts of a process that works with ``config`` and rings nobody; raises `NoServers`."""
    broker, store = servers(settings)
    secrets = Secrets(os.environ, refill=lambda: filled(os.environ))
    made = Process(
        settings=settings,
        broker_url=broker,
        store_url=store,
        source=Source(lambda: config, int),
        reveal=revealing(secrets),
        forget=secrets.forget,
    )
    made.attach(None)
    return made


def check(settings: Settings) -> None:
    """Raise `ConfigError` where the files that processes are to follow would be refused."""
    if settings.config_source is ConfigSource.FOLDER:
        _folder(settings).read()


def _process(settings: Settings, broker: str, store: str) -> Process:
    folder, secrets = _folder(settings), Secrets(os.environ, refill=lambda: filled(os.environ))
    # Who runs no servers only looks, and can but look at files.
    seen = followed(store) if store and settings.config_source is ConfigSource.STORE else None
    return Process(
        settings=settings,
        broker_url=broker,
        store_url=store,
        source=seen.source() if seen is not None else Source(folder.read, folder.stamp),
        reveal=revealing(secrets),
        forget=secrets.forget,
        followed=seen,
    )


def _folder(settings: Settings) -> Folder:
    return Folder(settings.home / settings.config)
