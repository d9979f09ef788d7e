"""Show every connector: what it does, what waits, why it does not go on; pause it, resume it, poll it now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tornado.web

from connector.config import Connector, Mode
from connector.documents import written
from workers.desk import Desk
from workers.flower.face import Face
from workers.flower.show import STEP, ago, bars, span, when
from workers.operating import acting
from workers.operating.budget import budgets
from workers.operating.fidelity import VERDICTS, fidelity, refusals, summary
from workers.operating.held import what_opens
from workers.operating.pace import MINUTES, Speed, speed
from workers.operating.standing import Standing, all_standings
from workers.roles import Role


@dataclass(frozen=True, slots=True)
class Row:
    """A connector as the list shows it."""

    connector: Connector
    standing: Standing
    speed: Speed


def look(desk: Desk, connectors: list[Connector]) -> list[Row]:
    """Look at connectors."""
    known = {one.connector: one for one in all_standings(desk, desk.config())}
    return [Row(one, known[one.name], speed(desk, one)) for one in connectors if one.name in known]


SHOWN: dict[str, Any] = {
    "ago": ago,
    "when": when,
    "span": span,
    "bars": bars,
    "what_opens": what_opens,
    "written": written,
    "width": STEP * MINUTES,
    "verdicts": (*VERDICTS, "lost"),
    "summary": summary,
    "refusals": refusals,
}
"""What templates show times and series with."""


class Connectors(Face):
    """The list."""

    tab = "connectors"

    async def get(self) -> None:
        """Show it."""
        rows = await self.ask(look, self.desk, self.connectors())
        self.render(
            "connectors.html",
            rows=rows,
            now=self.desk.now_ms(),
            may=lambda one: self.person.may(Role.OPERATOR, one),
            **SHOWN,
        )


class OneConnector(Face):
    """One connector: everything about it, and what can be done."""

    tab = "connectors"

    async def get(self, name: str) -> None:
        """Show it."""
        (row,) = await self.ask(look, self.desk, [self.connector_named(name)])
        left = await self.ask(budgets, self.desk, self.config, row.standing.connections)
        seen = await self.ask(fidelity, self.desk, row.connector) if row.connector.mode is Mode.SHADOW else None
        troubled = await self.ask(self.desk.deliveries(row.connector).troubled, most=5)
        self.render(
            "connector.html",
            row=row,
            left=left,
            seen=seen,
            troubled=troubled,
            now=self.desk.now_ms(),
            operator=self.person.may(Role.OPERATOR, row.connector),
            **SHOWN,
        )

    async def post(self, name: str) -> None:
        """Do what a button says."""
        one = self.connector_named(name, Role.OPERATOR)
        match self.word("do"):
            case "pause":
                await self.ask(acting.pause, self.desk, one, self.by, self.word("why").strip())
                self.say(f"{name} is paused; events are still taken in, and wait.")
            case "resume" if (stop := await self.ask(self.desk.stops, one)) is not None:
                self.say(f"{name} is {stop.words}; connector start {stop.option} goes on.")
            case "resume":
                ready = await self.ask(acting.resume, self.desk, one, self.by, gate=self.word("gate"))
                self.say(f"{name} goes on; {ready} held subjects are ready again.")
            case "poll":
                await self.ask(self.parts.poll, one)
                acting.looked(self.desk, one, self.by, "poll")
                self.say(f"{name} polls its source now.")
            case "test":
                found = await self.ask(acting.credentials, self.desk, one, self.by)
                self.say("; ".join(f"{connection}: {told}" for connection, _, told in found))
            case "examine":
                last = await self.ask(acting.examine, self.desk, one, self.by)
                told = f"{len(last.problems)} problems" if last.problems else "it fits its target"
                self.say(f"{name} could not be examined: {last.failed}" if last.failed else f"{name}: {told}.")
            case other:
                raise tornado.web.HTTPError(400, f"there is no action {other!r}")
        self.redirect(self.reverse_url("connector", name), status=303)


ROUTES = [
    tornado.web.url(r"/connectors", Connectors, name="connectors"),
    tornado.web.url(r"/connectors/([^/]+)", OneConnector, name="connector"),
]
