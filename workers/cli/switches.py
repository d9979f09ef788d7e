"""Stop and start connectors: one, those of a team, all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from workers.cli.look import actor
from workers.cli.output import FAILED, USAGE, as_json, fail, print_json, say, when
from workers.cli.parts import connector_named, parts, wired
from workers.cli.usage import chosen

if TYPE_CHECKING:
    from connector.config import Connector
    from workers.process import Process


def _whom(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--all", "everything", is_flag=True, help="All connectors, those of tomorrow too."),
        click.option("--team", help="The connectors of this team, those of tomorrow too."),
        click.option("--connector", help="This connector."),
    ):
        command = option(command)
    return command


@click.command()
@_whom
@click.option("--reason", required=True, help="Why; shown to whoever looks, and kept in the audit.")
@as_json
def stop(connector: str | None, team: str | None, reason: str, *, everything: bool, as_json: bool) -> None:
    """Stop connectors at once: nothing is written or polled; webhooks are taken in, and wait.

    A call that is under way ends.  `connector start` with the same option goes on.
    """
    from workers.operating import switches
    from workers.operating.acting import Actor

    if not reason.strip():
        fail("the reason must not be empty", USAGE)
    process, _ = parts(need_servers=True)
    scope = _scope(process, connector, team, everything=everything)
    if team:
        chosen(process, team, None)  # a typing error must not stop nobody
    thrown, names = switches.stop(wired(process).desk(), _all(process), scope, Actor(actor()), reason)
    process.close()
    if as_json:
        print_json({"scope": thrown.scope, "by": thrown.by, "reason": thrown.why, "stopped": names})
    else:
        whom = ", ".join(names) or "no connector that there is now"
        say(f"stopped: {whom} ({thrown.by}, {when(thrown.since)}: {thrown.why})")


@click.command()
@_whom
@as_json
def start(connector: str | None, team: str | None, *, everything: bool, as_json: bool) -> None:
    """Let connectors go on that `connector stop` has stopped with the same option.

    What another switch stops stays stopped: `connector start --all` starts no team that was stopped by itself.
    """
    from workers.operating import switches
    from workers.operating.acting import Actor

    process, _ = parts(need_servers=True)
    scope = _scope(process, connector, team, everything=everything)
    desk = wired(process).desk()
    names = switches.start(desk, _all(process), scope, Actor(actor()))
    process.close()
    if names is None:
        others = "; ".join(f"{one.scope} ({one.by}: {one.why})" for one in switches.thrown(desk))
        fail(f"{scope} is not stopped; stopped are: {others or 'none'}", FAILED)
    print_json({"scope": scope, "started": names}) if as_json else say(f"goes on: {', '.join(names) or 'no connector'}")


def _all(process: Process) -> list[Connector]:
    return list(process.source.current.connectors.values())


def _scope(process: Process, connector: str | None, team: str | None, *, everything: bool) -> str:
    from workers.stores.stops import ALL, connector_scope, team_scope

    if sum(map(bool, (connector, team, everything))) != 1:
        fail("give one of --connector, --team and --all", USAGE)
    if connector:
        return connector_scope(connector_named(process, connector).uid)
    return team_scope(team) if team else ALL


COMMANDS = (stop, start)
