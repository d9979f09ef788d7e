"""Show what each connector says, and try an event against it without writing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
import tornado.web
import yaml

from connector.config import Connector
from connector.errors import ConnectorError, Unreadable
from connector.event import Event
from connector.system import Inbound, Trust
from workers.desk import Desk
from workers.flower.face import Face
from workers.flower.show import readable, when
from workers.operating import acting
from workers.preview import Preview, find, preview
from workers.roles import Role
from workers.stores.versions import versions

LARGEST: Final = 512 * 1024
"""Bytes of a pasted event."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One event of what was tried: what it would write, or why nothing."""

    event: Event
    preview: Preview | None = None
    failure: str = ""


class Mappings(Face):
    """The list of connectors with what they connect."""

    tab = "mappings"

    async def get(self) -> None:
        """Show it."""
        self.render("mappings.html", connectors=self.connectors(), config=self.config)


class OneMapping(Face):
    """One connector as it is in force, its template merged in, with a trial."""

    tab = "mappings"

    async def get(self, name: str) -> None:
        """Show it."""
        await self._show(self.connector_named(name))

    async def post(self, name: str) -> None:
        """Try an item, read live, or a pasted event; nothing is written."""
        one = self.connector_named(name, Role.OPERATOR)
        what = self.word("what").strip()
        if not what or len(what) > LARGEST:
            raise tornado.web.HTTPError(
                400, "give an item (WEB-12, owner/repo#3, a URL) or a webhook's JSON, 512 kB at most"
            )
        try:
            trials, told = await self.ask(attempt, self.desk, one, what), ""
        except (ConnectorError, Unreadable, ValueError) as error:
            trials, told = [], f"{type(error).__name__}: {error}"
        await self.ask(acting.looked, self.desk, one, self.by, "try")
        await self._show(one, what=what, trials=trials, told=told)

    async def _show(self, one: Connector, *, what: str = "", trials: list[Trial] | None = None, told: str = "") -> None:
        document = await self.ask(self.parts.process.resolved, one.name)
        self.render(
            "mapping.html",
            one=one,
            config=self.config,
            document=yaml.safe_dump(document, sort_keys=False, allow_unicode=True),
            what=what,
            trials=trials,
            told=told,
            operator=self.person.may(Role.OPERATOR, one),
            text=readable,
            when=when,
            versions=await self.ask(versions, self.desk.deliveries(one)),
        )


def attempt(desk: Desk, connector: Connector, what: str) -> list[Trial]:
    """Try an item or a pasted event; raises what reading it raises."""
    config = desk.config()
    connection = config.connections[connector.source.connection]
    system = desk.systems[connection.system]
    if what.startswith("{"):
        document = orjson.loads(what)
        headers: Mapping[str, str] = system.implied(document) if system.implied is not None else {}
        got = system.receive(connection.name, connection.settings, Inbound(headers, what.encode()), Trust.HINT)
        # A pasted event may name an item that is gone, or somebody else's: it is believed as it is.
        events = [replace(event, partial=False) for event in got.events]
        if not events:
            raise Unreadable(got.ignored or "it holds no event")
    else:
        events = [find(desk, connector, what)]
    return [_tried(desk, connector, event) for event in events]


def _tried(desk: Desk, connector: Connector, event: Event) -> Trial:
    try:
        return Trial(event, preview(desk, connector, event, books=desk.deliveries(connector)))
    except ConnectorError as error:
        return Trial(event, failure=f"{type(error).__name__}: {error}")


ROUTES: list[Any] = [
    tornado.web.url(r"/mappings", Mappings, name="mappings"),
    tornado.web.url(r"/mappings/([^/]+)", OneMapping, name="mapping"),
]
