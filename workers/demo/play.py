"""Direct the demo: play the acts, show what happens live, wait for quiet, and give the verdict."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from connector.config import Connector
from workers.demo.stage import Stage
from workers.demo.story import Story
from workers.demo.verdict import Verdict, judge
from workers.desk import Desk
from workers.operating import acting
from workers.operating.letters import Filter, find
from workers.stores.views import COUNTS

QUIET: Final = 60.0
"""Seconds that the last deliveries may take after the last act."""


def play(home: Path, *, once: bool, console: Console, patience: float = QUIET) -> int:
    """Run the demo; returns the exit code: 0 when everything was delivered once and in order."""
    home.parent.mkdir(parents=True, exist_ok=True)
    log_path = home.with_suffix(".log")
    console.print("Starting two Valkey servers, a receiver, two workers, the schedule, Flower and three sandboxes ...")
    with log_path.open("w", encoding="utf-8") as log, Stage(home, log=log) as stage:
        desk = _desk()
        show = _Show(stage, desk, console)
        story = Story(stage, show.say)
        story.dead = lambda: sum(books(desk, one).counts()["dead"] for one in _connectors(desk))
        story.replay = lambda: show.say(f"replayed {_replay_all(desk)} dead letters")
        with show.live():
            for act in story.acts():
                show.act(act.title)
                for _ in act.play():
                    show.refresh()
            show.act("waiting until everything is delivered")
            counts = _wait_until_quiet(desk, show, patience)
        verdict = judge(story.told, stage.served.sandboxes)
        _print_end(console, stage, counts, verdict)
        result = _result(counts, verdict)
        print(json.dumps(result), flush=True)  # noqa: T201 - the line that scripts read
        code = 0 if _holds(result) else 1
        if not once:
            _stay(console, stage)
    console.print(f"logs of all processes: {log_path}")
    return code


def _desk() -> Desk:
    from workers.cli.parts import parts, wired

    process, _ = parts(need_servers=True)
    return wired(process).desk()


def books(desk: Desk, connector: Connector) -> Any:
    """Return the books of a connector."""
    return desk.deliveries(connector)


def _connectors(desk: Desk) -> list[Connector]:
    return list(desk.config().connectors.values())


def _replay_all(desk: Desk) -> int:
    count = 0
    for connector in _connectors(desk):
        letters = find(desk, desk.config(), Filter(), [connector])
        if letters:
            by, order = acting.Actor("demo operator", "demo"), acting.new_order()
            acting.replay(desk, connector, letters, by, order=order, rate=1000, reason="the mapping is mended")
            count += len(letters)
    return count


def _wait_until_quiet(desk: Desk, show: _Show, patience: float) -> dict[str, int]:
    """Wait until nothing has been in flight for a while, so that the last webhooks have come back too."""
    limit, since = time.monotonic() + patience, 0.0
    counts = _sum(desk)
    while time.monotonic() < limit:
        time.sleep(0.2)
        show.refresh()
        fresh = _sum(desk)
        if fresh["in_flight"] or fresh != counts:
            since = time.monotonic()
        counts = fresh
        if time.monotonic() - since > 3.0:
            break
    return counts


def _sum(desk: Desk) -> dict[str, int]:
    total = dict.fromkeys(COUNTS, 0)
    for connector in _connectors(desk):
        for name, value in books(desk, connector).counts().items():
            total[name] += value
    return total


def _result(counts: dict[str, int], verdict: Verdict) -> dict[str, int]:
    return {
        **{name: counts[name] for name in COUNTS},
        "duplicates": len(verdict.duplicates),
        "lost": len(verdict.lost),
        "out_of_order": len(verdict.out_of_order),
    }


def _holds(result: dict[str, int]) -> bool:
    settled = result["delivered"] + result["skipped"] + result["dead"] + result["discarded"]
    return (
        result["accepted"] > 0
        and result["accepted"] == settled
        and not any(result[name] for name in ("in_flight", "duplicates", "lost", "out_of_order"))
    )


def _print_end(console: Console, stage: Stage, counts: dict[str, int], verdict: Verdict) -> None:
    table = Table(title="What the systems hold now", title_justify="left")
    for column in ("system", "holds", "effects in its ledger", "of them ours"):
        table.add_column(column)
    for name, sandbox in stage.served.sandboxes.items():
        effects = sandbox.ledger.effects
        table.add_row(
            name, _holds_what(name, sandbox.state()), str(len(effects)), str(sum(bool(e.marker) for e in effects))
        )
    console.print(table)
    settled = Table(title="Accounting", title_justify="left")
    for column in COUNTS:
        settled.add_column(column.replace("_", " "))
    settled.add_row(*(str(counts[name]) for name in COUNTS))
    console.print(settled)
    for word, found in (
        ("lost", verdict.lost),
        ("duplicate", verdict.duplicates),
        ("out of order", verdict.out_of_order),
    ):
        for sentence in found[:20]:
            console.print(Text(f"{word}: {sentence}", style="bold red"))


def _holds_what(name: str, state: Any) -> str:
    match name:
        case "jira":
            comments = sum(len(issue["fields"].get("comment", {}).get("comments", [])) for issue in state.values())
            return f"{len(state)} issues, {comments} comments"
        case "github":
            issues = [issue for one in state["repositories"].values() for issue in one["issues"]]
            return f"{len(issues)} issues, {sum(len(issue['comments']) for issue in issues)} comments"
        case _:
            return f"{json.dumps(state).count('thread_ts')} messages in threads"


def _stay(console: Console, stage: Stage) -> None:
    console.print(
        f"\nFlower      http://127.0.0.1:{stage.flower_port}  (user operator, password {stage.flower_password})"
    )
    console.print(f"receiver    http://127.0.0.1:{stage.receiver_port}/hooks/<connection>")
    console.print(f"sandboxes   {stage.served.url()}/_control/")
    console.print(f"commands    connector --home {stage.home} deliveries --settled, audit, doctor")
    console.print("Everything keeps running; stop with Ctrl-C.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("stopping ...")


class _Show:
    """The live picture: acts, what was said, and the counters of every connector."""

    def __init__(self, stage: Stage, desk: Desk, console: Console) -> None:
        self._stage, self._desk, self._console = stage, desk, console
        self._live: Live | None = None
        self._act = ""
        self._refreshed = 0.0

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show the counters while inside; on a terminal they move, elsewhere only the acts are printed."""
        if not self._console.is_terminal:
            yield
            return
        with Live(self._picture(), console=self._console, refresh_per_second=4, transient=True) as live:
            self._live = live
            yield
        self._live = None

    def act(self, title: str) -> None:
        """Begin an act."""
        self._act = title
        self._console.print(Text(f"● {title}", style="bold"))
        self.refresh()

    def say(self, sentence: str) -> None:
        """Tell the audience something."""
        self._console.print(Text(f"    {sentence}"))

    def refresh(self) -> None:
        """Show the counters anew, at most a few times a second; follow the configuration."""
        if time.monotonic() - self._refreshed < 0.25:
            return
        self._refreshed = time.monotonic()
        _follow()
        if self._live is not None:
            self._live.update(self._picture())

    def _picture(self) -> Group:
        written = sum(bool(e.marker) for one in self._stage.served.sandboxes.values() for e in list(one.ledger.effects))
        table = Table(
            caption=f"{written} writes out",
            title=f"Flower http://127.0.0.1:{self._stage.flower_port}",
            title_justify="left",
        )
        for column in ("connector", "events in", "delivered", "skipped", "retries", "dead", "in flight", "state"):
            table.add_column(column)
        for connector in _connectors(self._desk):
            found = books(self._desk, connector)
            counts = found.counts()
            table.add_row(
                connector.name,
                *(str(counts[name]) for name in ("accepted", "delivered", "skipped")),
                str(found.tally()["retries"]),
                *(str(counts[name]) for name in ("dead", "in_flight")),
                self._state(connector),
            )
        return Group(table)

    def _state(self, connector: Connector) -> str:
        for name in (connector.target.connection, connector.source.connection):
            state = self._desk.connections.state(name)
            if state.closed_until > self._desk.now_ms() or state.kind == "paused":
                return f"{name}: {state.kind}"
        return "running"


def _follow() -> None:
    from workers.process import this_process

    this_process().source.follow()
