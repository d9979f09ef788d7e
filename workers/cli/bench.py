"""Measure this machine: what the product costs against hand-written programs."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from workers.cli.output import FAILED, USAGE, as_json, console, errors, fail, print_json, print_table, say

NAMES = ("accept", "deliver", "collapse", "idle", "tokens", "neighbour", "scale", "steady", "pending")


@click.command()
@as_json
@click.option(
    "--measure", "names", multiple=True, type=click.Choice(NAMES), help="Only this one; may be given several times."
)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1, 100), help="Interleaved rounds.")
@click.option(
    "--size",
    default=1_000_000,
    show_default=True,
    type=click.IntRange(2_000, 10_000_000),
    help="The most deliveries that wait in the measure 'pending'; a million take about 3 GB and some minutes.",
)
@click.option(
    "--plots",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write a table (Markdown) and a picture of each measure (PNG) into this folder.",
)
@click.option("--list", "lists", is_flag=True, help="Say what can be measured, and measure nothing.")
def bench(names: tuple[str, ...], rounds: int, size: int, plots: Path | None, *, lists: bool, as_json: bool) -> None:
    """Compare what the product costs with hand-written programs, side by side.

    Starts servers and processes of its own in a temporary folder; all measures together take about twenty minutes and
    want a quiet machine.  Only the ratios mean something elsewhere.  Exit code 1 if a goal is missed.
    """
    from workers.bench.gauge import PROC
    from workers.bench.measures import MEASURES

    if lists:
        told = {name: (MEASURES[name].__doc__ or "").partition("\n")[0] for name in NAMES}
        print_json(told) if as_json else print_table(("measure", "what it does"), told.items())
        return
    if not (PROC / "self" / "stat").exists():
        fail("the CPU of a process is read from /proc, which this system does not have")
    if plots is not None:
        _check_plots()
    each = {}
    for name in dict.fromkeys(names or NAMES):
        measure = partial(MEASURES[name], most=size) if name == "pending" else MEASURES[name]
        each[name] = measure(rounds, lambda line: say(line, style="dim", where=errors))
        if plots is not None:
            from workers.bench.plots import write

            write(each, plots)  # after each measure: what is stopped half-way has told something
    found = [one for some in each.values() for one in some]
    if as_json:
        print_json([one.as_json() for one in found])
    else:
        from workers.bench.table import COLUMNS, cells

        print_table(COLUMNS, [cells(one) for one in found])
        for one in found:
            for note, value in one.notes.items():
                console.print(f"{one.measure}: {note} {value:,.3g}")
    if not all(one.holds for one in found):
        sys.exit(FAILED)


def _check_plots() -> None:
    """Fail before anything is measured where pictures cannot be drawn."""
    try:
        import matplotlib as mpl  # noqa: F401 - whether it is there, before minutes are spent
    except ImportError:
        fail("pictures need matplotlib: pip install 'jira-connector-workers[bench]'", USAGE)


COMMANDS = (bench,)
