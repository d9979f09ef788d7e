"""Keep what a person has answered until everything is known, and write it then: all of it, and over nothing.

Each file appears whole or not at all, and only the ``.env`` is ever changed, by what is added to it.  Ctrl-C before
the end leaves the folder as it was; during the moment of writing it waits.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from connector.config import Config
from connector.documents import MOST_BYTES
from connector.errors import ConfigError, Problem
from connector.loading import load
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from workers import env_file
from workers.files import FOLDERS, SINGLE_FILES, configured, load_folder, ready_made

INSTANCE: Final = "main"

GITIGNORE: Final = f"{env_file.NAME}\n.connector/\n"
"""What must not get into a repository: credentials, and what the embedded servers keep."""


@dataclass(slots=True)
class Draft:
    """What is to be written below ``home`` (for ``.env``) and ``folder`` (for YAML)."""

    home: Path
    folder: Path
    connections: dict[str, dict[str, Any]] = field(default_factory=dict)
    connectors: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """Variable -> credential, for ``.env``."""

    def found(self) -> dict[str, bytes]:
        """Return the files that are there already; raises `ConfigError` where they cannot be read."""
        if not self.folder.is_dir():
            if self.folder.exists():
                raise ConfigError((Problem(str(self.folder), 0, "", "is not a folder"),))
            return {}
        names = [path for path in configured(self.folder) if path.suffix in {".yaml", ".yml"}]
        if not any((self.folder / name).is_dir() for name in FOLDERS):
            # Once there are folders, only files of these names are read beside them.
            hidden = [path for path in names if path.stem not in SINGLE_FILES and _is_configuration(path)]
            if hidden:
                told = "would no longer be read beside folders: move it into connectors/, or call it connector.yaml"
                raise ConfigError(tuple(Problem(path.name, 0, "", told) for path in hidden))
            names = [path for path in names if path.stem in SINGLE_FILES]
        return load_folder(self.folder) if names else {}

    def config(self, texts: Mapping[str, bytes] | None = None) -> Config:
        """Load what is there together with what is drafted; raises `ConfigError` with all problems.

        ``texts``: what is there, where it has been read already.
        """
        there = self.found() if texts is None else texts
        made = {name: text.encode() for name, text in self.texts(there).items()}
        if not there and not made:
            return Config(instance=INSTANCE, connections={}, connectors={}, hash="")
        return load({**there, **made}, SYSTEMS, TRANSFORMS, ready_made(), variables=os.environ)

    def texts(self, there: Mapping[str, bytes]) -> dict[str, str]:
        """Return the YAML files to write: name below ``folder`` -> text, under names that are free."""
        texts: dict[str, str] = {}
        if self.connections:
            first = not any(name.endswith((".yaml", ".yml")) for name in there)
            document: dict[str, Any] = {"version": 1}
            # It goes into every mark that is left in a target; only the first file says it.
            document |= {"instance": INSTANCE} if first else {}
            name = "main" if first else next(iter(self.connections))
            texts[_free(f"connections/{name}", there)] = _yaml({**document, "connections": self.connections})
        for name, connector in self.connectors.items():
            texts[_free(f"connectors/{name}", there)] = _yaml({"version": 1, "name": name, **connector})
        return texts

    def planned(self) -> list[Path]:
        """Return the files that `write` will make or add to."""
        paths = [self.folder / name for name in self.texts(self.found())]
        if self.secrets:
            paths.append(self.home / env_file.NAME)
        return [*paths, *([self.home / ".gitignore"] if self._ignores() else [])]

    def write(self) -> list[Path]:
        """Write everything; returns what was written.  Raises OSError, and then nothing new is left behind."""
        texts = {self.folder / name: text for name, text in self.texts(self.found()).items()}
        if self._ignores():
            texts[self.home / ".gitignore"] = GITIGNORE
        with contextlib.ExitStack() as stack:
            made = [(stack.enter_context(_beside(path, text)), path) for path, text in texts.items()]
            env = self._env(stack)
            stack.enter_context(_undisturbed())
            done: list[Path] = []
            try:
                # Credentials first: a running process that takes up the new files finds them.
                if env is not None:
                    env[0].replace(env[1])
                for temporary, path in made:
                    _appear(temporary, path)
                    done.append(path)
            except BaseException:
                for path in done:
                    path.unlink(missing_ok=True)
                raise
        return [*texts, *([self.home / env_file.NAME] if env is not None else [])]

    def _env(self, stack: contextlib.ExitStack) -> tuple[Path, Path] | None:
        if not self.secrets:
            return None
        path = (self.home / env_file.NAME).resolve()
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        mode = path.stat().st_mode & 0o770 if path.exists() else 0o600
        after = env_file.added(before, self.secrets)
        return stack.enter_context(_beside(path, after, mode=mode)), path

    def _ignores(self) -> bool:
        return bool(self.secrets) and not (self.home / ".gitignore").exists()


def _is_configuration(path: Path) -> bool:
    with path.open("rb") as file:
        text = file.read(MOST_BYTES)
    return all(re.search(word, text, re.MULTILINE) for word in (rb"^version:", rb"^(connect|from:|to:)"))


def _free(name: str, there: Mapping[str, bytes]) -> str:
    stems = {one.rpartition(".")[0] for one in there}
    number = 1
    while (tried := name if number == 1 else f"{name}-{number}") in stems:
        number += 1
    return f"{tried}.yaml"


def _yaml(document: Any) -> str:
    told = "# Written by connector init and yours from now on; docs/configuration.md tells what may stand here.\n"
    return told + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


@contextlib.contextmanager
def _beside(path: Path, text: str, *, mode: int = 0o666) -> Iterator[Path]:
    """Have a text in a hidden file beside its place while the context lasts; it is gone afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if mode != 0o666:
                os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _appear(temporary: Path, path: Path) -> None:
    """Give a file its name, unless the name is taken; raises FileExistsError."""
    try:
        os.link(temporary, path)  # unlike a rename it refuses
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS} or path.exists():
            raise
        temporary.rename(path)  # a file system without links


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Ctrl-C wait until the context ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
