"""Read configuration folders and credentials from disk, and notice when they change.

A folder holds ``connections/`` and ``connectors/`` (with folders of teams below), tables of people as
``.csv`` beside them, and may hold everything in one ``connector.yaml`` instead.  Other files of the
same folder, such as a ``docker-compose.yml``, are not ours and are not looked at.  What `Folder` reads is
judged by `connector.loading`; only what cannot be read at all is a problem here.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from connector.config import Config
from connector.documents import MOST_BYTES, Document
from connector.errors import ConfigError, Problem, Unauthorized
from connector.gathering import MOST_FILES, MOST_PEOPLE_BYTES, TESTS
from connector.loading import documents, load, resolved
from connector.lock import FILE as LOCK_FILE
from connector.ports import Secret, SecretRef
from connector.registry import SYSTEMS
from connector.speaks import Speaks
from connector.transforms import TRANSFORMS
from workers.bundle import Bundle

log = logging.getLogger("connector.files")

FOLDERS: Final = ("connections", "connectors")
SINGLE_FILES: Final = ("connector", "connectors", "connections")
MOST_SECRET_BYTES: Final = 64 * 1024
MOST_TOTAL_BYTES: Final = 64 * 1024 * 1024

_YAML: Final = frozenset({".yaml", ".yml"})
_FOREIGN: Final = ("docker-compose", "compose", "mkdocs", "pre-commit-config")


def ready_made() -> dict[str, bytes]:
    """Return the ready-made connectors: name -> YAML."""
    return {name.removesuffix(".yaml"): text for name, text in _templates().items() if not name.endswith(TESTS)}


def ready_made_cases() -> dict[str, bytes]:
    """Return the mapping tests of ready-made connectors: name of the connector -> YAML."""
    return {name.removesuffix(TESTS[0]): text for name, text in _templates().items() if name.endswith(TESTS)}


def _templates() -> dict[str, bytes]:
    folder = files("connector") / "templates"
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.name.endswith(".yaml")}


class Folder:
    """A configuration on disk.

    ``only`` narrows it to one file (and the tables of people beside it).  ``variables`` are what
    ``${NAME}`` may stand for.
    """

    def __init__(
        self,
        path: Path,
        *,
        only: Path | None = None,
        systems: Mapping[str, Speaks] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        self.only = only
        self._systems: Mapping[str, Speaks] = SYSTEMS if systems is None else systems
        self._variables = os.environ if variables is None else variables

    def read(self) -> Config:
        """Load what the files say now; raises `ConfigError` with all problems."""
        config = load(
            load_folder(self.path, self.only), self._systems, TRANSFORMS, ready_made(), variables=self._variables
        )
        for warning in config.warnings:
            log.warning("%s", warning)
        return config

    def bundle(self) -> Bundle:
        """Return its documents as they are published; raises `ConfigError` where they cannot be read."""
        return Bundle.of(load_folder(self.path, self.only), self._variables, ready_made())

    def resolved(self, connector: str) -> dict[str, Any]:
        """Return a connector with its template merged in; raises `ConfigError` where there is none."""
        texts = load_folder(self.path, self.only)
        return resolved(texts, connector, ready_made(), variables=self._variables)

    def documents(self) -> Mapping[str, Document]:
        """Return each connector as its files say it, with the line of every value; name -> document."""
        return documents(load_folder(self.path, self.only), ready_made(), variables=self._variables)

    def cases(self) -> dict[str, bytes]:
        """Return the files of mapping tests, which stand beside the connectors: name in the folder -> content."""
        found = [path for path in _listed(self.path) if path.name.endswith(TESTS)]
        for above, below, names in os.walk(self.path / "connectors"):
            below[:] = sorted(name for name in below if not name.startswith("."))
            found += [Path(above, name) for name in sorted(names) if name.endswith(TESTS) and not name.startswith(".")]
        return {path.relative_to(self.path).as_posix(): _content(path) for path in found}

    def stamp(self) -> object:
        """Return something that differs once a file has changed, come or gone; reads no file.

        Compares times, sizes and inodes: an edit within one tick of the file system's clock that keeps
        the size is seen only if the editor replaces the file, as most do.
        """
        seen = []
        for name, path in _found(self.path, self.only):
            try:
                about = path.stat()
            except OSError:
                seen.append((name, 0, 0, 0))
            else:
                seen.append((name, about.st_mtime_ns, about.st_size, about.st_ino))
        return tuple(seen)


def configured(root: Path) -> list[Path]:
    """Return the files of a configuration folder, read or not."""
    return [path for _, path in _found(root, None)]


def load_folder(root: Path, only: Path | None = None) -> dict[str, bytes]:
    """Read the files of a configuration: name relative to the folder -> content.

    Raises `ConfigError` where there is none, where files cannot be read or lead out of the folder, and
    where they are too many.  A file that is too large is passed on cut, so that loading names it beside all
    other problems.
    """
    if not root.is_dir():
        raise ConfigError(
            (Problem(str(root), 0, "", "is not a folder" if root.exists() else "there is no such folder"),)
        )
    texts: dict[str, bytes] = {}
    problems: list[Problem] = []
    inside = root.resolve()
    total = 0
    for name, path in _found(root, only):
        if len(texts) >= MOST_FILES or total > MOST_TOTAL_BYTES:
            problems.append(Problem(str(root), 0, "", "holds too many or too large files for a configuration"))
            break
        try:
            if not path.resolve(strict=True).is_relative_to(inside):
                problems.append(Problem(name, 0, "", "is a link that leads out of the folder"))
                continue
            texts[name] = _content(path)
        except OSError as error:
            problems.append(Problem(name, 0, "", f"cannot be read: {error.strerror or error}"))
            continue
        total += len(texts[name])
    if not problems and not any(Path(name).suffix in _YAML for name in texts):
        told = "holds no configuration; expected connections/*.yaml and connectors/*.yaml (connector init writes them)"
        problems.append(Problem(str(root), 0, "", told))
    if problems:
        raise ConfigError(tuple(problems))
    return texts


def _content(path: Path) -> bytes:
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(None, "is not a regular file")
    most = MOST_PEOPLE_BYTES if path.suffix == ".csv" else MOST_BYTES
    with path.open("rb") as file:
        return file.read(most + 1)


def _found(root: Path, only: Path | None) -> Iterator[tuple[str, Path]]:
    """Yield the files of a configuration in a stable order; hidden ones are not ours."""
    if only is not None:
        yield only.name, only
        yield from ((path.name, path) for path in _files(only.parent) if path.suffix == ".csv")
        return
    folders = [root / name for name in FOLDERS if (root / name).is_dir()]
    for path in _files(root):
        ours = path.stem in SINGLE_FILES if folders else not path.stem.startswith(_FOREIGN)
        if path.suffix == ".csv" or ours:
            yield path.name, path
    for folder in folders:
        for above, below, names in os.walk(folder):
            below[:] = sorted(name for name in below if not name.startswith("."))
            for name in sorted(names):
                path = Path(above, name)
                if _is_ours(path):
                    yield path.relative_to(root).as_posix(), path


def _files(folder: Path) -> list[Path]:
    return [path for path in _listed(folder) if _is_ours(path)]


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and not path.is_dir())
    except OSError:
        return []  # a folder that vanished holds nothing; reading says so


def _is_ours(path: Path) -> bool:
    written = not path.name.startswith(".") and path.name != LOCK_FILE
    return written and (path.suffix in _YAML or path.suffix == ".csv")


class Secrets:
    """Turns references into credentials; is a `connector.ports.Reveal`.

    ``env:NAME`` is looked up at every call; where it is missing ``refill`` may add to the environment what a
    file holds by now (raises `ConfigError`).  ``file:/path`` is read again whenever the file has
    changed, so a rotated credential is in use with the next call.  Anything that is not there raises
    `Unauthorized`, which pauses the connection and asks again later: mending the file is enough.
    """

    def __init__(self, environment: Mapping[str, str], *, refill: Callable[[], object] = lambda: None) -> None:
        self._environment, self._refill = environment, refill
        self._kept: dict[str, tuple[tuple[int, int, int], Secret]] = {}
        self._warned: set[str] = set()

    def __call__(self, ref: SecretRef) -> Secret:
        """Return the credential; raises `Unauthorized` where there is none."""
        match ref.scheme:
            case "env":
                value = self._environment.get(ref.name, "")
                if not value:
                    value = self._refilled(ref.name)
                if not value:
                    raise Unauthorized(f"the environment variable {ref.name} is not set", cause="secret:missing")
                return Secret(value)
            case "file":
                return self._read(Path(ref.name))
            case _:
                raise Unauthorized(f"there is no way to read {ref}", cause="secret:scheme")

    def _refilled(self, name: str) -> str:
        try:
            self._refill()
        except ConfigError as error:
            told = f"the environment variable {name} is not set, and {error}"
            raise Unauthorized(told, cause="secret:missing") from error
        return self._environment.get(name, "")

    def forget(self) -> None:
        """Read every file anew at its next use, whatever its time says (after a 401)."""
        self._kept.clear()

    def _read(self, path: Path) -> Secret:
        if not path.is_absolute():
            raise Unauthorized(f"file:{path} must be an absolute path", cause="secret:missing")
        try:
            about = path.stat()
            if not stat.S_ISREG(about.st_mode):
                raise Unauthorized(f"{path} is not a regular file", cause="secret:missing")
            seen = (about.st_mtime_ns, about.st_size, about.st_ino)
            kept = self._kept.get(str(path))
            if kept is not None and kept[0] == seen:
                return kept[1]
            with path.open("rb") as file:
                content = file.read(MOST_SECRET_BYTES + 1)
        except OSError as error:
            raise Unauthorized(f"{path} cannot be read: {error.strerror or error}", cause="secret:missing") from error
        secret = _secret(path, content)
        self._warn(path, about.st_mode)
        self._kept[str(path)] = (seen, secret)
        return secret

    def _warn(self, path: Path, mode: int) -> None:
        if mode & stat.S_IROTH and str(path) not in self._warned:
            self._warned.add(str(path))
            log.warning("%s holds a credential and everybody on this machine can read it; chmod o-r it", path)


def _secret(path: Path, content: bytes) -> Secret:
    if len(content) > MOST_SECRET_BYTES:
        raise Unauthorized(f"{path} is too large to be a credential", cause="secret:unusable")
    try:
        value = content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        # Not chained: the original error carries the bytes.
        raise Unauthorized(f"{path} is not UTF-8 text", cause="secret:unusable") from None
    if not value.strip():
        raise Unauthorized(f"{path} is empty", cause="secret:missing")
    return Secret(value)
