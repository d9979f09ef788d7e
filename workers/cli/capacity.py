"""Tell what a number of events a day needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from workers.cli.output import as_json, fail, print_json, print_table, say
from workers.cli.parts import parts, wired
from workers.cli.usage import chosen, size

if TYPE_CHECKING:
    from workers.operating.capacity import Capacity, Need

LAST: Final = 7
"""Days whose costs are taken."""


@click.command()
@click.option("--events-per-day", required=True, type=click.IntRange(1, 10**10), help="Events that are accepted a day.")
@click.option(
    "--peak-factor",
    default=4.0,
    show_default=True,
    type=click.FloatRange(1, 1440),
    help="How many times the mean the busiest hour brings.",
)
@click.option("--connector", help="Only of this connector; the others go on as in the last 7 days.")
@as_json
def capacity(events_per_day: int, peak_factor: float, connector: str | None, *, as_json: bool) -> None:
    """Show what a number of events a day needs: workers, API budget, memory and disk; and what is too little first.

    Reckoned from what events cost in the last 7 days (connector usage); for a connector with fewer than 100 events
    from measured defaults, which is said.  Exits 1 where something is too little for that many.
    """
    from workers.operating.capacity import capacity as reckon

    process, _ = parts(need_servers=True)
    connectors = chosen(process, None, connector)
    if not connectors:
        fail("no connector is declared; 'connector init' makes one")
    got = reckon(
        wired(process).desk(),
        process.source.current,
        connectors,
        events=events_per_day,
        peak=peak_factor,
        last=LAST,
        threads=process.settings.worker_threads,
    )
    if as_json:
        print_json(got.as_json())
    else:
        _show(got, process.settings.worker_threads)
    short = got.first is not None and got.first.binds_at is not None and got.first.binds_at < events_per_day
    raise SystemExit(int(short))


def _show(got: Capacity, threads: int) -> None:
    say(
        f"{got.events:,} events a day, {got.rate:.2f} a second in the busiest hour: "
        f"{got.processes} worker process{'es' if got.processes > 1 else ''} of {threads} threads "
        f"({got.threads} thread{'s' if got.threads > 1 else ''} are needed)"
    )
    print_table(
        ("what", "where", "needed", "there is", "enough for events a day"),
        (
            (
                one.what,
                one.where,
                _amount(one, one.needed),
                "" if one.have is None else _amount(one, one.have),
                "" if one.binds_at is None else f"{one.binds_at:,}",
            )
            for one in got.needs
        ),
    )
    if got.first is not None:
        say(f"first too little: {got.first.what} of {got.first.where}, from {got.first.binds_at:,} events a day on")
    guessed = sorted(name for name, events in got.measured.items() if not events)
    if guessed:
        say(
            f"too few events in the last {LAST} days to know what one costs: {', '.join(guessed)}. "
            "Taken instead: a new Jira issue, 3 calls of 0.2 s, 1.4 ms of CPU (docs/benchmarks.md)"
        )


def _amount(need: Need, number: float) -> str:
    if need.unit == "bytes":
        return size(number)
    return f"{number:,.1f}" if number < 100 else f"{number:,.0f}"


COMMANDS = (capacity,)
