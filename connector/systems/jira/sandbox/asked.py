"""Carry one call on its way through a sandboxed Jira, and refuse in Jira's own words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from connector.sandbox import Answer, Call
from connector.systems.jira.sandbox.actions import GONE, By, Refused
from connector.systems.jira.sandbox.content import Issue
from connector.systems.jira.sandbox.jql import BadQuery
from connector.systems.jira.sandbox.site import Json, Site


class At:
    """One call on its way: who makes it, when, in which version of the API."""

    __slots__ = ("api", "by", "call", "now", "who")

    def __init__(self, call: Call, now: datetime, who: str, api: str) -> None:
        self.call, self.now, self.who, self.api = call, now, who, api
        self.by = By(now, who, api)

    def body(self) -> Json:
        """Return the JSON object that was sent."""
        try:
            found = self.call.json()
        except ValueError:
            raise Refused(400, "Unexpected character in the request body.") from None
        if not isinstance(found, dict):
            raise Refused(400, "Invalid request payload. Refer to the REST API documentation and try again.")
        return found

    def number(self, name: str, default: int) -> int:
        """Return an integer query parameter."""
        given = self.call.first(name)
        return int(given) if given.lstrip("-").isdigit() else default


def found_issue(site: Site, at: At, name: str) -> Issue:
    """Find an issue that the caller may see, or refuse as Jira does: gone and hidden look alike."""
    found = site.issue(name)
    if found is None or at.who in site.projects[found.project].hidden_from:
        raise Refused(404, GONE)
    return found


Handler = Callable[[At, Any], Answer]
"""Answers a call whose path matched; gets the match."""


def errors(status: int, *messages: str, **named: str) -> Answer:
    """Refuse in Jira's own error body."""
    return Answer.of(status, {"errorMessages": list(messages), "errors": named})


def refused(found: Refused) -> Answer:
    """Answer what an action refused."""
    return errors(found.status, *found.messages, **found.errors)


def bad_query(wrong: BadQuery) -> Answer:
    """Answer a query that cannot be read."""
    return errors(400, str(wrong))
