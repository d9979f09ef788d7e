"""Draw comparisons: one small picture per unit and the table beside it; needs matplotlib (extra ``bench``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

# Figure draws by itself; pyplot, which wants a screen, is not needed.
from matplotlib.figure import Figure

from workers.bench.gauge import Comparison
from workers.bench.table import markdown, number

OURS: Final = "#1f6feb"
FLOOR: Final = "#9aa0a6"
DOTS: Final = 90
"""Dots per inch: legible, and a picture stays far below 60 kB."""


def write(found: Mapping[str, Sequence[Comparison]], folder: Path) -> list[Path]:
    """Write ``table.md`` and a picture per measure and unit; returns all that was written.

    ``found`` holds what each measure compared, by its name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "table.md"
    table.write_text(markdown(one for some in found.values() for one in some), encoding="utf-8")
    written = [table]
    for name, some in found.items():
        for place, unit in enumerate(dict.fromkeys(one.unit for one in some)):
            path = folder / (f"{name}-{place + 1}.png" if place else f"{name}.png")
            _draw([one for one in some if one.unit == unit]).savefig(path, format="png")
            written.append(path)
    return written


def _draw(found: Sequence[Comparison]) -> Figure:
    """Draw bars of the medians, and a dot for each round."""
    figure = Figure(figsize=(7.2, 1.1 + 0.75 * len(found)), dpi=DOTS, layout="constrained")
    axes = figure.subplots()
    for place, one in enumerate(reversed(found)):
        for offset, values, colour in ((0.2, one.ours, OURS), (-0.2, one.theirs, FLOOR)):
            middle = sorted(values)[len(values) // 2]
            axes.barh(place + offset, middle, height=0.36, color=colour)
            axes.plot(values, [place + offset] * len(values), "k.", markersize=3)
            axes.annotate(
                number(middle), (max(values), place + offset), (4, 0), textcoords="offset points", va="center"
            )
    labels = [
        f"{one.measure}\nagainst {one.floor}\nratio {one.ratio:.2f}" + ("" if one.holds else ", goal missed")
        for one in reversed(found)
    ]
    axes.set_yticks(range(len(found)), labels, fontsize=8)
    axes.set_xlabel(found[0].unit)
    axes.margins(x=0.15)
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    bars = [axes.barh(0, 0, color=colour, label=label) for colour, label in ((OURS, "ours"), (FLOOR, "floor"))]
    figure.legend(handles=bars, loc="outside upper right", ncols=2, frameon=False, fontsize=8)
    return figure
