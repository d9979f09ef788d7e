"""Tell how every connector stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from connector.documents import written
from workers.cli.output import USAGE, as_json, console, errors, fail, print_json, print_table, say, when
from workers.cli.parts import connector_named, parts, wired
from workers.operating.held import line

if TYPE_CHECKING:
    from workers.operating.budget import Budget
    from workers.operating.standing import Standing
    from workers.publishing import Followed
    from workers.stores.published import Follower, Version


@click.command()
@click.argument("connector", required=False)
@click.option("--limits", "all_limits", is_flag=True, help="Every limit, not only those that are partly used.")
@as_json
def status(connector: str | None, *, all_limits: bool, as_json: bool) -> None:
    """Show how each connector stands: running, paused, throttled; what waits, what is held, and why.

    What no longer fits its target is told by the last examination (EXAMINE_HOURS).

    Then how each connection stands: what is left of its limits, endpoint classes that its target has closed, and its
    breaker.
    """
    from workers.operating.budget import budgets
    from workers.operating.standing import all_standings, standing

    process, _ = parts(need_servers=True)
    desk = wired(process).desk()
    if connector:
        found = [standing(desk, connector_named(process, connector))]
    else:
        found = all_standings(desk, process.source.current)
    left = budgets(desk, process.source.current, (name for one in found for name in one.connections))
    if as_json:
        print_json(
            [
                {**one.as_json(), "limits": {name: left[name].as_json() for name in sorted(one.connections)}}
                for one in found
            ]
        )
        return
    print_table(
        ("connector", "state", "waiting", "due", "in flight", "dead", "calls each", "oldest", "why"),
        (
            (
                one.connector,
                one.state + (f" until {when(one.until)}" if one.until else ""),
                sum(one.backlog[lane] for lane in ("live", "replay", "backfill")),
                one.backlog["due"],
                one.counts["in_flight"],
                one.counts["dead"],
                "" if one.calls_each is None else f"{one.calls_each:.1f}",
                when(one.oldest) if one.oldest else "",
                one.why,
            )
            for one in found
        ),
    )
    for one in found:
        for gate, shut in one.held.items():
            say(line(one.connector, gate, shut, when))
        _tell_examined(one)
        if one.conflicts:
            many = "1 field waits" if one.conflicts == 1 else f"{one.conflicts} fields wait"
            say(f"{one.connector}: {many} for a person: connector conflicts list {one.connector}", style="yellow")
    _tell_budgets(left.values(), all_limits=all_limits)
    if process.followed is not None:
        _tell_version(process.followed)


def _tell_version(followed: Followed) -> None:
    from workers.operating.acting import Actor
    from workers.operating.applying import Publisher
    from workers.stores.records import UnknownFormat

    try:
        held = followed.published.held()
    except UnknownFormat as error:
        say(f"warning: {error}", style="yellow", where=errors)
        return
    if held is None:
        console.print("nothing is published yet: connector apply")
        return
    console.print(f"version {held.number} ({held.hash}) is in force, by {held.by} at {when(held.at)}")
    if held.draining:
        console.print(f"{', '.join(held.draining)}: takes nothing new, it is being removed")
    tell_followers(held, Publisher(followed.published.client, Actor("status"), lambda _: None).followers())


def tell_followers(version: Version, found: list[Follower]) -> None:
    """Say how many processes follow a version, and which do not and why."""
    count = sum(one.number == version.number for one in found)
    if found:
        console.print(f"{count} of {len(found)} processes follow it")
    else:
        console.print("no process follows published versions: they need CONNECTOR_CONFIG_SOURCE=store")
    tell_refusals(version, found)


def tell_refusals(version: Version, found: list[Follower]) -> None:
    """Say which processes refuse a version, or do not follow it yet."""
    for one in found:
        if one.refused:
            told = f"{one.role} {one.name} works with version {one.number} and refuses {one.newest}: {one.refused}"
            say(f"warning: {told}", style="yellow", where=errors)
        elif one.number != version.number:
            say(f"warning: {one.role} {one.name} still works with version {one.number}", style="yellow", where=errors)


def _tell_examined(one: Standing) -> None:
    """Say what does not fit a connector's target."""
    for finding in one.examined.problems if one.examined is not None else ():
        act = f"; {finding.act}" if finding.act else ""
        say(f"{one.connector}: {written(finding.path)} does not fit the target: {finding.text}{act}", style="yellow")


def _tell_budgets(found: Iterable[Budget], *, all_limits: bool) -> None:
    rows = []
    for one in found:
        shown = [limit for limit in one.limits if all_limits or limit.left < limit.most]
        rows += [(one.connection, limit.limit, f"{limit.left} of {limit.most}") for limit in shown]
        rows += [
            (one.connection, f"{endpoint}: closed until {when(shut['until'])}", shut["why"])
            for endpoint, shut in one.classes.items()
        ]
        if one.breaker != "shut":
            until = f" until {when(one.closed_until)}" if one.closed_until else ""
            rows.append((one.connection, f"breaker: {one.breaker}{until}", one.probes or one.why))
    if rows:
        print_table(("connection", "limit", "left now, or why"), rows)


def tell_held(connector: str | None) -> None:
    """Say what is held instead of being a dead letter, because its cause is not its own."""
    process, _ = parts(need_servers=True)
    desk = wired(process).desk()
    for one in process.source.current.connectors.values():
        if connector in {None, one.name}:
            for gate, shut in desk.deliveries(one).gates().items():
                say(line(one.name, gate, shut, when))


@click.command()
@click.argument("connector")
def alert(connector: str) -> None:
    """Send the owner of CONNECTOR a trial alert, to see that it arrives."""
    from workers.alerting import Alerter, Message

    process, _ = parts(need_servers=True)
    one = connector_named(process, connector)
    if not one.owner.alert:
        fail(f"{connector} has no owner.alert", USAGE)
    words = f"{connector}: a trial alert; nothing is wrong"
    alerter = Alerter(wired(process).desk(), pages=process.settings.flower_url, smtp=process.settings.smtp_url)
    if not alerter.tell(
        process.source.current, one, [Message(words, words, {"news": "trial", "connector": connector})]
    ):
        fail(f"it could not be sent to {one.owner.alert}; the log above says why")
    console.print(f"sent to {one.owner.alert}")


COMMANDS = (status, alert)
