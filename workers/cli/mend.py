"""Mend: replay and discard dead letters, pause, bring in the past."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from connector.config import Connector
from workers.cli.look import actor
from workers.cli.output import USAGE, as_json, console, fail, print_json, print_table, progressing, say, when
from workers.cli.parts import connector_named, parts, wired
from workers.cli.status import tell_held
from workers.stores.records import Letter
from workers.unread import Unread, read_again, unread

LONG = 10 * 365 * 86_400_000


@click.group()
def dead() -> None:
    """Dead letters: deliveries that need a person."""


def _selected(
    connector: str | None, ids: Sequence[str], *, cause: str, everything: bool
) -> list[tuple[Connector, Letter]]:
    """Return the dead letters that are meant."""
    process, _ = parts(need_servers=True)
    desk = wired(process).desk()
    if connector:
        connector_named(process, connector)
    found = []
    for one in process.source.current.connectors.values():
        if connector and one.name != connector:
            continue
        books = desk.deliveries(one)
        start = 0
        while page := books.dead(start=start, most=500):
            start += len(page)
            found += [
                (one, letter)
                for letter in page
                if (everything or letter.id in ids or (cause and letter.fields.get("cause") == cause))
            ]
    missing = set(ids) - {letter.id for _, letter in found}
    if missing:
        fail(f"not a dead letter: {', '.join(sorted(missing))}", USAGE)
    return found


@dead.command("list")
@click.argument("connector", required=False)
@click.option("--cause", default="", help="Only this cause.")
@click.option("--most", default=100, show_default=True, type=click.IntRange(1, 100_000), help="Rows at most.")
@as_json
def list_dead(connector: str | None, cause: str, most: int, *, as_json: bool) -> None:
    """List dead letters, newest first, with what to do."""
    found = _selected(connector, (), cause=cause, everything=not cause)
    strange = [] if connector or cause else _unread()
    if as_json:
        print_json([_row(one, letter) for one, letter in found[:most]] + [_strange_row(one) for one in strange])
        return
    if strange:
        print_table(
            ("came in", "id", "connection", "why it could not be read"),
            ((when(one.at * 1000), one.id, f"@{one.connection}", one.why) for one in strange),
            title="payloads that could not be read (after an upgrade: connector dead reread)",
        )
    groups: dict[tuple[str, str], int] = {}
    for one, letter in found:
        group = (one.name, letter.fields.get("cause", ""))
        groups[group] = groups.get(group, 0) + 1
    tell_held(connector)
    if not found:
        console.print("no dead letters")
        return
    print_table(("connector", "cause", "letters"), ((*group, count) for group, count in groups.items()))
    print_table(
        ("died", "id", "connector", "key", "kind", "error", "message"),
        (
            (
                when(letter.fields.get("died", 0)),
                letter.id,
                one.name,
                letter.key,
                letter.kind,
                letter.fields.get("error", ""),
                letter.fields.get("message", "")[:200],
            )
            for one, letter in found[:most]
        ),
    )
    console.print("connector dead show ID · dead replay ID… | --cause CAUSE | --all · dead discard ID… --reason WHY")


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
        **{name: letter.fields.get(name, "") for name in ("died", "error", "cause", "message", "status", "config")},
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


MEANING = {
    "Rejected": "The target will not take this as it is. Mend the mapping (or the target), then replay.",
    "Ambiguous": "It may have been written, and the target cannot be asked. Look there; replay only if it is absent.",
    "Forbidden": "The credential works but may not do this here. Give it the permission, then replay.",
    "Retryable": "The target failed again and again while others succeeded. Look at its state, then replay.",
    "Crash": "The worker died whenever it held this. Look at the worker's log; replay after an upgrade.",
}


@dead.command("show")
@click.argument("delivery")
@as_json
def show_dead(delivery: str, *, as_json: bool) -> None:
    """Show one dead letter: every attempt, what it means, what to do."""
    ((one, letter), *_) = _selected(None, (delivery,), cause="", everything=False)
    row = _row(one, letter)
    if as_json:
        print_json(row)
        return
    for name in ("id", "connector", "key", "entity", "kind", "event", "attempts", "error", "cause", "status"):
        say(f"{name:>10}  {row[name]}")
    say(f"   message  {row['message']}", style="bold")
    for name, why in row["fields"].items():
        say(f"            {name}: {why}")
    say(f"      what  {MEANING.get(row['error'], 'A bug of ours: report it with the traceback.')}")
    for attempt in row["log"]:
        say(f"\nattempt {attempt['attempt']} at {attempt['at']}: {attempt['error']}: {attempt['message']}")
        if exchange := attempt.get("exchange"):
            say(json.dumps(exchange, indent=2, ensure_ascii=False, default=str)[:3000])
    if letter.fields.get("traceback"):
        say(letter.fields["traceback"])


@dead.command()
@click.argument("ids", nargs=-1)
@click.option("--connector", help="Only of this connector.")
@click.option("--cause", default="", help="All of this cause.")
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--rate", default=50.0, show_default=True, type=click.FloatRange(0.1, 10_000), help="Letters per second.")
@as_json
def replay(
    ids: tuple[str, ...],
    connector: str | None,
    cause: str,
    rate: float,
    *,
    everything: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring dead letters back into their mailboxes, each at its original place.

    Safe to repeat: a letter that is no longer dead is left alone, and what was already written is found
    by its marker.
    """
    if not (ids or cause or everything):
        fail("say which: IDs, --cause CAUSE, or --all", USAGE)
    found = _selected(connector, ids, cause=cause, everything=everything)
    if dry_run:
        print_json({"would_replay": len(found)}) if as_json else console.print(f"{len(found)} would be replayed")
        return
    process, _ = parts(need_servers=True)
    desk = wired(process).desk()
    done = 0
    with progressing(quiet=as_json) as progress:
        bar = progress.add_task("replaying", total=len(found))
        for one, letter in sorted(found, key=lambda pair: pair[1].seq):
            row = _operator("replay", one, [letter.id])
            back, bells = desk.deliveries(one).replay([letter.id], json.dumps(row))
            desk.ring(one, bells)
            if back:
                desk.record(row)
            done += len(back)
            progress.update(bar, advance=1)
            if len(found) > 1:
                time.sleep(1 / rate)
    process.close()
    print_json({"replayed": done}) if as_json else console.print(f"{done} replayed")


@dead.command()
@click.argument("ids", nargs=-1)
@click.option("--connector", help="Only of this connector.")
@click.option("--cause", default="", help="All of this cause.")
@click.option("--reason", required=True, help="Why; it stays in the audit.")
@as_json
def discard(ids: tuple[str, ...], connector: str | None, cause: str, reason: str, *, as_json: bool) -> None:
    """Give dead letters up, with a reason."""
    if not (ids or cause):
        fail("say which: IDs or --cause CAUSE", USAGE)
    if not reason.strip():
        fail("the reason must not be empty", USAGE)
    found = _selected(connector, ids, cause=cause, everything=False)
    process, _ = parts(need_servers=True)
    desk = wired(process).desk()
    done = 0
    for one, letter in found:
        row = {**_operator("discard", one, [letter.id]), "reason": reason}
        gone, bells = desk.deliveries(one).discard([letter.id], reason, json.dumps(row))
        desk.ring(one, bells)
        if gone:
            desk.record(row)
        done += len(gone)
    process.close()
    print_json({"discarded": done}) if as_json else console.print(f"{done} discarded")


def _operator(action: str, connector: Connector, ids: Sequence[str]) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(),
        "action": action,
        "connector": connector.name,
        "actor": actor(),
        "deliveries": list(ids),
    }


@click.command()
@click.argument("connector")
@click.option("--why", default="", help="Why; shown to whoever looks.")
def pause(connector: str, why: str) -> None:
    """Stop delivering for a connector; events are still taken in, and wait."""
    process, _ = parts(need_servers=True)
    one = connector_named(process, connector)
    desk = wired(process).desk()
    desk.deliveries(one).close(desk.now_ms() + LONG, f"paused by {actor()}: {why}")
    desk.record(_operator("pause", one, []))
    console.print(f"{connector} is paused; 'connector resume {connector}' goes on")


@click.command()
@click.argument("connector")
@click.option("--since", metavar="DATE", help="Everything changed since then: 2026-11-01 or 2026-11-01T09:00:00Z.")
@click.option("--jql", help="Everything a Jira query finds.")
@as_json
def sync(connector: str, since: str | None, jql: str | None, *, as_json: bool) -> None:
    """Bring the past in (backfill): items that changed before the connector started, in a lane of their own."""
    from workers.poller import backfill

    if bool(since) == bool(jql):
        fail("give either --since DATE or --jql QUERY", USAGE)
    query = {"jql": jql} if jql else {"since": _since(str(since))}
    process, _ = parts(need_servers=True)
    one = connector_named(process, connector)
    wiring = wired(process)
    with progressing(quiet=as_json) as progress:
        bar = progress.add_task("items read:", total=None)

        def told(events: int, accepted: int) -> None:
            progress.update(bar, completed=events, description=f"{accepted} new of")

        got = backfill(wiring.desk(), wiring.inbox(), one, query, told=told, paused=time.sleep)
    process.close()
    if got.problem:
        fail(f"stopped after {got.events} items ({got.accepted} new): {got.problem}; run it again to go on")
    if as_json:
        print_json({"read": got.events, "accepted": got.accepted})
    else:
        console.print(f"{got.events} items read, {got.accepted} new; they are delivered in the backfill lane")


def _since(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--since {text!r} is no date like 2026-11-01 or 2026-11-01T09:00:00Z", USAGE)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()


COMMANDS = (dead, pause, sync)
