"""Keep the names at the connections in a file for git, and compare a configuration with them offline."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.config import Config
from connector.errors import ConfigError, ConnectorError, Unauthorized
from connector.judging import against, unsure
from connector.listed import Listed
from connector.lock import FILE, MOST_BYTES, Entry, Lock, Question, dumped, kept, loaded, questions
from connector.registry import SYSTEMS
from workers.cli.asking import read
from workers.cli.output import FAILED, as_json, errors, print_json, say
from workers.cli.parts import parts
from workers.cli.probing import Finding, told

if TYPE_CHECKING:
    from workers.files import Folder


# --- comparing ---------------------------------------------------------------------------------------------
def compared(folder: Folder, config: Config) -> Iterator[Finding]:
    """Say what is wrong with a configuration by the lock beside it; nothing where there is none.

    Raises `ConfigError` where the lock is none.
    """
    lock = _lock(folder.path)
    if lock is None:
        return
    for connector in config.connectors.values():
        yield from (told(connector, one) for one in against(config, lock, SYSTEMS, connector))
    for text in unsure(config, lock, SYSTEMS, datetime.now(UTC).date()):
        yield Finding("warning", FILE, text, act="write it anew with connector snapshot")


def _lock(folder: Path) -> Lock | None:
    path = folder / FILE
    if not path.exists():
        return None
    with path.open("rb") as file:
        return loaded(FILE, file.read(MOST_BYTES + 1))


# --- looking -----------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Looked:
    """What was found at the connections; ``failed`` says why a list could not be had."""

    entries: dict[Question, Entry] = field(default_factory=dict)
    failed: dict[Question, str] = field(default_factory=dict)


@click.command()
@as_json
def snapshot(*, as_json: bool) -> None:
    """Write connector.lock.yaml: the names that there are at the connections, for `connector check` in CI.

    It holds names and ids of the fields, options, statuses, labels and channels that the connectors use; no
    people and no secrets.  Commit it: then `connector check` finds wrong names without any credential.  A list that
    cannot be had is left as it was, and the exit code is 1.
    """
    process, _ = parts()
    config, folder = process.source.current, process.settings.home / process.settings.config
    try:
        before = _lock(folder) or Lock({})
    except ConfigError as error:
        say(f"what is there is written anew: {error.problems[0]}", style="yellow", where=errors)
        before = Lock({})
    looked = _look(config, quiet=as_json)
    old = {one: before.entries[one] for one in looked.failed if one in before.entries}
    lock = Lock({**old, **looked.entries})
    path = folder / FILE
    if lock.entries or before.entries:
        _write(path, dumped(lock))
    changes = {one: _changes(before.entries.get(one), entry) for one, entry in looked.entries.items()}
    if as_json:
        print_json({"file": str(path), "lists": _shown(looked, changes), "written": path.exists()})
    else:
        for one, entry in looked.entries.items():
            say(f"{one}: {len(entry.rows)}{_in_words(changes[one])}")
        for one, why in looked.failed.items():
            say(
                f"{one}: {why}; {'what was known of it is kept' if one in old else 'nothing is known of it'}",
                style="red",
            )
        say(f"wrote {path}" if lock.entries else "no connector uses anything that could be written down")
    if looked.failed:
        raise SystemExit(FAILED)


def _look(config: Config, *, quiet: bool) -> _Looked:
    """Ask every question of a configuration; a list that answers several is asked for once."""
    looked, today = _Looked(), datetime.now(UTC).date()
    answers: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[Listed]] = {}
    deaf: dict[str, str] = {}
    for one in questions(config, SYSTEMS):
        if one.connection in deaf:
            looked.failed[one] = deaf[one.connection]
            continue
        key = (one.connection, one.kind, tuple(one.query.items()))
        try:
            if key not in answers:
                lister = SYSTEMS[config.connections[one.connection].system].lists[one.kind]
                answers[key] = read(one.connection, lister, one.kind, one.query, quiet=quiet)
        except ConnectorError as error:
            looked.failed[one] = f"{type(error).__name__}: {error}"
            if isinstance(error, Unauthorized):
                deaf[one.connection] = looked.failed[one]
        else:
            looked.entries[one] = Entry(today, kept(one, answers[key]))
    return looked


def _changes(before: Entry | None, now: Entry) -> dict[str, list[str]]:
    """Say what is new, gone, or not what it was, by name; nothing where there was no answer before."""
    if before is None:
        return {}
    old, new = ({row.id: row for row in one.rows} for one in (before, now))
    found = {
        "new": [row.name for row in now.rows if row.id not in old],
        "gone": [row.name for row in before.rows if row.id not in new],
        "changed": [row.name for row in now.rows if row.id in old and old[row.id] != row],
    }
    return {word: names for word, names in found.items() if names}


def _in_words(changes: Mapping[str, list[str]]) -> str:
    return "".join(f"; {word}: {', '.join(names)}" for word, names in changes.items())


def _shown(looked: _Looked, changes: Mapping[Question, Mapping[str, list[str]]]) -> list[dict[str, Any]]:
    def one(question: Question) -> dict[str, Any]:
        return {"connection": question.connection, "list": question.kind, "of": dict(question.of)}

    rows = [{**one(name), "rows": len(entry.rows), **changes[name]} for name, entry in looked.entries.items()]
    return rows + [{**one(name), "failed": why} for name, why in looked.failed.items()]


def _write(path: Path, text: str) -> None:
    """Replace the file as a whole: a check that reads it meanwhile sees the old or the new one."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".lock-", delete=False) as file:
        file.write(text)
    Path(file.name).chmod(0o666 & ~_umask())
    Path(file.name).replace(path)


def _umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


COMMANDS = (snapshot,)
