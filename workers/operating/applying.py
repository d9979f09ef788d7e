"""Publish a configuration: planned against what is in force, refused where work would be left behind, audited."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from connector.comparing import Said
from connector.config import Config
from connector.errors import ConfigError
from workers.bundle import Bundle
from workers.desk import Desk
from workers.operating.acting import Actor
from workers.operating.changing import Open, Plan, open_of, plan
from workers.publishing import PRODUCT
from workers.stores.deliveries import Deliveries
from workers.stores.published import Follower, Overtaken, Published, Version
from workers.stores.records import UnknownFormat

LOOK: Final = 0.25
"""Seconds between two looks while something is waited for."""


class Refused(Exception):
    """It was not applied; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Side:
    """A configuration as it is written, and its hash ("" for none)."""

    said: Said
    hash: str = ""
    version: Version | None = None


@dataclass(slots=True)
class Publisher:
    """Plans and applies.

    ``store`` is the store's client; ``files`` give what processes follow while nothing is published; ``record`` is the
    audit's sink.
    """

    store: Any
    by: Actor
    record: Callable[[dict[str, Any]], None]
    files: Callable[[], Bundle] | None = None

    @property
    def published(self) -> Published:
        """What is published in the store."""
        return Published(self.store)

    def books(self, uid: str) -> Deliveries:
        """Return the books of a connector without entering it: one that is only planned must not begin to count."""
        return Deliveries(self.store, uid)

    def in_force(self) -> Side:
        """Return what is in force: the published version, else what processes follow in their files, else nothing.

        Raises `Refused` where it was published by a newer version of the product.
        """
        try:
            held = self.published.held()
            if held is None:
                return self._filed()
            packed = self.published.documents(held.hash)
            return Side(Bundle.unpack(packed).said() if packed is not None else Said(), held.hash, held)
        except UnknownFormat as error:
            raise Refused(f"{error}; upgrade this one first") from error

    def _filed(self) -> Side:
        if self.files is None:
            return Side(Said())
        try:
            bundle = self.files()
            return Side(bundle.said(), bundle.load().hash)
        except ConfigError:
            return Side(Said())  # nothing that anybody could be following

    def plan(self, bundle: Bundle, config: Config, *, desk: Desk | None = None) -> Plan:
        """Plan the change from what is in force to ``bundle``; ``desk`` works with ``config`` and tries dead letters.

        Raises `Refused`, as `in_force`.
        """
        side = self.in_force()
        trying = replace(desk, deliveries=lambda one: self.books(one.uid)) if desk is not None else None
        return plan(
            side.said,
            bundle.said(),
            config,
            hashes=(side.hash, config.hash),
            number=side.version.number if side.version else 0,
            draining=side.version.draining if side.version else (),
            look=self.open,
            desk=trying,
        )

    def open(self, uid: str) -> Open:
        """Look at what is open of a connector."""
        return open_of(self.books(uid))

    # --- putting it in force ---------------------------------------------------------------------------------
    def publish(
        self, planned: Plan, bundle: Bundle, config: Config, *, message: str, abandon: bool = False, word: str = "apply"
    ) -> Version:
        """Put a planned configuration in force.

        Raises `Refused` where somebody was faster, or where deliveries of a removed connector are open and
        ``abandon`` does not say to leave them parked; `ConfigError` where it cannot be published.
        """
        if planned.abandoned and not abandon:
            names = ", ".join(f"{one.name} ({planned.open[one.uid].in_flight})" for one in planned.abandoned)
            raise Refused(
                f"deliveries of connectors that would be removed are open: {names}; --drain delivers them first, "
                "--abandon keeps them for when the connector is declared again"
            )
        version = self._publish(
            planned.number,
            config.hash,
            bundle.pack(),
            before=planned.before,
            message=message,
            connectors=len(config.connectors),
            connections=len(config.connections),
        )
        self._audit(planned, version, word, message)
        return version

    def _publish(self, replaces: int, digest: str, documents: bytes, **story: Any) -> Version:
        try:
            return self.published.publish(replaces, digest, documents, by=self.by.name, product=PRODUCT, **story)
        except Overtaken as error:
            if (held := error.held) is None:
                raise Refused("the store has forgotten what was in force; connector plan tells the change") from error
            told = f"{held.by} has put version {held.number} ({held.hash}) in force since this was planned"
            raise Refused(f"{told}; nothing was changed here: look at connector plan, then apply again") from error

    def _audit(self, planned: Plan, version: Version, word: str, message: str) -> None:
        row = {
            "at": _moment(version.at),
            "action": word,
            "actor": self.by.name,
            "from": self.by.origin,
            "version": version.number,
            "hash": version.hash,
            "before": version.before,
            "reason": message,
        }
        self.record({**row, "connectors": {one.name: one.what for one in planned.comparison.connectors}})
        for one in planned.comparison.connectors:
            mine = planned.open.get(one.uid, Open())
            if not mine.known:
                continue  # its books begin when a process follows
            told = {"connector": one.name, "what": one.what, "fields": [each.path for each in one.fields]}
            parked = {"parked": mine.in_flight} if one in planned.abandoned else {}
            self.books(one.uid).note(orjson.dumps({**row, **told, **parked}).decode())

    # --- removing what still has work ---------------------------------------------------------------------------
    def drain(self, planned: Plan, *, patience: float, told: Callable[[str], None]) -> Plan:
        """Let the connectors that go finish what they have while they take nothing new; returns the plan to publish.

        ``patience`` in seconds; ``told`` gets a line of progress now and then.  Raises `Refused` when it is over, or
        where nobody follows what is published; they then take events again.
        """
        going = planned.abandoned
        side = self.in_force()
        if side.version is None:
            raise Refused("--drain needs processes that follow published versions (CONNECTOR_CONFIG_SOURCE=store)")
        if not self.followers():
            raise Refused("no process follows what is published, so nobody would deliver: start workers, or --abandon")
        names = ", ".join(one.name for one in going)
        draining = self._again(side.version, f"{names} finish what they have", {one.name for one in going})
        try:
            self._wait([one.uid for one in going], draining, patience, told)
        except BaseException:
            # Somebody gave up, or it took too long: they must not go on taking nothing.
            self._again(draining, f"{names} were not removed", set(side.version.draining))
            raise
        opened = {**planned.open, **{one.uid: self.open(one.uid) for one in going}}
        return replace(planned, number=draining.number, open=opened)

    def _again(self, version: Version, message: str, draining: set[str]) -> Version:
        """Publish what is in force once more, with other connectors that drain."""
        return self._publish(
            version.number,
            version.hash,
            b"",
            before=version.hash,
            message=message,
            draining=tuple(sorted(draining)),
            connectors=version.connectors,
            connections=version.connections,
        )

    def _wait(self, uids: list[str], draining: Version, patience: float, told: Callable[[str], None]) -> None:
        until = time.monotonic() + patience
        while True:
            behind = [one for one in self.followers() if one.number != draining.number]
            found = {uid: self.open(uid) for uid in uids}
            left = sum(one.in_flight for one in found.values())
            if not behind and not left:
                return
            soon = f"; {len(behind)} processes do not follow yet" if behind else ""
            told(f"{left} open deliveries of {', '.join(uids)}{soon}")
            if time.monotonic() > until:
                held = sum(one.held for one in found.values())
                why = f"{left} deliveries are still open" + (f", items held behind gates: {held}" if held else "")
                if behind:
                    why += f"; {len(behind)} processes did not follow: {', '.join(one.role for one in behind)}"
                raise Refused(f"{why}; nothing was removed, connector status tells what they wait for")
            time.sleep(LOOK)

    # --- who follows ----------------------------------------------------------------------------------------
    def followers(self) -> list[Follower]:
        """Return the processes that follow what is published."""
        seconds, micros = self.store.time()
        return self.published.followers(int(seconds) * 1000 + int(micros) // 1000)

    def followed(self, version: Version, *, patience: float) -> Iterator[list[Follower]]:
        """Yield the followers again and again until all follow a version or have refused it, or patience is over."""
        until = time.monotonic() + patience
        while True:
            found = self.followers()
            yield found
            waiting = [one for one in found if version.number not in {one.number, one.newest}]
            if not waiting or time.monotonic() > until:
                return
            time.sleep(LOOK)


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()
