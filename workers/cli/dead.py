"""Show dead letters: grouped by cause, one with every attempt, and payloads that could not be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from connector.config import Connector
from workers.cli.output import USAGE, as_json, console, fail, print_json, print_table, say, when
from workers.cli.parts import connector_named, parts, wired
from workers.cli.status import tell_held
from workers.operating.letters import Dead, Filter, find, grouped
from workers.operating.meaning import meaning_of
from workers.stores.records import Letter
from workers.unread import Unread, read_again, unread

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def dead() -> None:
    """Dead letters: deliveries that need a person."""


def criteria(command: F) -> F:
    """Add the options that say which dead letters are meant."""
    for option in (
        click.option("--text", default="", help="Only with this in the message."),
        click.option("--entity", default="", help="Only of this item: a key, or part of one."),
        click.option("--error", default="", help="Only of this error class."),
        click.option("--group", default="", help="Only of this group of one cause, as dead list names it."),
        click.option("--cause", default="", help="Only of this cause."),
    ):
        command = option(command)
    return command


def meant(connector: str | None, ids: Sequence[str], **wanted: Any) -> list[Dead]:
    """Return the dead letters that are meant, newest first; ends where an id is none."""
    process, _ = parts(need_servers=True)
    desk, config = wired(process).desk(), process.source.current
    if connector:
        connector_named(process, connector)
    found = find(desk, config, Filter(connector=connector or "", **wanted), config.connectors.values())
    if missing := set(ids) - {one.id for one in found}:
        fail(f"not a dead letter: {', '.join(sorted(missing))}", USAGE)
    return [one for one in found if not ids or one.id in ids]


@dead.command("list")
@click.argument("connector", required=False)
@criteria
@click.option("--most", default=100, show_default=True, type=click.IntRange(1, 100_000), help="Rows at most.")
@as_json
def list_dead(connector: str | None, most: int, *, as_json: bool, **wanted: str) -> None:
    """List dead letters, newest first, with what to do."""
    found = meant(connector, (), **wanted)
    strange = [] if connector or any(wanted.values()) else _unread()
    if as_json:
        print_json([_row(*_whole(one)) for one in found[:most]] + [_strange_row(one) for one in strange])
        return
    if strange:
        print_table(
            ("came in", "id", "connection", "why it could not be read"),
            ((when(one.at * 1000), one.id, f"@{one.connection}", one.why) for one in strange),
            title="payloads that could not be read (after an upgrade: connector dead reread)",
        )
    tell_held(connector)
    if not found:
        console.print("no dead letters")
        return
    print_table(
        ("group", "connector", "error", "cause", "fields", "letters", "last"),
        (
            (one.name, one.connector, one.error, one.cause, ", ".join(one.wrong), one.count, when(one.last))
            for one in grouped(found)
        ),
    )
    print_table(
        ("died", "id", "connector", "key", "kind", "error", "message"),
        (
            (when(one.died), one.id, one.connector, one.key, one.kind, one.error, one.message[:200])
            for one in found[:most]
        ),
    )
    console.print("connector dead show ID · dead replay ID… | --group GROUP | --all · dead discard ID… --reason WHY")


def _whole(one: Dead) -> tuple[Connector, Letter]:
    process, _ = parts(need_servers=True)
    connector = process.source.current.connectors[one.connector]
    letter = wired(process).desk().deliveries(connector).letter(one.id)
    # Where it was replayed this very moment, what the list knew is all there is.
    return connector, letter or Letter(one.id, "", one.entity, one.kind, "", one.key, 0, one.accepted, one.attempts, "")


def _row(connector: Connector, letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "connector": connector.name,
        "event": letter.event,
        "entity": letter.entity,
        "key": letter.key,
        "kind": letter.kind,
        "attempts": letter.attempts,
        "accepted": letter.at,
        **{
            name: letter.fields.get(name, "")
            for name in ("died", "error", "cause", "message", "status", "config", "made_by")
        },
        "fields": json.loads(letter.fields.get("fields", "{}")),
        "log": json.loads(letter.fields.get("log", "[]")),
    }


def _unread() -> list[Unread]:
    process, _ = parts(need_servers=True)
    wiring = wired(process)
    return list(unread(wiring.inbox(), process.source.current))


def _strange_row(one: Unread) -> dict[str, Any]:
    return {
        "id": one.id,
        "connector": f"@{one.connection}",
        "error": "Unreadable",
        "cause": "unreadable",
        "message": one.why,
        "died": str(int(one.at * 1000)),
    }


@dead.command()
@as_json
def reread(*, as_json: bool) -> None:
    """Read payloads again that could not be read when they came in; do it after an upgrade."""
    process, _ = parts(need_servers=True)
    wiring = wired(process)
    found = _unread()
    wrong = {
        one.id: why for one in found if (why := read_again(wiring.inbox(), process.source.current, wiring.systems, one))
    }
    process.close()
    if as_json:
        print_json({"read": len(found) - len(wrong), "unreadable": wrong})
        return
    console.print(f"{len(found) - len(wrong)} of {len(found)} could be read now")
    for name, why in wrong.items():
        say(f"  {name}: {why}")


@dead.command("show")
@click.argument("delivery")
@as_json
def show_dead(delivery: str, *, as_json: bool) -> None:
    """Show one dead letter: every attempt, what it means, what to do."""
    (found,) = meant(None, (delivery,))
    one, letter = _whole(found)
    row = _row(one, letter)
    if as_json:
        print_json(row)
        return
    for name in (
        "id",
        "connector",
        "key",
        "entity",
        "kind",
        "event",
        "attempts",
        "error",
        "cause",
        "status",
        "config",
        "made_by",
    ):
        say(f"{name:>10}  {row[name]}")
    say(f"   message  {row['message']}", style="bold")
    for name, why in row["fields"].items():
        say(f"            {name}: {why}")
    meaning = meaning_of(row["error"])
    say(f"     means  {meaning.means}")
    say(f"        do  {meaning.act}")
    for attempt in row["log"]:
        say(f"\nattempt {attempt['attempt']} at {attempt['at']}: {attempt['error']}: {attempt['message']}")
        if exchange := attempt.get("exchange"):
            say(json.dumps(exchange, indent=2, ensure_ascii=False, default=str)[:3000])
    if letter.fields.get("traceback"):
        say(letter.fields["traceback"])
