"""Show every write and every operator action; take them out as JSON lines or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson
import tornado.web

from connector.config import Connector
from workers.desk import Desk
from workers.flower.face import Face
from workers.operating import acting
from workers.roles import Role

PAGE: Final = 200
ROWS: Final = 20_000
"""Rows of a connector that the store keeps; everything older is in the audit file."""

COLUMNS: Final = (
    *("at", "connector", "actor", "from", "action", "entity", "target", "fields", "reason", "delivery"),
    *("config", "made_by"),
)


def rows(
    desk: Desk, connectors: Iterable[Connector], *, actor: str = "", action: str = "", text: str = ""
) -> list[dict[str, Any]]:
    """Return the audit's tail of connectors, newest first, narrowed."""
    found = [{"connector": one.name, **row} for one in connectors for row in desk.deliveries(one).audit(most=ROWS)]
    chosen = [
        row
        for row in found
        if actor.casefold() in str(row.get("actor", "")).casefold()
        and action in {"", row.get("action")}
        and text.casefold() in " ".join(cell(row, name) for name in COLUMNS).casefold()
    ]
    return sorted(chosen, key=lambda row: str(row.get("at", "")), reverse=True)


def cell(row: Mapping[str, Any], name: str) -> str:
    """Return a member of a row as text."""
    value = row.get(name, "")
    if name == "target" and not value:
        value = row.get("what") or row.get("deliveries", "")
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


class Audit(Face):
    """The list, and its export."""

    tab = "audit"

    async def get(self) -> None:
        """Show it, or hand it out (admins only; that they did is a row of its own)."""
        form = self.word("export")
        name = self.word("connector")
        chosen = [one for one in self.connectors(Role.ADMIN if form else Role.VIEWER) if name in {"", one.name}]
        if form and not chosen:
            raise tornado.web.HTTPError(403, f"{self.person.name} may not export the audit")
        criteria = {one: self.word(one).strip() for one in ("actor", "action", "text")}
        found = await self.ask(rows, self.desk, chosen, **criteria)
        if form:
            for one in chosen:
                await self.ask(acting.looked, self.desk, one, self.by, "export", rows=len(found))
            self._export(form, found)
            return
        self.render("audit.html", rows=found[:PAGE], total=len(found), name=name, connectors=self.connectors(),
                    criteria=criteria, cell=cell, exports=bool(self.connectors(Role.ADMIN)),
                    actions=sorted({str(row.get("action", "")) for row in found}))  # fmt: skip

    def _export(self, form: str, found: list[dict[str, Any]]) -> None:
        match form:
            case "jsonl":
                self.set_header("Content-Type", "application/x-ndjson; charset=utf-8")
                body = b"".join(orjson.dumps(row) + b"\n" for row in found)
            case "csv":
                self.set_header("Content-Type", "text/csv; charset=utf-8")
                text = io.StringIO()
                table = csv.writer(text)
                table.writerow(COLUMNS)
                table.writerows([harmless(cell(row, name)) for name in COLUMNS] for row in found)
                body = text.getvalue().encode()
            case other:
                raise tornado.web.HTTPError(400, f"there is no export as {other!r}: jsonl or csv")
        self.set_header("Content-Disposition", f'attachment; filename="audit.{form}"')
        self.finish(body)


def harmless(text: str) -> str:
    """Keep a spreadsheet from taking a text for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


ROUTES = [tornado.web.url(r"/audit", Audit, name="audit")]
