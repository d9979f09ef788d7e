"""Look without changing anything: what a payload means, what would be written, what was, and why."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from connector.config import Connector
from connector.event import Event
from connector.registry import SYSTEMS
from workers.cli.output import USAGE, as_json, console, errors, fail, print_json, print_table, progressing, say, when
from workers.cli.parts import connector_named, parts, wired
from workers.cli.payloads import inbounds, received

if TYPE_CHECKING:
    from workers.desk import Desk
    from workers.stores.deliveries import Deliveries


@click.command()
@click.argument("connector")
@click.argument("what", required=False)
@click.option("--last", "most", type=click.IntRange(1, 100), help="The items that changed last, that many; in a table.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header of a recorded webhook.")
@click.option("--requests", is_flag=True, help="Also the requests that would be sent, up to the last call.")
@as_json
def preview(
    connector: str, what: str | None, headers: tuple[str, ...], most: int | None, *, requests: bool, as_json: bool
) -> None:
    """Show what CONNECTOR would write for WHAT, field by field; nothing is sent.

    WHAT is a file with a recorded webhook body, or an item that is read live: an issue key, owner/repo#12 or
    a URL.  It goes the way of a delivery up to the last call, so what fails here would fail there.  With --last
    instead of WHAT: what would become of the newest items of its source, a line each.
    """
    from workers.preview import preview as look

    if (what is None) == (most is None):
        fail("give either an item (or a file), or --last NUMBER", USAGE)
    process, running = parts()
    one = connector_named(process, connector)
    desk = wired(process, offline=not running).desk()
    if what is None:
        _preview_last(desk, one, most or 1, books=desk.deliveries(one) if running else None, as_json=as_json)
        return
    shown = []
    for event in _events_of(process, one, what, headers):
        books = desk.deliveries(one) if running else None
        shown.append(look(desk, one, event, books=books))
    if as_json:
        print_json([one.as_json(requests=requests) for one in shown])
        return
    if not shown:
        console.print("the payload holds no event for this connector")
    for one_shown in shown:
        print_preview(one_shown, requests=requests)


def _preview_last(desk: Desk, connector: Connector, most: int, *, books: Deliveries | None, as_json: bool) -> None:
    from workers.preview import each, newest

    tried = []
    with progressing(quiet=as_json or not errors.is_terminal, where=errors) as progress:
        bar = progress.add_task("reading the newest items, looked at:", total=None)
        for one in each(desk, connector, newest(desk, connector, most), books=books):
            tried.append(one)
            progress.update(bar, completed=len(tried))
    if as_json:
        print_json([one.as_json() for one in tried])
    elif not tried:
        console.print("the source holds no items that the account may see")
    else:
        print_table(
            ("item", "would", "what", "lost"),
            (
                (
                    one.event.entity.key or one.event.entity.ref,
                    *one.verdict(),
                    "; ".join(one.preview.losses if one.preview else ()),
                )
                for one in tried
            ),
        )


def _events_of(process: Any, connector: Connector, what: str, headers: tuple[str, ...]) -> list[Event]:
    connection = process.source.current.connections[connector.source.connection]
    system = SYSTEMS[connection.system]
    path = Path(what)
    if path.is_file():
        found: list[Event] = []
        for inbound in inbounds(path, headers, system):
            got = received(system, connection.name, connection.settings, inbound)
            if got.ignored:
                say(f"ignored: {got.ignored}", where=errors)
            found += got.events
        # A recorded payload may name items that are gone or belong to somebody else: it is believed as it is.
        return [replace(event, partial=False) for event in found]
    if path.suffix == ".json":
        fail(f"there is no file {what}", USAGE)
    from workers.preview import find

    return [find(process.wiring.desk(), connector, what)]


def print_preview(shown: Any, *, requests: bool = False) -> None:
    """Print what would be written for one event, for people."""
    event = shown.event
    say(f"{event.kind.value} {event.entity.key or event.entity.ref}", style="bold")
    if shown.skipped:
        say(f"  nothing would be written: {shown.skipped}")
    for step in shown.steps:
        say(f"  {step.action} {step.target}".rstrip(), style="green")
        for field in step.fields:
            label = field.name if field.name == field.field else f"{field.name} ({field.field})"
            if field.now == field.then:
                say(f"      {label}: {_short(field.then)}  (as it is)", style="dim")
                continue
            if field.now is not None:
                say(f"    - {label}: {_short(field.now)}", style="red")
            say(f"    + {label}: {_short(field.then)}", style="green")
        if step.text is not None:
            say(f"    + {_short(step.text)}", style="green")
        for request in step.as_json(requests=True)["requests"] if requests else ():
            say(f"    {request['method']} {request['path']}", style="cyan")
            if "body" in request:
                say(f"      {json.dumps(request['body'], ensure_ascii=False, default=str)}", style="cyan")
    for name, why in (shown.absent or {}).items():
        say(f"  left alone: {name}: {why}", style="dim")
    for loss in shown.losses:
        say(f"  lost: {loss}", style="yellow")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 400 else text[:400] + f"… ({len(text)} characters)"


@click.command()
@click.argument("connector", required=False)
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 10_000), help="Rows at most.")
@click.option("--settled", is_flag=True, help="The last settled ones instead of those in flight.")
@click.option("--entity", default="", help="Only of this key.")
@as_json
def deliveries(connector: str | None, most: int, entity: str, *, settled: bool, as_json: bool) -> None:
    """Show deliveries in flight (or, with --settled, the last finished ones) and the accounting."""
    process, _ = parts(need_servers=True)
    desk = wired(process).desk()
    rows: list[dict[str, Any]] = []
    counts: dict[str, dict[str, int]] = {}
    for one in process.source.current.connectors.values():
        if connector and one.name != connector_named(process, connector).name:
            continue
        books = desk.deliveries(one)
        counts[one.name] = books.counts()
        found: list[dict[str, Any]]
        if settled:
            found = [{"connector": one.name, **row} for row in books.settled(most=most)]
        else:
            found = [
                {
                    "connector": one.name,
                    "id": letter.id,
                    "key": letter.key,
                    "kind": letter.kind,
                    "state": where(books.owner(letter.fields.get("subject", letter.entity))),
                    "lane": letter.lane,
                    "attempts": letter.attempts,
                    "error": letter.fields.get("message", ""),
                    "config": letter.fields.get("config", ""),
                    "made_by": letter.fields.get("made_by", ""),
                    "accepted": letter.at,
                }
                for letter in books.waiting(most=most)
            ]
        rows += [row for row in found if not entity or row.get("key") == entity]
    if as_json:
        print_json({"counts": counts, "deliveries": rows[:most]})
        return
    print_table(
        ("connector", "accepted", "delivered", "skipped", "dead", "discarded", "in flight"),
        ((name, *count.values()) for name, count in counts.items()),
    )
    if settled:
        print_table(
            ("at", "connector", "key", "kind", "outcome", "made by", "reason"),
            (
                (when(r["at"]), r["connector"], r["key"], r["kind"], r["outcome"], r.get("made_by", ""), r["reason"])
                for r in rows[:most]
            ),
        )
    else:
        print_table(
            ("accepted", "connector", "key", "kind", "state", "attempts", "last error"),
            (
                (when(r["accepted"]), r["connector"], r["key"], r["kind"], r["state"], r["attempts"], r["error"])
                for r in rows[:most]
            ),
        )


def where(owner: str) -> str:
    """Say in words where a subject is."""
    if owner.startswith("r:"):
        return f"waiting ({owner[2:]})"
    if owner == "d":
        return "due later"
    if owner.startswith("p:"):
        return f"parked behind {owner[2:]}"
    return "being delivered" if owner else "settled"


@click.command()
@click.argument("connector", required=False)
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 100_000), help="Rows at most.")
@click.option("--file", "from_file", is_flag=True, help="Read the audit file, which holds everything.")
@as_json
def audit(connector: str | None, most: int, *, from_file: bool, as_json: bool) -> None:
    """Show every write and operator action, newest first."""
    process, _ = parts(need_servers=not from_file)
    rows: list[Mapping[str, Any]] = []
    if from_file:
        from workers.wiring import AUDIT_FILE

        path = process.settings.home / ".connector" / AUDIT_FILE
        if path.exists():
            rows = _audit_rows(path)
    else:
        desk = wired(process).desk()
        for one in process.source.current.connectors.values():
            rows += [{"connector": one.name, **row} for row in desk.deliveries(one).audit(most=most)]
        rows.sort(key=lambda row: str(row.get("at", "")), reverse=True)
    rows = [row for row in rows if not connector or row.get("connector") == connector][:most]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("at", "connector", "who", "action", "entity", "target", "fields"),
        (
            (
                str(row.get("at", ""))[:19],
                row.get("connector", row.get("connection", "")),
                row.get("actor", ""),
                row.get("action", ""),
                row.get("entity", ""),
                row.get("target", row.get("deliveries", "")),
                ", ".join(row.get("fields", ())),
            )
            for row in rows
        ),
    )


def _audit_rows(path: Path) -> list[Mapping[str, Any]]:
    """Return the rows of the audit file, newest first; a line that a crash or a full disk tore is named."""
    rows: list[Mapping[str, Any]] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            say(f"{path}:{number} is no row of an audit; left out", style="yellow", where=errors)
    return rows[::-1]


@click.command()
@click.argument("connector")
@as_json
def show(connector: str, *, as_json: bool) -> None:
    """Show a connector as it is in force, its template merged in."""
    process, _ = parts()
    connector_named(process, connector)
    document = process.resolved(connector)
    if as_json:
        print_json(document)
        return
    import yaml

    click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)


def actor() -> str:
    """Return who sits at the keyboard, for the audit."""
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or "operator"


COMMANDS = (preview, deliveries, audit, show)
