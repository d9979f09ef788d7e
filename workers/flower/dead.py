"""Show dead letters by cause, open one, try what a replay would do, replay or discard."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import tornado.web

from connector.config import Config, Connector
from connector.errors import ConnectorError
from workers.desk import Desk
from workers.flower.face import Face
from workers.flower.show import ago, readable, when
from workers.operating import acting
from workers.operating.care import Care, Stage, care_of, report, take, told
from workers.operating.forecast import Forecast, forecast
from workers.operating.letters import Dead, Filter, Group, Opened, find, grouped, opened
from workers.preview import Preview, preview
from workers.roles import Role
from workers.stores.orders import LARGEST
from workers.stores.records import UnknownFormat, unpack_event

PAGE: Final = 100
"""Letters on a page."""

RATE: Final = 20.0
"""Letters a second that a replay is offered at."""

CRITERIA: Final = ("connector", "system", "entity", "error", "cause", "group", "text")


def filter_of(face: Face) -> Filter:
    """Read the criteria of a list or an action."""
    words = {name: face.word(name) for name in CRITERIA}
    return Filter(**words, since=_moment(face, "since"), until=_moment(face, "until"))


def _moment(face: Face, name: str) -> int:
    text = face.word(name).strip()
    if not text:
        return 0
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise tornado.web.HTTPError(400, f"{name} must be a date like 2026-11-01T09:00") from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def all_care(desk: Desk, connectors: Iterable[Connector]) -> dict[str, Care]:
    """Return the care of the groups of connectors; the name of a group tells its connector apart."""
    return {name: care for one in connectors for name, care in care_of(desk.deliveries(one)).items()}


def held(desk: Desk, connectors: Iterable[Connector]) -> list[tuple[Connector, str, Mapping[str, Any]]]:
    """Return the gates that deliveries wait behind instead of dying of the same cause."""
    return [
        (one, gate, shut)
        for one in connectors
        for gate, shut in desk.deliveries(one).gates().items()
        if shut.get("about") or gate == "format"
    ]


class DeadLetters(Face):
    """The list, grouped by cause."""

    tab = "dead"

    async def get(self) -> None:
        """Show it."""
        wanted = filter_of(self)
        page = int(self.number("page", 1, least=1, most=100_000))
        found = await self.ask(find, self.desk, self.config, wanted, self.connectors())
        groups = grouped(found)
        cares = await self.ask(all_care, self.desk, self.connectors())
        self.render(
            "dead.html",
            wanted=wanted,
            query={name: self.word(name) for name in (*CRITERIA, "since", "until") if self.word(name)},
            groups=groups,
            care={one.name: told(cares, one) for one in groups},
            held=await self.ask(held, self.desk, self.connectors()),
            stages=list(Stage),
            admin=self.person.may(Role.ADMIN),
            letters=found[(page - 1) * PAGE : page * PAGE],
            total=len(found),
            page=page,
            last=max(1, -(-len(found) // PAGE)),
            connectors=self.connectors(),
            systems=sorted({one.system for one in self.config.connections.values()}),
            operator=any(self.person.may(Role.OPERATOR, one) for one in self.connectors()),
            now=self.desk.now_ms(),
            ago=ago,
            when=when,
        )


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of one opened letter: its event, and what it would write now, or why it would not."""

    opened: Opened
    event: Mapping[str, Any] | None
    preview: Preview | None
    failure: str
    url: str = ""
    """Where a person sees the item in its source."""


def see(desk: Desk, config: Config, connector: Connector, delivery: str, *, body: bool) -> Sight | None:
    """Open a letter and try its mapping against the target as it is now; ``body`` shows the event's values."""
    found = opened(desk, config, connector, delivery)
    if found is None:
        return None
    try:
        event = unpack_event(found.letter.body)
    except UnknownFormat as error:
        return Sight(found, None, None, str(error))
    shown = {"kind": event.kind.value, "at": event.at.isoformat(), "data": event.data, "change": event.change}
    try:
        would = preview(desk, connector, event, books=desk.deliveries(connector)) if body else None
    except ConnectorError as error:
        return Sight(found, shown if body else None, None, f"{type(error).__name__}: {error}", event.entity.url)
    return Sight(found, shown if body else None, would, "", event.entity.url)


class DeadLetter(Face):
    """One letter."""

    tab = "dead"

    async def get(self, name: str, delivery: str) -> None:
        """Show it; what it says is shown to operators, and that they looked is written down."""
        one = self.connector_named(name)
        operator = self.person.may(Role.OPERATOR, one)
        sight = await self.ask(see, self.desk, self.config, one, delivery, body=operator)
        if sight is None:
            raise tornado.web.HTTPError(
                404, f"{delivery} is not a dead letter of {name}: it was replayed, or discarded"
            )
        if operator:
            await self.ask(acting.looked, self.desk, one, self.by, "look", delivery=delivery)
        self.render(
            "letter.html",
            sight=sight,
            one=sight.opened,
            connector=one,
            operator=operator,
            when=when,
            sentry=self.parts.process.settings.sentry_url,
            text=readable,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """What an action would do to the letters of one connector."""

    connector: Connector
    letters: tuple[Dead, ...]
    groups: tuple[Group, ...]
    forecast: Forecast | None
    order: str


class Act(Face):
    """Replay or discard: first what it would do, then (with the order ids that page gave out) done."""

    tab = "dead"

    async def post(self) -> None:
        """Show what would happen, or do it."""
        action = self.word("do")
        if action not in {"replay", "discard"}:
            raise tornado.web.HTTPError(400, f"there is no action {action!r}")
        letters = await self.ask(self._meant)
        if not letters:
            raise tornado.web.HTTPError(400, "no dead letter is meant: choose some, or they are dead no longer")
        if len(letters) > LARGEST:
            raise tornado.web.HTTPError(400, f"{len(letters)} letters are meant; {LARGEST} at once at most: narrow it")
        if self.word("sure") == "yes":
            await self._go(action, letters)
            return
        parts = [
            await self.ask(self._part, action, name, letters) for name in dict.fromkeys(d.connector for d in letters)
        ]
        self.render(
            "sure.html", action=action, parts=parts, ids=self.get_arguments("id"), rate=RATE, wanted=self._words()
        )

    def _words(self) -> dict[str, str]:
        return {name: self.word(name) for name in (*CRITERIA, "since", "until") if self.word(name)}

    def _meant(self) -> list[Dead]:
        allowed = self.connectors(Role.OPERATOR)
        found = find(self.desk, self.config, filter_of(self), allowed)
        ids = set(self.get_arguments("id"))
        if not ids and not self._words():
            return []  # everything there is must be asked for by a filter
        return [one for one in found if not ids or one.id in ids]

    def _part(self, action: str, name: str, letters: list[Dead]) -> Part:
        connector = self.config.connectors[name]
        mine = tuple(one for one in letters if one.connector == name)
        told = forecast(self.desk, connector, mine) if action == "replay" else None
        return Part(connector, mine, tuple(grouped(mine)), told, acting.new_order())

    async def _go(self, action: str, letters: list[Dead]) -> None:
        reason = self.word("reason").strip()
        if action == "discard" and not reason:
            raise tornado.web.HTTPError(400, "say why: the reason stays in the audit")
        rate = self.number("rate", RATE, least=0.1, most=1000)
        done: list[str] = []
        for name in dict.fromkeys(one.connector for one in letters):
            connector = self.connector_named(name, Role.OPERATOR)
            mine = [one for one in letters if one.connector == name]
            if action == "discard":
                gone = await self.ask(acting.discard, self.desk, connector, [d.id for d in mine], self.by, reason)
                done.append(f"{name}: {gone} discarded")
                continue
            order = self.word(f"order-{name}") or acting.new_order()
            absent = self.word("absent") == "yes"
            await self.ask(
                acting.replay, self.desk, connector, mine, self.by, order=order, rate=rate, reason=reason, absent=absent
            )
            if len(letters) == len(mine):
                self.redirect(self.reverse_url("order", name, order), status=303)
                return
            done.append(f"{name}: {len(mine)} are being replayed")
        self.say("; ".join(done))
        self.redirect(self.reverse_url("orders" if action == "replay" else "dead"), status=303)


class CareFor(Face):
    """Who takes care of a group, and how far they are."""

    tab = "dead"

    async def post(self, name: str, group: str) -> None:
        """Write it down."""
        one = self.connector_named(name, Role.OPERATOR)
        if not re.fullmatch(r"[0-9a-f]{16}", group):
            raise tornado.web.HTTPError(404, f"there is no group {group}")
        try:
            stage = Stage(self.word("stage"))
            care = Care(stage, self.word("assignee").strip(), self.word("note").strip(), self.word("incident").strip())
            await self.ask(take, self.desk, one, group, care, self.by)
        except ValueError as error:
            raise tornado.web.HTTPError(400, str(error)) from error
        self.say(f"The group is {stage.value}.")
        self.redirect(f"{self.reverse_url('dead')}?group={group}", status=303)


class Export(Face):
    """A group and its time window as Markdown."""

    tab = "dead"

    async def get(self, name: str, group: str) -> None:
        """Hand it out; that it was is written down."""
        one = self.connector_named(name, Role.OPERATOR)
        letters = await self.ask(find, self.desk, self.config, Filter(connector=name, group=group), [one])
        if not letters:
            raise tornado.web.HTTPError(404, f"no dead letter is in group {group} of {name} any more")
        (found,) = grouped(letters)
        cares = await self.ask(all_care, self.desk, [one])
        rows = await self.ask(self.desk.deliveries(one).audit, most=5000)
        await self.ask(acting.looked, self.desk, one, self.by, "export", group=group, rows=len(letters))
        self.set_header("Content-Type", "text/markdown; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{name}-{group}.md"')
        self.finish(report(found, told(cares, found), letters, rows))


ROUTES = [
    tornado.web.url(r"/dead-letters", DeadLetters, name="dead"),
    tornado.web.url(r"/dead-letters/care/([^/]+)/([^/]+)", CareFor, name="care"),
    tornado.web.url(r"/dead-letters/export/([^/]+)/([^/]+)", Export, name="export"),
    tornado.web.url(r"/dead-letters/act", Act, name="act"),
    tornado.web.url(r"/dead-letters/([^/]+)/([^/]+)", DeadLetter, name="letter"),
]
