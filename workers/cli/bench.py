"""Measure this machine: what the product costs against hand-written programs."""

from __future__ import annotations

import json
import sys

import click
from rich.table import Table
from rich.text import Text

from workers.cli.output import FAILED, as_json, console, errors, fail

NAMES = ("accept", "deliver", "collapse", "idle", "tokens", "neighbour", "scale", "steady", "pending")


@click.command()
@as_json
@click.option(
    "--measure", "names", multiple=True, type=click.Choice(NAMES), help="Only this one; may be given several times."
)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1, 100), help="Interleaved rounds.")
def bench(names: tuple[str, ...], rounds: int, *, as_json: bool) -> None:
    """Compare what the product costs with hand-written programs, side by side.

    Starts servers and processes of its own in a temporary folder; takes a minute or two and wants a quiet machine.
    Only the ratios mean something elsewhere.  Exit code 1 if a goal is missed.
    """
    from workers.bench.gauge import PROC
    from workers.bench.measures import MEASURES

    if not (PROC / "self" / "stat").exists():
        fail("the CPU of a process is read from /proc, which this system does not have")
    found = []
    for name in names or NAMES:
        found += MEASURES[name](rounds, lambda line: errors.print(Text(line, style="dim")))
    if as_json:
        print(json.dumps([one.as_json() for one in found]))  # noqa: T201 - the line that scripts read
    else:
        table = Table()
        for column in ("measure", "floor", "unit", "ours", "floor's", "ratio", "goal", ""):
            table.add_column(column)
        for one in (comparison.as_json() for comparison in found):
            cells = (one["measure"], one["floor"], one["unit"], one["ours"], one["theirs"], one["ratio"], one["goal"])
            table.add_row(*(str(cell) for cell in cells), "holds" if one["holds"] else "missed")
        console.print(table)
    if not all(one.holds for one in found):
        sys.exit(FAILED)


COMMANDS = (bench,)
