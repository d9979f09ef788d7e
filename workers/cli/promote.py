"""Let a connector write, after it has shown what it would do; or take it back to shadow mode."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from connector.config import Mode
from connector.editing import CannotEdit
from workers.cli.look import actor
from workers.cli.output import FAILED, USAGE, as_json, fail, print_json, say
from workers.cli.parts import connector_named, parts, wired

if TYPE_CHECKING:
    from connector.config import Connector
    from workers.desk import Desk
    from workers.operating.fidelity import Fidelity
    from workers.operating.modes import Switch
    from workers.process import Process

MOST = 5
"""Causes of refusals that are named."""

_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command()
@click.argument("connector")
@_yes
@click.option("--force", is_flag=True, help="Also where shadow mode has seen no event, or the connector is paused.")
@click.option("--dry-run", is_flag=True, help="Only say what it would do.")
@as_json
def promote(connector: str, *, yes: bool, force: bool, dry_run: bool, as_json: bool) -> None:
    """Let CONNECTOR write: switch its file from mode: shadow to mode: live, after saying what that will do.

    Going live starts at now: what shadow mode has seen is not delivered afterwards, cursors of polls go on, and what
    still waits is delivered.  Nothing but the mode changes in the file; processes follow it within seconds.
    """
    from workers.operating.fidelity import fidelity

    process, _ = parts(need_servers=True)
    one = connector_named(process, connector)
    if one.mode is Mode.LIVE:
        _already(one, as_json=as_json)
        return
    desk = wired(process).desk()
    found = fidelity(desk, one)
    if one.mode is Mode.PAUSED and not force:
        fail(
            f"{connector} is paused in its file; let it run in shadow mode first (connector demote), or --force", USAGE
        )
    if not found.events and not force:
        fail(
            f"{connector} has seen no event in shadow mode yet; wait for one, look at one with "
            f"connector preview {connector} ITEM, or --force",
            FAILED,
        )
    change = _prepared(process, one, Mode.LIVE)
    waiting = desk.deliveries(one).counts()["in_flight"]
    told = [*foretold(found, waiting), *_examined(desk, one), *_braked(one), line(change)]
    done = not dry_run and _agreed(told, f"Let {connector} write?", yes=yes, quiet=as_json)
    if done:
        _write(process, one, change, "promote", seen=found.events, refused=found.outcomes.get("refused", 0))
    if as_json:
        print_json({**_as_json(change, done=done), "waiting": waiting, "report": found.as_json(), "told": told})
    elif dry_run:
        for text in told:
            say(text)
    elif done:
        say(f"{connector} is live; connector demote {connector} takes it back", style="green")
        _publish(process)


@click.command()
@click.argument("connector")
@_yes
@as_json
def demote(connector: str, *, yes: bool, as_json: bool) -> None:
    """Take CONNECTOR back to shadow mode: from then on it writes nothing, and its report begins.

    Links stay, so that shadow mode compares with what it has written.  What comes in meanwhile is not delivered when
    it is promoted again.
    """
    process, running = parts()
    one = connector_named(process, connector)
    if one.mode is Mode.SHADOW:
        _already(one, as_json=as_json)
        return
    change = _prepared(process, one, Mode.SHADOW)
    told = [f"{connector} writes nothing from then on; what comes in is not delivered later", line(change)]
    if not _agreed(told, f"Take {connector} back to shadow mode?", yes=yes, quiet=as_json):
        return
    if running:
        _write(process, one, change, "demote")
    else:
        _apply(change)
    if as_json:
        print_json(_as_json(change, done=True))
        return
    say(f"{connector} is in shadow mode", style="green")
    _publish(process)
    if not running:
        say("no store runs here, so the audit has no row of it")


def foretold(found: Fidelity, waiting: int) -> list[str]:
    """Say what going live will do, as far as shadow mode has seen."""
    from workers.operating.fidelity import refusals, summary

    lines = list(summary(found))
    if found.events:
        lines.append(f"it will create about {found.creates_an_hour:.1f} items an hour")
    conflicts = {name: row["conflict"] for name, row in found.fields.items() if row["conflict"]}
    if conflicts:
        told = ", ".join(f"{name} ({number})" for name, number in conflicts.items())
        lines.append(f"it would write over what people changed in the target: {told}")
    for error, number in refusals(found)[:MOST]:
        lines.append(f"will fail: {error}, {number} events so far; they become dead letters")
    if len(found.refused) > MOST:
        lines.append(f"and {len(found.refused) - MOST} more causes: connector shadow report {found.connector}")
    if waiting:
        lines.append(f"{waiting} deliveries wait now, and will be delivered")
    lines.append("it starts at now: what shadow mode has seen is not delivered; cursors go on")
    return lines


def _examined(desk: Desk, one: Connector) -> list[str]:
    """Say what the last examination found; nothing is asked of the target for it."""
    from connector.documents import written
    from workers.examination import examined

    last = examined(desk.deliveries(one))
    if last is None:
        return ["its target was not examined yet: connector check --live does"]
    return [f"does not fit its target: {written(each.path)}: {each.text}; {each.act}" for each in last.problems]


def _braked(one: Connector) -> list[str]:
    from connector.declare import spoken

    if one.brake is None or not one.creates:
        return []
    brake = f"{one.brake.creations} creations within {spoken(one.brake.within)} of the first"
    return [f"if it is new, it is held after {brake}, until connector resume {one.name}"]


def line(change: Switch) -> str:
    """Say what changes in which line."""
    edit = change.edit
    return f"{edit.file}:{edit.line}: {edit.before.strip() or '(a new line)'} → {edit.after.strip()}"


def _already(one: Connector, *, as_json: bool) -> None:
    if as_json:
        print_json({"connector": one.name, "mode": one.mode.value, "changed": False})
    else:
        say(f"{one.name} is {one.mode.value} already; nothing to do")


def _prepared(process: Process, one: Connector, mode: Mode) -> Switch:
    from workers.operating.modes import switch

    try:
        return switch(process.settings.home / process.settings.config, one, mode, os.environ)
    except CannotEdit as error:
        fail(f"{error} (where configurations are published: connector apply)" if _published(process) else str(error))


def _published(process: Process) -> bool:
    from workers.settings import ConfigSource

    return process.settings.config_source is ConfigSource.STORE


def _agreed(told: list[str], question: str, *, yes: bool, quiet: bool) -> bool:
    if quiet and not yes:
        fail("--json asks nothing: say --yes too, or --dry-run", USAGE)
    if not quiet:
        for text in told:
            say(text)
    if yes:
        return True
    try:
        return click.confirm(question)
    except click.Abort:
        fail("nobody answered; nothing was changed (--yes does not ask)", FAILED)


def _write(process: Process, one: Connector, change: Switch, action: str, **more: Any) -> None:
    from workers.operating.acting import Actor, looked

    _apply(change)
    desk = wired(process).desk()
    desk.deliveries(one).forget_shadowed()
    looked(desk, one, Actor(actor()), action, file=change.edit.file, line=change.edit.line, **more)
    process.close()


def _apply(change: Switch) -> None:
    try:
        change.write()
    except CannotEdit as error:
        fail(str(error), FAILED)


def _publish(process: Process) -> None:
    if _published(process):
        say("processes follow the published configuration: connector apply publishes the changed file", style="yellow")


def _as_json(change: Switch, *, done: bool) -> dict[str, Any]:
    edit = change.edit
    return {"changed": done, "file": edit.file, "line": edit.line, "before": edit.before, "after": edit.after}


COMMANDS = (promote, demote)
