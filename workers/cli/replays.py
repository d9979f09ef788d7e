"""Replay dead letters, or give them up; who takes care of a group."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from connector.config import Connector
from workers.cli.dead import criteria, dead, meant
from workers.cli.look import actor
from workers.cli.output import USAGE, as_json, console, fail, print_json, print_table, progressing, say, when
from workers.cli.parts import connector_named, parts, wired
from workers.desk import Desk
from workers.operating import acting
from workers.operating.acting import Actor
from workers.operating.care import Care, Stage, care_of, take
from workers.operating.forecast import Forecast, forecast
from workers.operating.letters import Dead, grouped
from workers.stores import orders

LOOK = 0.2
"""Seconds between two looks at how far an order is."""


def _lots(found: list[Dead]) -> Iterator[tuple[Connector, list[Dead]]]:
    """Yield what is meant by connector, as much at a time as an order holds."""
    process, _ = parts(need_servers=True)
    for name in dict.fromkeys(one.connector for one in found):
        mine = [one for one in found if one.connector == name]
        for start in range(0, len(mine), orders.LARGEST):
            yield process.source.current.connectors[name], mine[start : start + orders.LARGEST]


@dead.command()
@click.argument("ids", nargs=-1)
@click.option("--connector", help="Only of this connector.")
@criteria
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@click.option(
    "--dry-run", is_flag=True, help="Say what it would do: what is stale, what merges, what would still fail."
)
@click.option("--rate", default=50.0, show_default=True, type=click.FloatRange(0.1, 10_000), help="Letters per second.")
@click.option("--reason", default="", help="Why; it stays in the audit.")
@click.option("--absent", is_flag=True, help="You have looked: what ambiguous ones may have written is not there.")
@click.option("--detach", is_flag=True, help="Do not wait: workers carry it out.")
@as_json
def replay(
    ids: tuple[str, ...],
    connector: str | None,
    rate: float,
    reason: str,
    *,
    everything: bool,
    dry_run: bool,
    detach: bool,
    absent: bool,
    as_json: bool,
    **wanted: str,
) -> None:
    """Bring dead letters back into their mailboxes, each at its original place.

    Safe to repeat: a letter that is no longer dead is left alone, and what was already written is found
    by its marker.
    """
    if not (ids or any(wanted.values()) or everything):
        fail("say which: IDs, --group GROUP, --cause CAUSE, or --all", USAGE)
    found = meant(connector, ids, **wanted)
    process, _ = parts(need_servers=True)
    desk = wired(process).desk()
    if dry_run:
        _foretell(desk, found, as_json=as_json)
        return
    done = 0
    given = []
    with progressing(quiet=as_json) as progress:
        bar = progress.add_task("replaying", total=len(found))
        for one, letters in _lots(found):
            order = acting.replay(
                desk, one, letters, Actor(actor()), order=acting.new_order(), rate=rate, reason=reason, absent=absent
            )
            given.append(order.id)
            while not detach and order.state == "open":
                progress.update(bar, completed=done + order.replayed + order.passed)
                time.sleep(LOOK)
                order = _carried_on(desk, one, order)
            done += order.replayed
            progress.update(bar, completed=done)
    process.close()
    if detach:
        print_json({"orders": given}) if as_json else console.print(f"ordered: {', '.join(given) or 'nothing'}")
    else:
        print_json({"replayed": done}) if as_json else console.print(f"{done} replayed")


def _carried_on(desk: Desk, connector: Connector, order: orders.Order) -> orders.Order:
    """Carry on with an order ourselves, in case no worker does, and return how far it is."""
    books = desk.deliveries(connector)
    ((_, bells),) = orders.step(books.client, [books])
    desk.ring(connector, bells)
    return orders.order_of(books, order.id) or order


def _foretell(desk: Desk, found: list[Dead], *, as_json: bool) -> None:
    told: list[tuple[str, Forecast]] = [(one.name, forecast(desk, one, letters)) for one, letters in _lots(found)]
    if as_json:
        rows = [
            {
                "connector": name,
                **{
                    member: getattr(one, member)
                    for member in ("letters", "stale", "merged", "unknown", "ambiguous", "unreadable", "failing")
                },
                "tried": [{"id": trial.dead.id, "failure": trial.failure} for trial in one.trials],
            }
            for name, one in told
        ]
        print_json({"would_replay": len(found), "connectors": rows})
        return
    console.print(f"{len(found)} would be replayed")
    for name, one in told:
        say(f"{name}: {one.letters} letters; {one.stale} too old to be worth a message")
        say(f"  {one.merged} told by a newer state; {one.unknown} looked up first: a write of them may have landed")
        for trial in one.trials:
            say(f"  {trial.dead.key or trial.dead.id}: " + (trial.failure or "would go through"))


@dead.command()
@click.argument("ids", nargs=-1)
@click.option("--connector", help="Only of this connector.")
@criteria
@click.option("--reason", required=True, help="Why; it stays in the audit.")
@as_json
def discard(ids: tuple[str, ...], connector: str | None, reason: str, *, as_json: bool, **wanted: str) -> None:
    """Give dead letters up, with a reason."""
    if not (ids or any(wanted.values())):
        fail("say which: IDs, --group GROUP or --cause CAUSE", USAGE)
    if not reason.strip():
        fail("the reason must not be empty", USAGE)
    process, _ = parts(need_servers=True)
    desk = wired(process).desk()
    done = sum(
        acting.discard(desk, one, [letter.id for letter in letters], Actor(actor()), reason)
        for one, letters in _lots(meant(connector, ids, **wanted))
    )
    process.close()
    print_json({"discarded": done}) if as_json else console.print(f"{done} discarded")


@dead.command("orders")
@as_json
def list_orders(*, as_json: bool) -> None:
    """Show the last orders to replay, and how far each is."""
    process, _ = parts(need_servers=True)
    desk = wired(process).desk()
    found = [
        (one.name, order)
        for one in process.source.current.connectors.values()
        for order in orders.orders(desk.deliveries(one))
    ]
    if as_json:
        print_json([{**asdict(order), "connector": name} for name, order in found])
        return
    print_table(
        ("begun", "connector", "order", "what", "state", "replayed", "by"),
        ((when(o.begun), name, o.id, o.what, o.state, f"{o.replayed} of {o.total}", o.actor) for name, o in found),
    )


@dead.command()
@click.argument("connector")
@click.argument("order")
def cancel(connector: str, order: str) -> None:
    """Cancel ORDER of CONNECTOR; what it has not brought back stays dead."""
    process, _ = parts(need_servers=True)
    one = connector_named(process, connector)
    if not acting.cancel(wired(process).desk(), one, order, Actor(actor())):
        fail(f"{order} is no open order of {connector}")
    console.print(f"{order} is cancelled")


@dead.command("care")
@click.argument("group")
@click.option("--stage", required=True, type=click.Choice([one.value for one in Stage]), help="How far it is.")
@click.option("--assignee", default="", help="Who takes care of it.")
@click.option("--note", default="", help="What is known.")
@click.option("--incident", default="", help="A link.")
@as_json
def care_for(group: str, stage: str, assignee: str, note: str, incident: str, *, as_json: bool) -> None:
    """Say who takes care of GROUP, as dead list names it, and how far they are."""
    found = grouped(meant(None, (), group=group))
    if not found:
        fail(f"there is no group {group}", USAGE)
    process, _ = parts(need_servers=True)
    desk, one = wired(process).desk(), process.source.current.connectors[found[0].connector]
    try:
        take(desk, one, group, Care(Stage(stage), assignee, note, incident), Actor(actor()))
    except ValueError as error:
        fail(str(error), USAGE)
    told: dict[str, Any] = asdict(care_of(desk.deliveries(one))[group])
    print_json(told) if as_json else console.print(f"{group} is {stage}")
