"""Read what a process has cost, and say what two costs mean side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

PROC: Final = Path("/proc")


def cpu(pid: int) -> float:
    """Return the CPU seconds (user and kernel, all threads) that a process has used; its grain is 10 ms."""
    # The second field is the command's name and may hold spaces and brackets.
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure against one floor, a value a round each, interleaved.

    ``goal`` is what the ratio ours ÷ floor must reach: at most where less is better, else at least; None where it
    only informs.
    """

    measure: str
    floor: str
    unit: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    goal: float | None
    less_is_better: bool
    notes: dict[str, float] = field(default_factory=dict)

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ours ÷ floor in each round."""
        return tuple(mine / other for mine, other in zip(self.ours, self.theirs, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios: what slows a round slows both."""
        return median(self.ratios)

    @property
    def holds(self) -> bool:
        """Whether the goal is reached; without one it always is."""
        if self.goal is None:
            return True
        return self.ratio <= self.goal if self.less_is_better else self.ratio >= self.goal

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "measure": self.measure,
            "floor": self.floor,
            "unit": self.unit,
            "ours": round(median(self.ours), 3),
            "theirs": round(median(self.theirs), 3),
            "ratio": round(self.ratio, 3),
            "goal": "" if self.goal is None else f"{'<=' if self.less_is_better else '>='} {self.goal}",
            "holds": self.holds,
            "rounds": {"ours": [round(one, 3) for one in self.ours], "theirs": [round(one, 3) for one in self.theirs]},
            **({"notes": {name: round(value, 3) for name, value in self.notes.items()}} if self.notes else {}),
        }
