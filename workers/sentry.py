"""Report bugs to Sentry with no payload, no local variable and no credential, one issue per cause.

Off unless ``SENTRY_DSN`` is set.  Celery's own integration replaces task arguments, but frames would still carry
locals (request bodies, tokens): they are switched off, and every text that leaves is searched for credentials
once more.  Personal data (``send_default_pii``) is off by default and never switched on here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, cast

import sentry_sdk
from sentry_sdk.transport import Transport
from sentry_sdk.types import Event, Hint

from connector.errors import ConnectorError
from workers.logs import HIDDEN, is_sensitive, redact, spoken_of

_DROPPED: Final = frozenset({"request", "user", "vars", "server_name", "modules"})
_DEEPEST: Final = 12


def start(
    dsn: str,
    *,
    release: str = "",
    environment: str = "",
    transport: Transport | None = None,
) -> bool:
    """Start reporting; returns False, having done nothing, without a DSN.  ``transport`` is for tests."""
    if not dsn:
        return False
    from sentry_sdk.integrations.celery import CeleryIntegration

    sentry_sdk.init(
        dsn=dsn,
        release=release or None,
        environment=environment or None,
        include_local_variables=False,
        max_request_body_size="never",
        traces_sample_rate=None,
        # Otherwise every outbound call would carry our trace ids to the vendors, and every doorbell the project's key.
        trace_propagation_targets=[],
        integrations=[CeleryIntegration(propagate_traces=False)],
        before_send=scrub,
        before_breadcrumb=_no_breadcrumb,
        max_breadcrumbs=0,
        transport=transport,
    )
    return True


_told: Final[dict[str, float]] = {}
"""Groups of dead letters and when they were last reported by this process (monotonic seconds)."""

AGAIN: Final = 60.0
"""Seconds in which one group is reported once: ten thousand letters of one cause are one thing to know."""


def report_dead(
    *, connector: str, team: str, group: str, delivery: str, key: str, error: str, cause: str, page: str
) -> bool:
    """Report a dead letter, one issue per group; returns whether it was sent."""
    now = time.monotonic()
    if sentry_sdk.get_client().transport is None or now - _told.get(group, -AGAIN) < AGAIN:
        return False
    _told[group] = now
    with sentry_sdk.new_scope() as scope:
        scope.fingerprint = ["dead letter", group]
        tags = {"connector": connector, "team": team, "group": group, "delivery": delivery, "entity": key, "page": page}
        for name, value in tags.items():
            if value:
                scope.set_tag(name, value)
        # Ids and texts of users stay out of the title: it names the cause.
        sentry_sdk.capture_message(f"{connector}: {error} {cause}".strip(), level="error")
    return True


def scrub(event: Event, hint: Hint) -> Event:
    """Strip an event of what must not leave, and group it by cause."""
    clean = _clean(cast("Mapping[str, Any]", event), 0)
    raised = hint.get("exc_info")
    error = raised[1] if raised else None
    if isinstance(error, ConnectorError):
        # The message holds ids; the cause never does: one cause is one issue.
        clean["fingerprint"] = [type(error).__name__, error.cause]
    clean["tags"] = {**(clean.get("tags") or {}), **spoken_of()}
    return cast("Event", clean)


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return redact(value)
    if depth > _DEEPEST:
        return HIDDEN
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if is_sensitive(str(name)) else _clean(inner, depth + 1)
            for name, inner in value.items()
            if name not in _DROPPED
        }
    if isinstance(value, list | tuple):
        return [_clean(inner, depth + 1) for inner in value]
    return value


def _no_breadcrumb(*_: Any) -> None:
    """Drop every breadcrumb: they repeat log lines and URLs."""
