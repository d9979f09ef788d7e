"""Write a mapping test from a recorded payload: today's outcome becomes what is expected from now on."""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from connector.cases import Case, Expected, Given, cases
from connector.config import Config
from connector.documents import Place
from connector.errors import Problem
from connector.gathering import TESTS
from connector.trial import Outcome, shown
from workers.cli.output import USAGE, console, errors, fail, say
from workers.cli.parts import named_in


@dataclass(frozen=True, slots=True)
class Recording:
    """What is to be recorded: a payload of a connector's source, with its headers, under a name."""

    connector: str
    payload: Path
    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    linked: bool = False


def record(root: Path, config: Config, what: Recording, outcome: Callable[[Case], Outcome]) -> None:
    """Write a case below the configuration folder ``root``, with what ``outcome`` makes of it today."""
    one = named_in(config, what.connector)
    if not what.payload.is_file():
        fail(f"there is no file {what.payload}", USAGE)
    file = _file_of(config, one.file, what.connector)
    above = root / posixpath.dirname(file)
    payload = _kept(what.payload, root, above)
    relative = Path(os.path.relpath(payload.resolve(), above.resolve())).as_posix()
    given = Given(file=relative, headers=what.headers)
    case = Case(what.name, what.connector, given, Expected(), Place(file, 0), linked=what.linked)
    got = outcome(case).said()
    event = {"file": relative, **({"headers": dict(what.headers)} if what.headers else {})}
    document = {"name": what.name, "event": event, **({"linked": True} if what.linked else {}), "expect": got}
    _append(root / file, file, "" if file == _beside(one.file) else what.connector, document)
    console.print(f"wrote the case {what.name!r} into {file}; look at it before you keep it:")
    say(shown(got))


def _kept(payload: Path, root: Path, above: Path) -> Path:
    """Return the payload below the folder; one from elsewhere is copied beside the cases."""
    if payload.resolve().is_relative_to(root.resolve()):
        return payload
    kept = above / "payloads" / payload.name
    if kept.exists() and kept.read_bytes() != payload.read_bytes():
        fail(f"{kept} is there already and is another; rename {payload.name}", USAGE)
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(payload, kept)
    console.print(f"copied {payload} to {kept}")
    return kept


def _beside(file: str) -> str:
    stem, _ = posixpath.splitext(file)
    return stem + TESTS[0]


def _file_of(config: Config, file: str, connector: str) -> str:
    """Return the file that the cases of a connector are in: beside its own, where that holds no other connector."""
    alone = [one.file for one in config.connectors.values()].count(file) == 1
    return _beside(file) if alone and file.startswith("connectors/") else f"connectors/{connector}{TESTS[0]}"


def _append(path: Path, file: str, connector: str, case: dict[str, Any]) -> None:
    """Write a case at the end of a file; what people wrote before it stays as it is, comments too."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if not before.strip():
        before = "version: 1\n" + (f"connector: {connector}\n" if connector else "") + "cases:\n"
    item = yaml.dump([case], Dumper=_Blocks, sort_keys=False, allow_unicode=True, width=120)
    after = (
        before.rstrip()
        + "\n"
        + "".join(f"  {line}" if line.strip() else line for line in item.splitlines(keepends=True))
    )
    count = len(cases({file: before}, {connector or "x": _stem(file)})[0]) if path.exists() else 0
    written, problems = cases({file: after}, {connector or "x": _stem(file)})
    if problems or len(written) != count + 1:
        _cannot(file, problems)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(after, encoding="utf-8")


def _stem(file: str) -> str:
    return next(file.removesuffix(ending) for ending in TESTS if file.endswith(ending)) + ".yaml"


def _cannot(file: str, problems: Sequence[Problem]) -> NoReturn:
    for problem in problems:
        say(str(problem), where=errors)
    fail(f"{file} cannot be added to: cases: must be its last key, with its items two spaces in", USAGE)


class _Blocks(yaml.SafeDumper):
    """Writes texts of several lines as people do."""


def _text(dumper: yaml.SafeDumper, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Blocks.add_representer(str, _text)
