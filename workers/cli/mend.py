"""Mend: pause a connector, bring in the past; dead letters have a room of their own."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import click

from workers.cli import replays as _replays  # noqa: F401 - its commands join the group dead
from workers.cli.dead import dead
from workers.cli.look import actor
from workers.cli.output import USAGE, as_json, console, fail, print_json, progressing
from workers.cli.parts import connector_named, parts, wired
from workers.operating import acting
from workers.operating.acting import Actor


@click.command()
@click.argument("connector")
@click.option("--why", default="", help="Why; shown to whoever looks.")
def pause(connector: str, why: str) -> None:
    """Stop delivering for a connector; events are still taken in, and wait."""
    process, _ = parts(need_servers=True)
    one = connector_named(process, connector)
    acting.pause(wired(process).desk(), one, Actor(actor()), why)
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
