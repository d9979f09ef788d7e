"""Turn each class of error into the one next step; nothing else decides about retries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from connector.errors import (
    ConnectorError,
    Forbidden,
    RateLimited,
    Rejected,
    Retryable,
    Scope,
    Stale,
    Unauthorized,
)


class Step(StrEnum):
    """What becomes of a subject after a failure."""

    RETRY = "retry"
    """Due later, attempt counted; dead after the last. Several entities in a row open the breaker."""
    SNOOZE = "snooze"
    """Due later, nothing counted."""
    WAIT = "wait"
    """Parked until the endpoint class opens, nothing counted; what does not need the class goes on."""
    CLOSE = "close"
    """Back into its lane; the connection is closed for a while, nothing counted."""
    REPLAN = "replan"
    """Read and plan again at once, a few times; then as RETRY."""
    PAUSE = "pause"
    """Back into its lane; the connection is paused until its credential works again."""
    BURY = "bury"
    """Dead letter; held behind a gate where the cause strikes many entities."""


WAITS: Final = frozenset({Step.SNOOZE, Step.WAIT, Step.CLOSE})
"""Steps of who is only asked to wait: the same call may be made again when the wait is over."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The next step, how long to wait where it waits, whether the write may have landed, and what class waits."""

    step: Step
    wait: timedelta = timedelta(0)
    unknown: bool = False
    endpoint: str = ""


LADDER: Final = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 3600, 3 * 3600, 8 * 3600, 12 * 3600))
"""Waits between counted attempts; jittered by ±20 %."""

DEFAULT_PAUSE: Final = timedelta(seconds=30)
"""How long a refusal without a time is respected, and how often a paused credential is tried."""

WORTH_PARKING: Final = timedelta(seconds=2)
"""Our own pace makes the whole connector wait for less than this: parking each subject would cost more."""

OWN_PACE: Final = "own_budget"
"""The cause of a refusal by our own limiter for want of tokens: the target was not asked."""

LONGEST_WAIT: Final = timedelta(hours=24)
"""A Retry-After beyond this is not believed."""


def outcome_of(error: ConnectorError) -> Outcome:
    """Return the next step for an error of a delivery."""
    match error:
        case RateLimited(scope=Scope.ENTITY):
            return Outcome(Step.SNOOZE, _asked(error.retry_after))
        case RateLimited(scope=Scope.ENDPOINT, endpoint=endpoint, status=status) if endpoint:
            wait = _asked(error.retry_after)
            return Outcome(
                Step.CLOSE if status is None and wait < WORTH_PARKING else Step.WAIT, wait, endpoint=endpoint
            )
        case RateLimited():
            return Outcome(Step.CLOSE, _asked(error.retry_after))
        case Retryable() if error.retry_after is not None:
            # The target says when to come back: that is not a failure of this delivery.
            return Outcome(Step.SNOOZE, _asked(error.retry_after), unknown=error.sent)
        case Retryable():
            return Outcome(Step.RETRY, unknown=error.sent)
        case Stale():
            return Outcome(Step.REPLAN)
        case Unauthorized():
            return Outcome(Step.PAUSE, DEFAULT_PAUSE)
        case Forbidden() | Rejected():
            return Outcome(Step.BURY)
        case _:
            return Outcome(Step.BURY)


def wait_before(attempt: int, jitter: float, first: timedelta = LADDER[0]) -> timedelta:
    """Return the wait after the ``attempt``-th failure (from 1).

    ``jitter`` in [0, 1) spreads it by ±20 %; ``first`` scales the whole ladder.
    """
    step = LADDER[min(attempt, len(LADDER)) - 1] * (first / LADDER[0])
    return step * (0.8 + 0.4 * jitter)


def _asked(span: timedelta | None) -> timedelta:
    return min(max(span if span is not None else DEFAULT_PAUSE, timedelta(milliseconds=100)), LONGEST_WAIT)
