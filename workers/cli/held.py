"""Let go on what is paused or held, or make dead letters of it."""

from __future__ import annotations

import click

from connector.config import Connector
from workers.cli.dead import dead
from workers.cli.look import actor
from workers.cli.output import USAGE, as_json, console, fail, print_json
from workers.cli.parts import connector_named, parts, wired
from workers.desk import Desk
from workers.operating import acting
from workers.operating.acting import Actor


@click.command()
@click.argument("connector")
@click.option("--gate", default="", help="Only what is held behind this gate; 'connector status' names them.")
def resume(connector: str, gate: str) -> None:
    """Go on delivering: opens the connector, its gates and its connections, or one gate.

    With a gate that was shut for a cause the dead letters of that cause come back too.  What blocks behind a
    dead letter is opened by that letter's replay or discard.
    """
    process, _ = parts(need_servers=True)
    one = connector_named(process, connector)
    desk = wired(process).desk()
    if (stop := desk.stops(one)) is not None:
        fail(f"{connector} is {stop.words}; 'connector start {stop.option}' goes on")
    if gate:
        _check_gate(desk, one, gate)
    ready = acting.resume(desk, one, Actor(actor()), gate=gate)
    process.close()
    console.print(f"{gate or connector} goes on ({ready} parked subjects are ready again)")


def _check_gate(desk: Desk, connector: Connector, gate: str) -> None:
    names = [name for name in desk.deliveries(connector).gates() if not name.startswith("dead-")]
    if gate.startswith("dead-"):
        fail(f"{gate} is opened by the replay or the discard of its dead letter", USAGE)
    if gate not in names:
        fail(f"{connector.name} has no gate {gate}; there are: {', '.join(names) or 'none'}", USAGE)


@dead.command()
@click.argument("connector")
@click.option("--gate", required=True, help="What is held behind this gate; 'connector status' names them.")
@click.option("--reason", required=True, help="Why; it stays in the audit.")
@as_json
def bury(connector: str, gate: str, reason: str, *, as_json: bool) -> None:
    """Make dead letters of what is held behind a gate, to discard it or to replay it by itself.

    The first delivery of each item that waits there is buried; what comes after it goes on, and is held again
    where it fails for the same cause.
    """
    if not reason.strip():
        fail("the reason must not be empty", USAGE)
    process, _ = parts(need_servers=True)
    one = connector_named(process, connector)
    desk = wired(process).desk()
    _check_gate(desk, one, gate)
    buried = acting.bury(desk, one, Actor(actor()), gate, reason)
    process.close()
    print_json({"buried": buried}) if as_json else console.print(f"{buried} buried; 'connector dead list' shows them")


COMMANDS = (resume,)
