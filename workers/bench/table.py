"""Show comparisons as rows of a table, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Final

from workers.bench.gauge import Comparison

COLUMNS: Final = ("measure", "floor", "unit", "ours", "floor's", "ratio", "each round", "goal", "")


def cells(one: Comparison) -> tuple[str, ...]:
    """Return a row for `COLUMNS`; ``each round`` says how far the rounds' ratios lie apart."""
    goal = "" if one.goal is None else f"{'≤' if one.less_is_better else '≥'} {one.goal:g}"
    verdict = "" if one.goal is None else "holds" if one.holds else "missed"
    apart = f"{min(one.ratios):.2f} to {max(one.ratios):.2f}" if len(one.ratios) > 1 else ""
    ours, theirs = number(median(one.ours)), number(median(one.theirs))
    return (one.measure, one.floor, one.unit, ours, theirs, f"{one.ratio:.3g}", apart, goal, verdict)


def number(value: float) -> str:
    """Write a number with three digits that count, and without a power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def markdown(found: Iterable[Comparison]) -> str:
    """Return a Markdown table, and under it what else was noted."""
    found = list(found)
    lines = [_row(COLUMNS), _row("---" for _ in COLUMNS), *(_row(cells(one)) for one in found)]
    notes = [
        f"- {one.measure}: {', '.join(f'{name} {number(value)}' for name, value in one.notes.items())}"
        for one in found
        if one.notes
    ]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
