"""Tell what connectors and teams used."""

from __future__ import annotations

import csv
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from workers.cli.output import USAGE, as_json, fail, print_json, print_table, say
from workers.cli.parts import connector_named, parts, wired

if TYPE_CHECKING:
    from connector.config import Connector
    from workers.process import Process


@click.command()
@click.option("--team", help="Only connectors of this team.")
@click.option("--connector", help="Only this connector.")
@click.option("--since", default="7d", show_default=True, metavar="DAYS", help="How many days (UTC), today included.")
@click.option(
    "--by",
    default="connector",
    show_default=True,
    type=click.Choice(["connector", "team", "day"]),
    help="What to add up by.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, one row for each connector and day.")
@as_json
def usage(team: str | None, connector: str | None, since: str, by: str, *, as_csv: bool, as_json: bool) -> None:
    """Show what connectors and teams used: events, writes, API calls, CPU, bytes, failures; by day for 90 days.

    --json and --csv print a row for each connector and day, whatever --by says.  CPU is that of turns and polls;
    what the receiver and Celery take is nobody's.  A team is the one that owns the connector today.
    """
    from workers.operating.usage import NAMES, Used, grouped
    from workers.operating.usage import usage as look

    if as_csv and as_json:
        fail("give either --csv or --json", USAGE)
    last = _days(since)
    process, _ = parts(need_servers=True)
    rows = look(wired(process).desk(), chosen(process, team, connector), last)
    if as_json or as_csv:
        written = [
            {"day": str(one.day), "connector": one.connector, "team": one.team, **one.used.as_json()} for one in rows
        ]
        print_json(written) if as_json else _print_csv(("day", "connector", "team", *NAMES), written)
        return
    found = grouped(rows, by)
    total = sum(found.values(), Used())
    print_table(
        (by, "events", "delivered", "skipped", "writes", "calls", "CPU s", "sent", "received", "dead", "retried"),
        [(name or "(no team)", *_cells(one)) for name, one in found.items()] + [("all", *_cells(total))],
        title=f"the last {last} days (UTC), today included",
    )
    if total.events and not total.calls:
        say("what was called and used is counted from the first delivery after an upgrade on")


def chosen(process: Process, team: str | None, connector: str | None) -> list[Connector]:
    """Return the connectors of a team, one connector, or all; ends where there is none."""
    if connector:
        one = connector_named(process, connector)
        if team and one.owner.team != team:
            fail(f"{connector} belongs to {one.owner.team or 'no team'}, not to {team}", USAGE)
        return [one]
    found = list(process.source.current.connectors.values())
    if not team:
        return found
    teams = sorted({one.owner.team for one in found if one.owner.team})
    if team not in teams:
        fail(f"no connector is owned by team {team!r}; there are: {', '.join(teams) or 'none'}", USAGE)
    return [one for one in found if one.owner.team == team]


def _days(since: str) -> int:
    from workers.stores.usage import DAYS

    match = re.fullmatch(r"(\d{1,3})d", since)
    if match is None or not 1 <= int(match[1]) <= DAYS:
        fail(f"--since {since!r} must be a number of days from 1d to {DAYS}d: usage is kept by day (UTC)", USAGE)
    return int(match[1])


def _cells(used: Any) -> tuple[Any, ...]:
    sizes = (size(used.sent), size(used.received))
    return (
        *(used.events, used.delivered, used.skipped, used.writes, used.calls, f"{used.cpu:.2f}"),
        *(*sizes, used.dead, used.retried),
    )


def size(number: float) -> str:
    """Write a number of bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _print_csv(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    out = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    out.writeheader()
    out.writerows(rows)


COMMANDS = (usage,)
