"""Create what a backlog brings with one call: many subjects, each with its own intent, outcome and settlement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from connector.config import Config, Connector, Mode
from connector.errors import ConnectorError, RateLimited, Retryable, Stale, Unauthorized
from connector.ports import Request, Response, Site
from connector.system import Change, Target, Written
from workers.desk import Desk
from workers.writing import Braked, Fenced, Pen, is_unknown

GROUP: Final = 20
"""Subjects of the backfill lane that a turn holds at once.  One call for 20 saves 19; more would save little, and make
a live event wait longer where a connector works on one entity at a time."""


def group_of(desk: Desk, config: Config, connector: Connector) -> int:
    """Return how many subjects of a backlog a turn of this connector takes at once."""
    target = desk.system_of(config, connector.target.connection).target
    if target is None or target.create_many is None or not connector.creates or connector.mode is not Mode.LIVE:
        return 1
    return min(GROUP, target.most)


class Together:
    """Creates that are sent with one call, when the first of their deliveries comes to write.

    Every one was announced before, so that a crash leaves each with an intent of its own, to be looked up alone.
    What was made is written down at once for all.  Where the call as a whole was refused nothing was made: the
    one who asked meets the refusal if it concerns them all (a limit, a credential, an outage), and otherwise each
    tries alone.  Where its outcome is unknown, that is what each meets.  A bug leaves each with its intent.
    """

    def __init__(self, target: Target, settings: Any, site: Site) -> None:
        self.target, self.settings, self.site = target, settings, site
        self.members: list[tuple[Pen, Change]] = []
        self.outcomes: dict[str, Written | ConnectorError] = {}
        self._sent = False

    def add(self, pen: Pen, change: Change) -> bool:
        """Announce a create and take it along; False where its delivery must go alone."""
        try:
            if not pen.announce(change):
                return False
        except (Fenced, Braked):
            return False  # it will find out by itself
        pen.together = self
        self.members.append((pen, change))
        return True

    def outcome(self, change: Change, /) -> Written | ConnectorError | None:
        """Return what became of a change; the first question sends them all.  Raises `Fenced`."""
        if change.effect not in {one.effect for _, one in self.members}:
            return None
        if not self._sent:
            self._send(change)
        return self.outcomes.get(change.effect)

    def _send(self, asked: Change) -> None:
        self._sent = True
        for pen, change in self.members:
            pen.sent.append(change)
        try:
            outcomes = self._asked([change for _, change in self.members])
        except ConnectorError as error:
            if is_unknown(error):
                self.outcomes = {change.effect: error for _, change in self.members}
            else:
                self._withdraw(asked, error)
            return
        for (pen, change), outcome in zip(self.members, outcomes, strict=True):
            self.outcomes[change.effect] = outcome
            if not isinstance(outcome, ConnectorError):
                pen.record(change, outcome)
            elif not is_unknown(outcome):
                pen.sent.remove(change)

    def _asked(self, changes: Sequence[Change]) -> Sequence[Written | ConnectorError]:
        answered: list[Request] = []

        def send(request: Request, /) -> Response:
            response = self.site.send(request)
            if request.writes:
                answered.append(request)
            return response

        site = replace(self.site, send=send)
        create_many = self.target.create_many
        if create_many is None:
            return []
        try:
            return create_many(site, self.settings, changes)
        except ConnectorError as error:
            if not answered or is_unknown(error):
                raise
            # It was taken, and only what came after it failed: that is no refusal of the creates.
            raise Retryable(f"many were sent, and then: {error}", sent=True, cause=error.cause) from error

    def _withdraw(self, asked: Change, error: ConnectorError) -> None:
        common = isinstance(error, RateLimited | Unauthorized | Retryable | Stale)
        for pen, change in self.members:
            pen.sent.remove(change)
            if common and change.effect == asked.effect:
                self.outcomes[change.effect] = error
            else:
                pen.withdraw(change)
