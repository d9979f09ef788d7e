"""Hold a connector against what its target really offers, so that what will fail is known before it does.

Nothing is written outside.  Reads are counted against the connection's limits like everybody's, in the lane of a
backfill: an examination never keeps a delivery waiting.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

import orjson

from connector.compiling import by_shape, needs_of, remembering
from connector.config import Config, Connector, Mode
from connector.errors import ConnectorError, Forbidden, Rejected
from connector.examining import Finding, Level, Path
from workers.behalf import on_behalf_of
from workers.desk import Desk
from workers.stores.deliveries import Deliveries
from workers.stores.examinations import (
    claim_examination,
    last_examination,
    put_off_examination,
    remember_examination,
)

log = logging.getLogger("connector.examination")

SOON: Final = 15 * 60_000
"""When it is tried again after a target could not be asked, in ms."""

CALLS: Final = 4
"""An examination may take as long as so many calls at their slowest."""


def written_to(connector: Connector) -> frozenset[str]:
    """Return the connections that a connector writes to: those that its examination asks."""
    faces = (connector, connector.back) if connector.back is not None else (connector,)
    return frozenset(face.target.connection for face in faces)


def examine(desk: Desk, config: Config, connector: Connector, known: Mapping[Path, str] | None = None) -> list[Finding]:
    """Examine where a connector writes, both sides of a two-way one; raises where one of them cannot be asked.

    ``known`` says what the values in its file stood for when it was last examined (`Examined.means`).
    """
    faces = (connector, connector.back) if connector.back is not None else (connector,)
    return [finding for face in faces for finding in _examine(desk, config, face, known or {})]


def _examine(desk: Desk, config: Config, face: Connector, known: Mapping[Path, str]) -> Iterator[Finding]:
    target = desk.system_of(config, face.target.connection).target
    above: Path = ("back",) if face.turned else ()
    if target is None:
        text = "this system cannot be written to"
        yield Finding(Level.PROBLEM, (*above, "to"), text, "name another connection", "no_target")
        return
    site = desk.site(face.target.connection, desk.ticks() + CALLS * desk.call.total_seconds())
    needs, settings = remembering(needs_of(face), known), face.target.settings
    with on_behalf_of(face.uid, weight=face.weight, lane="backfill"):
        found = (target.examine or partial(by_shape, target))(site, settings, needs)
    for one in found:
        yield replace(one, path=(*above, *one.path)) if one.path[:1] == ("to",) else one


# --- what is remembered of one ---------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Examined:
    """What the last examination found: problems and warnings only.

    ``at`` is ms since 1970.  ``failed`` says why a later look could not be had, and ``tried`` (ms) when; what was
    found before it stands.  ``means`` says what each value stood for that stands in the file.
    """

    at: int
    findings: tuple[Finding, ...] = ()
    failed: str = ""
    tried: int = 0
    means: tuple[tuple[Path, str], ...] = ()

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What will make deliveries fail."""
        return tuple(one for one in self.findings if one.level is Level.PROBLEM)

    def packed(self) -> bytes:
        """Return it as it is kept."""
        rows = [
            {"level": one.level, "path": one.path, "text": one.text, "act": one.act, "cause": one.cause}
            for one in self.findings
        ]
        kept = {"at": self.at, "findings": rows, "failed": self.failed, "tried": self.tried, "means": self.means}
        return orjson.dumps(kept)


def examined(books: Deliveries) -> Examined | None:
    """Return what the last examination of a connector found; None where there was none."""
    record = last_examination(books)
    if record is None:
        return None
    kept = orjson.loads(record)
    findings = tuple(
        Finding(Level(row["level"]), tuple(row["path"]), row["text"], row["act"], row["cause"])
        for row in kept["findings"]
    )
    means = tuple((tuple(path), what) for path, what in kept.get("means", ()))
    return Examined(kept["at"], findings, kept["failed"], kept["tried"], means)


# --- from time to time -------------------------------------------------------------------------------------
def digest(connector: Connector) -> str:
    """Name a connector as it is: another name means that it was changed and is to be examined anew."""

    def plain(value: Any) -> Any:
        return sorted(map(str, value)) if isinstance(value, (set, frozenset)) else str(value)

    said = json.dumps(asdict(connector), default=plain, sort_keys=True)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def due(desk: Desk, connector: Connector, every: timedelta) -> bool:
    """Tell whether it is time to examine a connector, and claim it if so; ``every`` 0 is never.

    One that is paused in its file or about to be removed writes nothing that could fail.
    """
    if every <= timedelta(0) or connector.mode is Mode.PAUSED or connector.name in desk.config().draining:
        return False
    return claim_examination(desk.deliveries(connector), digest(connector), int(every.total_seconds() * 1000))


def look(desk: Desk, connector: Connector) -> Examined:
    """Examine a connector, and keep what was found; what a target that cannot be asked said before, stands."""
    books, now = desk.deliveries(connector), desk.now_ms()
    before = examined(books)
    try:
        found = _asked(desk, connector, dict(before.means) if before else {})
    except ConnectorError as error:
        kept = before or Examined(0)
        after = replace(kept, failed=f"{type(error).__name__}: {error}", tried=now)
        put_off_examination(books, SOON)
        log.warning("%s could not be examined: %s", connector.name, error)
    else:
        told = tuple(replace(one, means="") for one in found if one.level is not Level.OK)
        after = Examined(now, told, means=tuple((one.path, one.means) for one in found if one.means))
        _say(connector, before, after)
    remember_examination(books, after.packed())
    return after


def _asked(desk: Desk, connector: Connector, known: Mapping[Path, str]) -> list[Finding]:
    config = desk.config()
    for name in sorted(written_to(connector)):
        state = desk.connections.state(name)
        if state.closed_until > desk.now_ms():
            raise ConnectorError(f"{name} is closed: {state.kind}: {state.why}", cause="closed")
    try:
        return examine(desk, config, connector, known)
    except (Forbidden, Rejected) as error:
        # Not a bad moment but an answer: the project, the repository, the channel is not there for us.
        return [Finding(Level.PROBLEM, ("to",), str(error), "correct to:, or grant what is missing", error.cause)]


def _say(connector: Connector, before: Examined | None, after: Examined) -> None:
    known = {(one.path, one.cause) for one in before.problems} if before else set()
    for one in after.problems:
        if (one.path, one.cause) not in known:
            log.warning("%s no longer fits its target: %s: %s", connector.name, ".".join(map(str, one.path)), one.text)
    if known and not after.problems:
        log.info("%s fits its target again", connector.name)
