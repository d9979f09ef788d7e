"""Remember in a file how far the books had come, so that a store put back while nothing ran is noticed.

The file lies beside the audit, outside the store: ``{"version": 1, "connectors": {uid: [writes, ms]}}``, where ms is
when that count was first known.  All processes of one home share it; it only ever grows.  Its weakness: it is written
at most once a second, so a loss of the last second, while every process was down, may go unnoticed.
"""

from __future__ import annotations

import fcntl
import json
import logging
import time
from pathlib import Path
from typing import Any, Final

from workers.stores.marks import Marks

log = logging.getLogger("connector.epoch")

FILE: Final = "written.json"
VERSION: Final = 1


class Epoch:
    """The marks of this process, which begin with what earlier ones left in the file at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path, self.marks = path, Marks()
        self._seen = 0
        self._learn()
        self._kept = self.marks.all()

    def keep(self) -> None:
        """Learn what others of this home know, and write down what is new; a full disk is said, and stops nothing."""
        self._learn()
        known = self.marks.all()
        if known == self._kept:
            return
        try:
            self._merge(known)
        except OSError as error:
            log.error("%s cannot be written: %s", self._path, error)  # noqa: TRY400 - the traceback says nothing more
            return
        self._kept = known

    def _learn(self) -> None:
        try:
            changed = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed != self._seen:
            self._seen = changed
            for uid, (writes, _) in self._read().items():
                self.marks.saw(uid, writes)

    def last_seen(self, uid: str) -> int:
        """Return when the newest count of these books was known, in ms; 0 where nothing is known of them."""
        return self._read().get(uid, (0, 0))[1]

    def forget(self, uid: str) -> None:
        """Let books begin anew."""
        with self._alone():
            found = self._read()
            if found.pop(uid, None) is not None:
                self._write(found)

    def _merge(self, known: dict[str, int]) -> None:
        with self._alone():
            found = self._read()
            now = int(time.time() * 1000)
            for uid, writes in known.items():
                if writes > found.get(uid, (0, 0))[0]:
                    found[uid] = (writes, now)
            self._write(found)

    def _alone(self) -> Any:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._path.with_suffix(".lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock  # closing it, at the end of the block, unlocks

    def _read(self) -> dict[str, tuple[int, int]]:
        try:
            document = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except ValueError:
            log.warning("%s cannot be read and begins anew", self._path)
            return {}
        if document.get("version") != VERSION:
            log.warning("%s is of another version and begins anew", self._path)
            return {}
        return {uid: (int(writes), int(at)) for uid, (writes, at) in document["connectors"].items()}

    def _write(self, found: dict[str, tuple[int, int]]) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({"version": VERSION, "connectors": found}, sort_keys=True))
        fresh.replace(self._path)
