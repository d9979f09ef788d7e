"""Read credentials from the ``.env`` of a folder, and write them there; what the environment says always wins.

The file stands in ``CONNECTOR_HOME``, so that a command needs no ``. ./.env`` before it.  It holds credentials: one
that other users of the machine may read is refused.  It is read once when a process starts; a variable that is
missing later is looked for again, so that one added for a new connection needs no restart.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, MutableMapping
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

from connector.errors import ConfigError, Problem

NAME: Final = ".env"
MOST_BYTES: Final = 1024 * 1024

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@+=,%-]*\Z")
_HERE: Final = frozenset({"CONNECTOR_HOME", "CONNECTOR_CONFIG"})


def filled(environment: MutableMapping[str, str]) -> MutableMapping[str, str]:
    """Add to an environment what it lacks and the ``.env`` of its CONNECTOR_HOME holds; returns it.

    A variable that is set but empty counts as not set.  Raises `ConfigError`.
    """
    for name, value in read(Path(environment.get("CONNECTOR_HOME") or ".") / NAME).items():
        # BROKER_URL of the file gives way to BROKER_URL_FILE of the environment too, and the other way round.
        twin = name.removesuffix("_FILE") if name.endswith("_FILE") else f"{name}_FILE"
        if not environment.get(name) and not environment.get(twin):
            environment[name] = value
    return environment


def read(path: Path) -> dict[str, str]:
    """Return the variables of a file, {} where there is none; raises `ConfigError` with all of its problems."""
    try:
        text = _text(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        # Not chained: the original error carries the bytes.
        raise _refused(path, "is not UTF-8 text") from None
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for one in parse_stream(StringIO(text)):
        # The parser counts empty lines in front of a line to it.
        said = one.original.string
        at = one.original.line + said[: len(said) - len(said.lstrip())].count("\n")
        if one.error or (one.key is not None and (one.value is None or not _VARIABLE.match(one.key))):
            # The line is not repeated: it may hold a credential.
            problems.append(Problem(str(path), at, "", "is not NAME=value"))
        elif one.key in _HERE:
            told = "says where this file is, so it cannot stand in it; set it in the environment"
            problems.append(Problem(str(path), at, one.key, told))
        elif one.key is not None and one.value is not None:
            found[one.key] = one.value
    if problems:
        raise ConfigError(tuple(problems))
    return found


def _text(path: Path) -> str:
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise _refused(path, "is not a regular file")
        if about.st_mode & (stat.S_IROTH | stat.S_IWOTH):
            raise _refused(path, f"holds credentials, and every user of this machine may read it: chmod 600 {path}")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise _refused(path, "is too large")
    return content.decode("utf-8-sig")


def _refused(path: Path, why: str) -> ConfigError:
    return ConfigError((Problem(str(path), 0, "", why),))


# --- writing --------------------------------------------------------------------------------------------------
def line(name: str, value: str) -> str:
    """Return the line of a variable, as this module, a shell (``. ./.env``) and compose read it alike.

    Raises ValueError for a value that they would not all read alike.
    """
    if _PLAIN.match(value):
        return f"{name}={value}\n"
    quote = "'" if "'" not in value else '"'
    made = f"{name}={quote}{value}{quote}\n"
    alike = value.isprintable() and [one.value for one in parse_stream(StringIO(made))] == [value]
    if not alike or (quote == '"' and set('"\\$`').intersection(value)):
        message = f"{name} holds characters that a .env file cannot hold safely; keep it in a file and say file:/path"
        raise ValueError(message)
    return made


def added(text: str, values: Mapping[str, str]) -> str:
    """Return the text of a file with variables added; one that has a value there keeps it."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for name, value in values.items():
        own = re.compile(rf"(export\s+)?{re.escape(name)}\s*=\s*")
        at = next((number for number, one in enumerate(lines) if own.match(one)), None)
        if at is None:
            lines.append(line(name, value))
        elif own.fullmatch(lines[at]):
            lines[at] = line(name, value)
    return "".join(lines)
