"""Find out by asking whether everything outside is as a configuration needs it; nothing is written."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from connector.config import Config, Connection, Connector
from connector.documents import Document, Path, written
from connector.errors import ConnectorError, RateLimited
from connector.examining import Finding as Examined
from connector.registry import SYSTEMS
from connector.system import Who
from workers.cli.output import say
from workers.cli.parts import parts, wired
from workers.desk import Desk
from workers.examination import examine, written_to

_STYLES: Final = {"ok": "green", "warning": "yellow", "problem": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found out: ``ok``, ``warning`` or ``problem``.

    ``path`` is the place in the connector's file, where it is about one, and ``act`` what to do.
    """

    word: str
    what: str
    text: str
    path: Path = ()
    act: str = ""
    file: str = ""
    line: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        more = {"path": written(self.path), "act": self.act, "file": self.file, "line": self.line}
        return {
            "level": self.word,
            "what": self.what,
            "text": self.text,
            **{name: value for name, value in more.items() if value},
        }


def show(findings: Iterable[Finding]) -> None:
    """Print findings for people, a line each."""
    for one in findings:
        act = f"; {one.act}" if one.act else ""
        where = f" ({one.file}:{one.line})" if one.file and one.word != "ok" else ""
        say(f"{one.word:>8}  {one.what}: {one.text}{act}{where}", style=_STYLES[one.word])


def unseen(config: Config) -> Iterator[Finding]:
    """Say what a connection without a webhook cannot see."""
    used = {one.source.connection for one in config.connectors.values()}
    for name in sorted(used):
        connection = config.connections[name]
        system = SYSTEMS[connection.system]
        if getattr(connection.settings, "webhook", None) is None:
            for spot in system.blind_spots:
                yield Finding("warning", f"connection {name} has no webhook and is only polled", spot)
        if system.poll is None:
            yield Finding("warning", f"connection {name}", "cannot be polled: what its webhook misses is lost")


def ask(config: Config) -> Iterator[Finding]:
    """Ask every connection who we are, every source for its latest, every target for its fields."""
    process, running = parts()
    desk = wired(process, offline=not running).desk()
    deaf = set()
    for connection in config.connections.values():
        findings = list(probe(desk, config, connection))
        yield from findings
        if any(one.word == "problem" for one in findings):
            deaf.add(connection.name)
    for connector in config.connectors.values():
        # Why a connection cannot be asked is said once, above.
        yield from ends(desk, config, connector, deaf=deaf)


def ends(desk: Desk, config: Config, connector: Connector, *, deaf: Collection[str] = ()) -> Iterator[Finding]:
    """Ask a connector's source for its latest, its target for what it needs; connections in ``deaf`` are left out."""
    if connector.source.connection not in deaf:
        yield from _source(desk, config, connector)
    if written_to(connector).isdisjoint(deaf):
        yield from _target(desk, config, connector)


def probe(desk: Desk, config: Config, connection: Connection) -> Iterator[Finding]:
    """Ask one connection who we are, and whether that is enough."""
    what = f"connection {connection.name}"
    try:
        who = SYSTEMS[connection.system].probe(desk.site(connection.name, time.monotonic() + 60))
    except ConnectorError as error:
        yield Finding("problem", what, _why_not(desk, connection, error))
        return
    told = f"; {', '.join(who.scopes)}" if who.scopes else ""
    yield Finding("ok", what, f"is {who.name} ({who.id}){told}")
    yield from _scopes(config, connection, who)
    if who.time is not None:
        skew = abs((datetime.now(UTC) - who.time).total_seconds())
        if skew > 30:
            yield Finding(
                "warning", what, f"its clock and ours differ by {skew:.0f} s; signatures with times may be refused"
            )
    expires = getattr(getattr(connection.settings, "auth", None), "expires", None)
    if expires is not None:
        days = (expires - datetime.now(UTC).date()).days
        if days < 0:
            yield Finding("problem", what, f"its credential expired {-days} days ago")
        elif days <= 30:
            yield Finding("warning", what, f"its credential expires in {days} days")


def _why_not(desk: Desk, connection: Connection, error: ConnectorError) -> str:
    """Say what keeps a connection from being asked; where it is closed, what closed it."""
    # A process without a store knows only what the answer says.
    closed = isinstance(error, RateLimited) and desk.connections.client is not None
    state = desk.connections.state(connection.name) if closed else None
    if state is not None and state.kind:
        return f"{state.kind}: {state.why or error}"
    return f"{type(error).__name__}: {error}"


def _scopes(config: Config, connection: Connection, who: Who) -> Iterator[Finding]:
    connectors = config.connectors.values()
    uses = {
        "read": any(one.source.connection == connection.name for one in connectors),
        "write": any(one.target.connection == connection.name for one in connectors),
    }
    needs = SYSTEMS[connection.system].needs if who.scopes else {}
    known = {one for scopes in needs.values() for scope in scopes for one in scope.split("|")}
    if needs and (more := sorted(set(who.scopes) - known)):
        told = f"the credential may do more than is needed: {', '.join(more)}; one with fewer scopes is safer"
        yield Finding("warning", f"connection {connection.name}", told)
    for use, wanted in needs.items():
        for scope in wanted if uses.get(use) else ():
            if not set(scope.split("|")) & set(who.scopes):
                yield Finding(
                    "problem",
                    f"connection {connection.name}",
                    f"the credential lacks the scope {scope.replace('|', ' or ')}, needed to {use}",
                )


def _source(desk: Desk, config: Config, connector: Connector) -> Iterator[Finding]:
    """Read what a poll from now on would read: whatever is named in ``from:`` must be there."""
    system = SYSTEMS[config.connections[connector.source.connection].system]
    if system.poll is None:
        return
    site = desk.site(connector.source.connection, time.monotonic() + 60)
    try:
        page = system.poll(site, connector.source.settings, {}, desk.now())
        system.poll(site, connector.source.settings, page.cursor, desk.now())
    except ConnectorError as error:
        yield Finding("problem", f"connector {connector.name}", f"from: {error}")
    else:
        yield Finding("ok", f"connector {connector.name}", "from: can be read")


def _target(desk: Desk, config: Config, connector: Connector) -> Iterator[Finding]:
    try:
        found = examine(desk, config, connector)
    except ConnectorError as error:
        # Not about one field: the project, the repository, the connection.
        yield Finding("problem", f"connector {connector.name}", f"to: {error}")
        return
    yield from (told(connector, one) for one in found if one.text)


def told(connector: Connector, one: Examined) -> Finding:
    """Say a finding about a connector to an operator."""
    path = written(one.path)
    text = f"{path} exists" if one.text == "exists" else f"{path}: {one.text}"
    return Finding(one.level.value, f"connector {connector.name}", text, one.path, one.act)


def placed(findings: Iterable[Finding], documents: Mapping[str, Document]) -> Iterator[Finding]:
    """Say of each finding in which line of which file it stands."""
    for one in findings:
        document = documents.get(one.what.removeprefix("connector "))
        if document is None or not one.path:
            yield one
            continue
        place, text = document.place(one.path), one.text
        if place.file.startswith("template "):
            # What a template brought is mended where the template was chosen.
            place, text = document.place(("template",)), f"{text} (by the {place.file})"
        yield replace(one, text=text, file=place.file, line=place.line)
