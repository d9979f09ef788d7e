"""Let a storm rage over the running product, heal everything, wait for quiet, and judge: one JSON line at the end.

    python -m tests.chaos.storm --minutes 2 --seed 1

The seed decides what is done and in which order, not when the processes meet it: a seed that failed is worth running
again, several times.  Exit code 1 unless nothing is lost, doubled, out of order or left unresolved.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.chaos.crowd import Crowd
from tests.chaos.ground import Ground
from tests.chaos.judge import Judge, Seen, Verdict
from tests.chaos.trouble import Trouble
from tests.e2e.town import until

STILL: Final = 25.0
"""Seconds without any change after which it is quiet: two polls and the longest wait for an index."""


def say(sentence: str) -> None:
    """Tell whoever watches; the standard output is for the one line."""
    sys.stderr.write(f"{sentence}\n")


def storm(ground: Ground, crowd: Crowd, trouble: Trouble, chance: Random, *, seconds: float) -> None:
    """Rage: stormy and quiet stretches in turn, as some races show only when it is quiet."""
    end = time.monotonic() + seconds
    act = fault = time.monotonic()
    turn, stormy = time.monotonic() + 10, True
    while (now := time.monotonic()) < end:
        if now > turn:
            turn, stormy = now + chance.uniform(5, 12), not stormy
        if now > act:
            crowd.act()
            act = now + chance.expovariate(8.0 if stormy else 0.8)
        more = now > fault
        if more:
            fault = now + chance.expovariate(0.6)
        trouble.step(more=more)
        time.sleep(0.02)


def quiet(ground: Ground, trouble: Trouble, *, patience: float) -> dict[str, int]:
    """Wait until nothing changes any more; returns the books."""
    until(ground.servers["store"].answers)
    limit = time.monotonic() + patience
    known: tuple[dict[str, int], int] = ({}, 0)
    since = time.monotonic()
    while time.monotonic() < limit and time.monotonic() - since < STILL:
        trouble.step(more=False)
        fresh = (ground.books(), sum(len(one.ledger.effects) for one in ground.served.sandboxes.values()))
        if fresh != known or fresh[0].get("in_flight"):
            since, known = time.monotonic(), fresh
        time.sleep(0.5)
    return known[0]


def report(ground: Ground, trouble: Trouble, books: dict[str, int], verdict: Verdict) -> dict[str, Any]:
    """Build the line."""
    postmen = ground.postmen
    faults = dict(sorted(trouble.done.items()))
    faults |= {"hook_twice": sum(p.doubled for p in postmen), "hook_late": sum(p.delayed for p in postmen)}
    people = {"alice", "bob", *(ground.jira.site.by_login[name].id for name in ("ada", "grace"))}
    ours = [e for one in ground.served.sandboxes.values() for e in one.ledger.effects if e.actor not in people]
    return {
        "faults": faults,
        "accepted": books.get("accepted", 0),
        "effects": len(ours),
        "lost": len(verdict.lost),
        "duplicates": len(verdict.duplicates),
        "inversions": len(verdict.inversions),
        "unresolved_intents": len(ground.unresolved()),
        "late_landed": len(verdict.late_landed),
        "pairs_in_order": verdict.ordered,
        "in_flight": books.get("in_flight", 0),
        "dead": books.get("dead", 0),
    }


def run(home: Path, *, minutes: float, seed: int) -> dict[str, Any]:
    """Run one storm; returns the line."""
    chance = Random(seed)
    with Ground(home, Random(chance.random())) as ground:
        crowd = Crowd(ground, Random(chance.random()))
        trouble = Trouble(ground, Random(chance.random()))
        storm(ground, crowd, trouble, Random(chance.random()), seconds=minutes * 60)
        trouble.heal()
        books = quiet(ground, trouble, patience=240)
        verdict = Judge(crowd.told, Seen.of(ground.served.sandboxes, ground.acknowledged, trouble.frozen)).judge()
        line = report(ground, trouble, books, verdict)
        for word in ("lost", "duplicates", "inversions", "late_landed"):
            for sentence in getattr(verdict, word)[:50]:
                say(f"{word}: {sentence}")
        for sentence in (*ground.unresolved(), *trouble.unasked):
            say(f"unresolved or unasked: {sentence}")
        if books.get("dead") or books.get("in_flight"):
            say(json.dumps(ground.json("dead", "list"), indent=1)[:6000])
    return line


def holds(line: dict[str, Any]) -> bool:
    """Tell whether a storm was survived."""
    return line["accepted"] > 0 and not any(
        line[name] for name in ("lost", "duplicates", "inversions", "unresolved_intents", "in_flight")
    )


def main(arguments: list[str] | None = None) -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.storm", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="how long it rages")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave logs and data where they are, also if all is well")
    options = parser.parse_args(arguments)
    home = Path(tempfile.mkdtemp(prefix="chaos-"))
    line = {"seed": options.seed, **run(home / "home", minutes=options.minutes, seed=options.seed)}
    if holds(line) and not options.keep:
        shutil.rmtree(home)
    else:
        say(f"logs and data: {home}")
    print(json.dumps(line), flush=True)  # noqa: T201 - the line that scripts read
    return 0 if holds(line) else 1


if __name__ == "__main__":
    sys.exit(main())
