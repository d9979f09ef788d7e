"""Check a configuration, and see whether everything outside answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from connector.errors import ConfigError, Problem
from workers.cli.output import FAILED, USAGE, as_json, console, errors, fail, print_json, say
from workers.cli.parts import parts, wired
from workers.cli.probing import Finding, ask, placed, probe, show, unseen
from workers.cli.snapshot import compared

if TYPE_CHECKING:
    from connector.config import Connector
    from workers.desk import Desk


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--live", is_flag=True, help="Also ask the systems: credentials, permissions, fields, choices, workflow.")
@as_json
def check(path: Path | None, *, live: bool, as_json: bool) -> None:
    """Check a configuration: all problems at once, each with file, line and path.  Exit code 2 if any.

    With --live every connector is also held against its target as it is now: does each field exist on the screens,
    do the named choices exist, may the account do what is needed, is everything required fed, does the workflow lead
    where issues shall go.  Nothing is written; exit code 1 if there is a problem.

    Without --live, and where there is a connector.lock.yaml (see `connector snapshot`), the fields, choices, statuses
    and labels that connectors name are compared with it, and nobody is asked.
    """
    from workers.env_file import filled
    from workers.files import Folder
    from workers.settings import Settings

    if path is not None:
        if not path.exists():
            fail(f"there is no {path}", USAGE)
        os.environ["CONNECTOR_HOME"] = str(path if path.is_dir() else path.parent)
        os.environ["CONNECTOR_CONFIG"] = "."
    settings = Settings.from_environment(filled(os.environ))
    folder = Folder(settings.home / settings.config, only=path if path is not None and path.is_file() else None)
    try:
        config = folder.read()
        known = [] if live else list(compared(folder, config))
    except ConfigError as error:
        _print_problems(error.problems, as_json=as_json)
        raise SystemExit(USAGE) from error
    findings = [*unseen(config), *known]
    if live:
        findings += list(ask(config))
    findings = list(placed(findings, folder.documents()))
    wrong = any(one.word == "problem" for one in findings)
    if as_json:
        print_json(
            {
                "hash": config.hash,
                "connectors": sorted(config.connectors),
                "problems": [],
                "warnings": list(config.warnings),
                "findings": [one.as_json() for one in findings],
            }
        )
    else:
        for warning in config.warnings:
            say(f"warning: {warning}", style="yellow", where=errors)
        show(findings)
        console.print(
            f"{len(config.connectors)} connector(s) over {len(config.connections)} connection(s),"
            f" configuration {config.hash}"
        )
    if wrong:
        raise SystemExit(FAILED)


def _print_problems(problems: tuple[Problem, ...], *, as_json: bool) -> None:
    if as_json:
        print_json(
            {"problems": [{"file": p.file, "line": p.line, "path": p.path, "message": p.message} for p in problems]}
        )
        return
    for problem in problems:
        say(str(problem), where=errors)
    say(f"{len(problems)} problem(s)", style="bold red", where=errors)


@click.command()
@as_json
def doctor(*, as_json: bool) -> None:
    """Ask everything outside whether it is as it must be: broker, store, credentials, clock.  Exit code 1 if not."""
    from workers.process import offline_process

    process, _ = parts(need_servers=True)
    desk, config = wired(process).desk(), process.source.current
    findings = [*_broker(process)]
    store = list(_store(process))
    findings += store
    answers = not any(one.text.startswith(SILENT) for one in store)
    # Without a store nothing is limited and nothing can be paused: what is outside is asked all the same.
    asking = desk if answers else wired(offline_process(), offline=True).desk()
    findings += [one for c in config.connections.values() for one in probe(asking, config, c)]
    findings += unseen(config)
    if answers:
        findings += [one for connector in config.connectors.values() for one in _books(desk, connector)]
    if as_json:
        print_json([one.as_json() for one in findings])
    else:
        show(findings)
    if any(one.word == "problem" for one in findings):
        raise SystemExit(FAILED)


def _broker(process: Any) -> Iterator[Finding]:
    from workers.app import app, broker_answers
    from workers.celery_settings import unsafe

    wrong = broker_answers()
    yield Finding("problem" if wrong else "ok", "broker", wrong or "answers")
    settings = process.settings
    for problem in unsafe(app.conf, turn=settings.turn.total_seconds(), call=settings.call.total_seconds()):
        yield Finding("problem", "celery", f"{problem.path}: {problem.message}")


SILENT: Final = "does not answer"
WEEK: Final = timedelta(days=7)
"""For how long a loss that is over is still news."""


def _store(process: Any) -> Iterator[Finding]:
    from workers.stores.durability import weaknesses
    from workers.stores.scripts import StoreError

    try:
        found = weaknesses(process.wiring.store)
    except StoreError as error:
        yield Finding("problem", "store", f"{SILENT}: {error}; what depends on it is not judged below")
        return
    for weak in found:
        yield Finding("problem", "store", weak)
    if not found:
        yield Finding("ok", "store", "answers, keeps everything on disk, evicts nothing")


def _books(desk: Desk, connector: Connector) -> Iterator[Finding]:
    """Say whether a connector's accounts add up, and what in them needs a person."""
    from workers.doubt import Doubt
    from workers.operating.standing import standing

    what, counts = f"connector {connector.name}", desk.deliveries(connector).counts()
    settled = sum(value for name, value in counts.items() if name != "accepted")
    word = "ok" if settled == counts["accepted"] else "problem"
    yield Finding(word, what, ", ".join(f"{name} {value}" for name, value in counts.items()))
    state = standing(desk, connector)
    if state.state in {"restored", "lost", "rebuild"}:
        yield Finding("problem", what, f"writes nothing: {state.why}")
    elif state.state in {"running", "shadow"} and state.why:
        yield Finding("warning", what, state.why)
    lost = Doubt.of(desk.deliveries(connector).forgotten())
    if lost is not None and desk.now() - lost.noticed < WEEK:
        noticed = f"its store went back in time, noticed {lost.noticed:%Y-%m-%d %H:%M} UTC"
        yield Finding("warning", what, f"{noticed}: connector audit {connector.name}")
    if counts["dead"]:
        yield Finding("warning", what, f"{counts['dead']} dead letters: connector dead list")


COMMANDS = (check, doctor)
