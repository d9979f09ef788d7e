"""Name every failure by what happens next.

A system raises one of these with the vendor's own exception or answer as ``__cause__``;
``workers/outcome.py`` holds the one table that turns the class into a next step.  Nothing outside
that table decides about retries.

==================  ==================================================  =================
class               what happens next                                   attempt counted
==================  ==================================================  =================
`Retryable`         look up first if bytes had left, then back off      yes
`RateLimited`       snooze exactly its scope                            no
`Stale`             read again, plan again                              yes
`Unauthorized`      pause the connection, probe, resume                 no
`Forbidden`         dead letter; several of one cause are held          final
`Rejected`          dead letter at once; several of one cause are held  final
`Untrusted`         401 to the sender, nothing stored                   (inbound)
`Unreadable`        kept raw as a dead letter, the sender gets 2xx      (inbound)
`ConfigError`       does not start; all problems at once                (start)
==================  ==================================================  =================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class Scope(StrEnum):
    """How much of a system a refusal speaks of; exactly that much is snoozed."""

    ENTITY = "entity"
    ENDPOINT = "endpoint"
    CONNECTION = "connection"


class ConnectorError(Exception):
    """A failure whose class says what happens next; its message is written for the person on call.

    ``cause`` is a short stable word for the reason (``"429"``, ``"required:priority"``): dead
    letters are grouped by it, so it must hold no id, time or text of a user.
    """

    def __init__(self, message: str, *, cause: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.cause = cause or (str(status) if status is not None else type(self).__name__.lower())
        self.status = status
        self.connection = ""
        """The connection that was being called; set by the transport."""
        self.exchange: Mapping[str, object] = {}
        """Request and answer, redacted, for the attempt log; set by the transport."""


class Retryable(ConnectorError):
    """The same call may succeed later: 408, 5xx, time-outs, resets.

    ``sent`` is True when bytes may have reached the target, so that the effect is *unknown* and
    must be looked up before it is written again.
    """

    def __init__(
        self,
        message: str,
        *,
        sent: bool,
        cause: str = "",
        status: int | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message, cause=cause, status=status)
        self.sent = sent
        self.retry_after = retry_after


class RateLimited(ConnectorError):
    """The target asks to wait; ``scope`` says for what, ``retry_after`` how long (None: not told).

    ``endpoint`` names the class that an `Scope.ENDPOINT` speaks of; "" where it is not known.
    """

    def __init__(
        self,
        message: str,
        *,
        scope: Scope,
        retry_after: timedelta | None = None,
        cause: str = "",
        status: int | None = 429,
        endpoint: str = "",
    ) -> None:
        super().__init__(message, cause=cause, status=status)
        self.scope = scope
        self.endpoint = endpoint
        self.retry_after = retry_after


class Stale(ConnectorError):
    """The target moved under the plan (409, 412): read again and plan again."""


class Unauthorized(ConnectorError):
    """The credential is refused: every call of this connection would be."""


class Forbidden(ConnectorError):
    """The credential is fine but may not do this here; ``where`` names the project or channel."""

    def __init__(self, message: str, *, where: str = "", cause: str = "", status: int | None = 403) -> None:
        super().__init__(message, cause=cause, status=status)
        self.where = where


class Rejected(ConnectorError):
    """The target will never take this as it is: 400, 404, 410, 422, or a mapping that cannot be.

    ``fields`` maps a target field to what the target said about it (shown to on-call staff, never
    grouped by).
    """

    def __init__(
        self,
        message: str,
        *,
        fields: Mapping[str, str] | None = None,
        cause: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(message, cause=cause, status=status)
        self.fields = dict(fields or {})


class Ambiguous(Rejected):
    """A write may or may not have landed and the target offers no way to find out: a person decides."""


class Untrusted(ConnectorError):
    """An inbound request is not proven to come from its source."""


class Unreadable(ConnectorError):
    """An inbound payload of a trusted source that we do not understand."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration, and where: ``path`` is like ``mapping.Priority.map``."""

    file: str
    line: int
    path: str
    message: str
    severity: str = field(default="error")

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.path + ': ' if self.path else ''}{self.message}"


class ConfigError(ConnectorError):
    """A configuration that must not start; carries *all* of its problems."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(p) for p in problems), cause="config")
        self.problems = problems
