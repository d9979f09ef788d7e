"""Name the event of a recorded body by what it holds, for files that were saved without their headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_ANY: Final = frozenset({"action", "repository", "sender", "organization", "installation", "enterprise"})
_EVENTS: Final[tuple[tuple[str, frozenset[str], frozenset[str]], ...]] = (
    ("ping", frozenset({"zen", "hook_id"}), frozenset({"hook"})),
    ("issue_comment", frozenset({"action", "issue", "comment"}), frozenset({"changes"})),
    (
        "issues",
        frozenset({"action", "issue"}),
        frozenset({"assignee", "changes", "label", "milestone", "type"}),
    ),
    ("pull_request_review", frozenset({"action", "pull_request", "review"}), frozenset({"changes"})),
    ("pull_request_review_comment", frozenset({"action", "pull_request", "comment"}), frozenset({"changes"})),
    (
        "pull_request",
        frozenset({"action", "number", "pull_request"}),
        frozenset(
            {"after", "assignee", "before", "changes", "label", "milestone", "reason"}
            | {"requested_reviewer", "requested_team"}
        ),
    ),
)
"""Event, the members it must have, the members it may have.  Anything more may be another event, now or later."""


def implied(body: Any) -> Mapping[str, str]:
    """Return the headers that a body must have come with; empty where it does not tell."""
    if not isinstance(body, Mapping):
        return {}
    names = body.keys()
    for event, must, may in _EVENTS:
        if must <= names <= must | may | _ANY:
            return {"x-github-event": event}
    return {}
