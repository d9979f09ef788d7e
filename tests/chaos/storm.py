"""Let a storm rage over the running product, heal everything, wait for quiet, and judge: one JSON line at the end.

    python -m tests.chaos.storm --minutes 5 --seed 1
    python -m tests.chaos.storm --hours 8        (storm after storm; ends at the first that is not survived)

The seed decides what is done and in which order, not when the processes meet it: a seed that failed is worth running
again, several times.  Exit code 1 unless nothing is lost, doubled, out of order or left unresolved, and no credential
is found where none may be.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.chaos.crowd import Crowd
from tests.chaos.ground import SYSTEMS, Ground
from tests.chaos.judge import Judge, Seen, Verdict
from tests.chaos.search import search
from tests.chaos.trouble import Trouble
from tests.e2e.town import until

STILL: Final = 25.0
"""Seconds without any change after which it is quiet: two polls and the longest wait for an index."""

FORBIDDEN: Final = ("lost", "duplicates", "inversions", "unresolved_intents", "in_flight", "dead", "secrets_found")
"""What must be 0 in the line."""


def say(sentence: str) -> None:
    """Tell whoever watches; the standard output is for the one line."""
    sys.stderr.write(f"{sentence}\n")


def storm(ground: Ground, crowd: Crowd, trouble: Trouble, chance: Random, *, seconds: float) -> None:
    """Rage: stormy and quiet stretches in turn, as some races show only when it is quiet."""
    end = time.monotonic() + seconds
    longest = end + seconds / 2
    act = fault = time.monotonic()
    turn, stormy = time.monotonic() + 10, True
    while (now := time.monotonic()) < end or (now < longest and not trouble.enough(seconds / 60)):
        if now > turn:
            turn, stormy = now + chance.uniform(5, 12), not stormy
        if now > act:
            crowd.act()
            act = now + chance.expovariate(6.0 if stormy else 0.8)
        more = now > fault
        if more:
            fault = now + chance.expovariate(0.7)
        trouble.step(more=more, clocked=True)
        time.sleep(0.02)


def quiet(ground: Ground, trouble: Trouble, *, patience: float) -> dict[str, int]:
    """Wait until nothing changes any more, as an operator does who brings back what died; returns the books."""
    until(ground.servers["store"].answers)
    limit = time.monotonic() + patience
    known: tuple[dict[str, int], int] = ({}, 0)
    since = time.monotonic()
    while time.monotonic() < limit and time.monotonic() - since < STILL:
        trouble.step(more=False, clocked=False)
        fresh = (ground.books(), sum(len(one.ledger.effects) for one in ground.served.sandboxes.values()))
        if fresh[0].get("dead"):
            trouble.done["replayed_letters"] += ground.replay()
        if fresh != known or fresh[0].get("in_flight") or fresh[0].get("dead"):
            since, known = time.monotonic(), fresh
        time.sleep(0.5)
    return known[0]


def report(ground: Ground, trouble: Trouble, books: dict[str, int], verdict: Verdict) -> dict[str, Any]:
    """Build the line."""
    postmen = ground.postmen
    faults = Counter(trouble.done) + ground.proxy.struck
    del faults["lines"]  # told by what each line did
    faults += Counter(hook_twice=sum(p.doubled for p in postmen), hook_late=sum(p.delayed for p in postmen))
    people = {"alice", "bob", *(ground.jira.site.by_login[name].id for name in ("ada", "grace"))}
    ours = [e for one in ground.served.sandboxes.values() for e in one.ledger.effects if e.actor not in people]
    calls = sum(ground.proxy.lines[name].requests for name in SYSTEMS)
    accepted = books.get("accepted", 0)
    return {
        "faults": dict(sorted(faults.items())),
        "accepted": accepted,
        "effects": len(ours),
        "lost": len(verdict.lost),
        "duplicates": len(verdict.duplicates),
        "inversions": len(verdict.inversions),
        "unresolved_intents": len(ground.unresolved()),
        "late_landed": len(verdict.late_landed),
        "secrets_found": 0,
        "overtaken": books.get("overtaken", 0),
        "late": books.get("late", 0),
        "went_back": books.get("restored", 0),
        "pairs_in_order": verdict.ordered,
        "in_flight": books.get("in_flight", 0),
        "dead": books.get("dead", 0),
        "calls": calls,
        "calls_per_event": round(calls / max(1, accepted), 2),
        "ended_unasked": len(trouble.unasked),
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
        seen = Seen.of(ground.served.sandboxes, ground.acknowledged, trouble.frozen, ground.proxy.held)
        verdict = Judge(crowd.told, seen).judge()
        line = report(ground, trouble, books, verdict)
        (home / "ledgers.json").write_text(
            json.dumps({name: one.ledger.rows() for name, one in ground.served.sandboxes.items()}, default=str)
        )
        for word in ("lost", "duplicates", "inversions", "late_landed"):
            for sentence in getattr(verdict, word)[:50]:
                say(f"{word}: {sentence}")
        for sentence in (*ground.unresolved(), *trouble.unasked):
            say(f"unresolved or unasked: {sentence}")
        if books.get("dead") or books.get("in_flight"):
            say(json.dumps(ground.json("dead", "list"), indent=1)[:6000])
        found = search(ground)
        for sentence in found[:50]:
            say(f"secret: {sentence}")
        line["secrets_found"] = len(found)
    return line


def holds(line: dict[str, Any]) -> bool:
    """Tell whether a storm was survived."""
    return line["accepted"] > 0 and not any(line[name] for name in FORBIDDEN)


def main(arguments: list[str] | None = None) -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.storm", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="how long it rages")
    parser.add_argument("--hours", type=float, default=0.0, help="storm after storm, each with the next seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave logs and data where they are, also if all is well")
    options = parser.parse_args(arguments)
    end = time.monotonic() + options.hours * 3600
    for seed in itertools.count(options.seed):
        home = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
        line = {"seed": seed, **run(home / "home", minutes=options.minutes, seed=seed)}
        if holds(line) and not options.keep:
            shutil.rmtree(home)
        else:
            say(f"logs and data: {home}")
        print(json.dumps(line), flush=True)  # noqa: T201 - the line that scripts read
        if not holds(line):
            return 1
        if time.monotonic() > end:
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
