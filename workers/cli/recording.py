"""Write a mapping test from a recorded payload: today's outcome becomes what is expected from now on."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

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
    declared = {name: known.file for name, known in config.connectors.items()}
    head = "" if file == _beside(one.file) else f"connector: {what.connector}\n"
    _append(root / file, file, declared, head, document)
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
    return _beside(file) if alone else f"connectors/{connector}{TESTS[0]}"


def _append(path: Path, file: str, declared: Mapping[str, str], head: str, case: dict[str, Any]) -> None:
    """Write a case at the end of a file; what people wrote before it stays as it is, comments too."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if not before.strip():
        before = f"version: 1\n{head}cases:\n"
    item = "".join(f"  {line}" if line.strip() else line for line in as_yaml([case]).splitlines(keepends=True))
    after = f"{before.rstrip()}\n{item}"
    count = len(cases({file: before}, declared)[0]) if path.exists() else 0
    written, problems = cases({file: after}, declared)
    if problems or len(written) != count + 1:
        _cannot(file, problems)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(after, encoding="utf-8")


def _cannot(file: str, problems: Sequence[Problem]) -> NoReturn:
    for problem in problems:
        say(str(problem), where=errors)
    fail(f"{file} cannot be added to: cases: must be its last key, with its items two spaces in", USAGE)


def as_yaml(value: Any) -> str:
    """Write a value so that `connector.documents` reads the same, texts of several lines as people write them."""
    return yaml.dump(value, Dumper=_Blocks, sort_keys=False, allow_unicode=True, width=120)


_NUMBER: Final = re.compile(r"[-+]?\.?[0-9]")
_BREAK: Final = re.compile("[\x85\u2028\u2029]")
"""Ends a line in YAML 1.1, and is a character like any other in 1.2."""


class _Blocks(yaml.SafeDumper):
    """Knows what is text in YAML 1.1 and a number in 1.2: 1e5, 0E0."""


def _text(dumper: yaml.SafeDumper, text: str) -> Any:
    style = '"' if _NUMBER.match(text) or _BREAK.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Blocks.add_representer(str, _text)
