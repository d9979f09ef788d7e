"""Read what the deployment files start: the same few facts from compose, image and unit files."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
COMPOSE: Final = ROOT / "docker-compose.yml"
IMAGE: Final = ROOT / "deploy" / "Dockerfile"
UNITS: Final = ROOT / "deploy" / "systemd"
FOREIGN: Final = frozenset({"broker", "store"})
"""Services that run somebody else's image."""


@dataclass(frozen=True)
class Process:
    """One process that a deployment file starts; ``grace`` is the seconds it has to end."""

    source: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    grace: int | None

    def __str__(self) -> str:
        return self.source


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return loaded


def resolved(text: str) -> str:
    """Replace ``${NAME:-default}`` by the default."""
    return re.sub(r"\$\{[A-Z_]+(?::-([^}]*))?\}", lambda found: found[1] or "", text)


def instructions(path: Path = IMAGE) -> list[tuple[str, str]]:
    """Return (instruction, rest) of a Dockerfile, continuation lines joined."""
    lines = [one for one in path.read_text(encoding="utf-8").splitlines() if one and not one.startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(name, rest.strip()) for name, _, rest in (line.strip().partition(" ") for line in joined.splitlines())]


def unit(path: Path) -> dict[str, list[str]]:
    """Return the lines of a unit file by key; sections are not told apart, as no key is in two."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def seconds(text: str) -> int:
    match = re.fullmatch(r"(\d+)s?", text)
    assert match, f"give spans in seconds, not {text!r}"
    return int(match[1])


def processes() -> list[Process]:
    return [*_services(), *_image(), *_units()]


def _services() -> Iterator[Process]:
    for name, service in compose()["services"].items():
        if name not in FOREIGN:
            grace = service.get("stop_grace_period")
            environment = {key: str(value) for key, value in service["environment"].items()}
            yield Process(
                f"compose:{name}", tuple(service["command"]), environment, None if grace is None else seconds(grace)
            )


def _image() -> Iterator[Process]:
    told = instructions()
    environment = dict(
        pair.split("=", 1) for name, rest in told if name == "ENV" for pair in shlex.split(rest) if "=" in pair
    )
    for name, rest in told:
        if name == "CMD":
            yield Process("image", tuple(json.loads(rest)), environment, None)


def _units() -> Iterator[Process]:
    for path in sorted(UNITS.glob("*.service")):
        told = unit(path)
        pairs = [pair for line in told["Environment"] for pair in shlex.split(line)]
        (start,) = told["ExecStart"]
        program, *rest = shlex.split(start)
        (grace,) = told["TimeoutStopSec"]
        yield Process(
            f"systemd:{path.name}",
            (Path(program).name, *rest),
            dict(pair.split("=", 1) for pair in pairs),
            seconds(grace),
        )
