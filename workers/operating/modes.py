"""Switch the mode of a connector in its file: the file is replaced at once, by one that differs in nothing else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from connector.config import Connector, Mode
from connector.editing import CannotEdit, Edit, switched
from connector.loading import load
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from workers.files import load_folder, ready_made


@dataclass(frozen=True, slots=True)
class Switch:
    """A change of one line that was proven to change the mode only; ``path`` is the file, ``now`` what it holds."""

    edit: Edit
    path: Path
    now: bytes

    def write(self) -> None:
        """Replace the file, with its owner and rights; raises `CannotEdit` where it may not be, or has changed."""
        try:
            self._write(self.path.resolve(strict=True))
        except OSError as error:
            message = (
                f"{self.path} cannot be written ({error.strerror or error}); "
                f"change its line {self.edit.line} yourself to: {self.edit.after.strip()}"
            )
            raise CannotEdit(message) from error

    def _write(self, path: Path) -> None:
        about = path.stat()
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        fresh = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.edit.text)
                os.fchmod(handle, about.st_mode & 0o7777)
                if (about.st_uid, about.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(handle, about.st_uid, about.st_gid)
                file.flush()
                os.fsync(handle)
            if path.read_bytes() != self.now:
                message = f"{self.path} was changed by somebody else meanwhile; look again"
                raise CannotEdit(message)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)


def switch(root: Path, connector: Connector, mode: Mode, variables: Mapping[str, str]) -> Switch:
    """Prepare the change in a folder; writes nothing.

    Raises `ConfigError` where the configuration would be refused afterwards, and `CannotEdit`.
    """
    texts = load_folder(root)
    edit = switched(texts, connector.name, mode, ready_made(), variables=variables)
    load({**texts, edit.file: edit.text}, SYSTEMS, TRANSFORMS, ready_made(), variables=variables)
    return Switch(edit, root / edit.file, texts[edit.file])
