"""Search a sandboxed Jira with an index that lags behind the truth, paged as each flavour pages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from connector.sandbox import Call
from connector.systems.jira.sandbox import jql
from connector.systems.jira.sandbox.actions import Refused
from connector.systems.jira.sandbox.content import Issue
from connector.systems.jira.sandbox.site import Json, Site


class Asked(Protocol):
    """The call being answered."""

    call: Call
    now: datetime
    who: str
    api: str


class Search:
    """The index.

    ``lag`` is how long a write stays unseen; ``late`` the same for single issues, by id, which come into
    the index out of order; ``page`` is the most rows of a page.
    """

    def __init__(self, site: Site, lag: timedelta, page: int) -> None:
        self.site, self.lag, self.page = site, lag, page
        self.late: dict[str, timedelta] = {}

    # --- pages
    def by_token(self, at: Asked) -> Json:
        """Answer ``/search/jql``: a token, no total, only ids unless fields are asked for."""
        sent = _sent(at)
        exact = {str(one) for one in _words(sent.get("reconcileIssues"))}
        found = self._found(at, str(sent.get("jql", "")), bounded=True, exact=exact)
        start = _offset(str(sent.get("nextPageToken") or ""))
        size = max(1, min(_number(sent.get("maxResults"), 50), self.page))
        rows = [self.shown(at, issue, sent, default="id") for issue in found[start : start + size]]
        last = start + size >= len(found)
        return {"issues": rows, "isLast": last, **({} if last else {"nextPageToken": f"token-{start + size}"})}

    def by_offset(self, at: Asked) -> Json:
        """Answer ``/search``: startAt, maxResults, total."""
        sent = _sent(at)
        found = self._found(at, str(sent.get("jql", "")), bounded=False)
        start, size = _number(sent.get("startAt"), 0), min(_number(sent.get("maxResults"), 50), self.page)
        rows = [self.shown(at, issue, sent, default="*navigable") for issue in found[start : start + size]]
        return {"expand": "schema,names", "startAt": start, "maxResults": size, "total": len(found), "issues": rows}

    def shown(self, at: Asked, issue: Issue, sent: Json | None = None, *, default: str = "*all") -> Json:
        """Show an issue with the fields, properties and changelog that were asked for."""
        sent = _sent(at) if sent is None else sent
        names = [name.strip() for name in _words(sent.get("fields"))] or [default]
        everything = bool({"*all", "*navigable"} & set(names))
        wanted = None if everything else frozenset(names) - {"id", "key"}
        shown = self.site.document(issue, at.api, wanted)
        if names == ["id"]:
            return {"id": issue.id} if default == "id" else {name: shown[name] for name in ("id", "self", "key")}
        asked = _words(sent.get("properties"))
        if asked:
            every = "*all" in asked
            shown["properties"] = {k: v for k, v in issue.properties.items() if every or k in asked}
        if "changelog" in _words(sent.get("expand")):
            rows = self.site.changelog(issue)
            cut = rows[: self.page] if self.site.cloud else rows
            shown["changelog"] = {"startAt": 0, "maxResults": len(cut), "total": len(rows), "histories": cut}
        return shown

    # --- finding
    def _found(self, at: Asked, text: str, *, bounded: bool, exact: Collection[str] = ()) -> list[Issue]:
        me = at.who

        def seen(issue: Issue) -> datetime:
            return at.now - self.late.get(issue.id, self.lag)

        def value(issue: Issue, name: str) -> Any:
            return self._value(issue, name, seen(issue))

        query = jql.read(text, jql.Reader(at.now, self.site.zone, me, value))
        if bounded and not query.bounded:
            raise Refused(
                400, "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
            )
        hidden = {project.key for project in self.site.projects.values() if me in project.hidden_from}
        found = [
            issue
            for issue in self.site.issues.values()
            if (issue.created <= seen(issue) or issue.id in exact) and issue.project not in hidden and query.fits(issue)
        ]
        for name, down in reversed(query.order):
            found.sort(key=lambda issue: self._rank(issue, name, seen(issue)), reverse=down)
        return found

    def fits(self, text: str, issue: Issue, now: datetime) -> bool:
        """Tell whether an issue as it is now matches a query: what webhooks are filtered by."""
        reader = jql.Reader(now, self.site.zone, "", lambda one, name: self._value(one, name, now))
        return jql.read(text, reader).fits(issue)

    def _value(self, issue: Issue, name: str, seen: datetime) -> Any:
        site = self.site
        match name:
            case "key":
                return [issue.key, issue.id]
            case "project":
                project = site.projects[issue.project]
                return [project.key, project.id, project.name]
            case "updated":
                if issue.updated <= seen:
                    return issue.updated
                return max((time for time in issue.times if time <= seen), default=issue.created)
            case "created":
                return issue.created
            case "creator":
                return _who(site, issue.creator)
            case "assignee" | "reporter":
                number = issue.values.get(name)
                return _who(site, number) if number else None
            case "status":
                status = site.statuses[issue.values["status"]]
                return [status.name, status.id]
            case "statuscategory":
                return [site.statuses[issue.values["status"]].category]
            case "issuetype":
                return [issue.values["issuetype"], site.types[issue.values["issuetype"]][0]]
            case "priority" | "resolution":
                number = issue.values.get(name)
                return [number, *(v for n, v, _ in site.fields[name].options if n == number)] if number else None
            case _:
                return issue.values.get(name)

    def _rank(self, issue: Issue, name: str, seen: datetime) -> Any:
        if name == "key":
            project, _, number = issue.key.partition("-")
            return project, int(number)
        found = self._value(issue, name, seen)
        return found if isinstance(found, datetime) else str(found)


_LISTED: Final = frozenset({"fields", "properties", "expand", "reconcileIssues"})


def _who(site: Site, number: str) -> list[str]:
    one = site.users[number]
    return [one.id, one.login]


def _sent(at: Asked) -> Json:
    if at.call.method == "POST":
        found = at.call.json()
        return found if isinstance(found, dict) else {}
    return {name: list(values) if name in _LISTED else values[0] for name, values in at.call.query.items() if values}


def _words(given: Any) -> list[str]:
    rows: Sequence[Any] = given if isinstance(given, list) else [given] if given else []
    return [word for row in rows for word in str(row).split(",") if word]


def _number(given: Any, default: int) -> int:
    return int(given) if str(given or "").isdigit() else default


def _offset(token: str) -> int:
    if not token:
        return 0
    word, _, number = token.partition("-")
    if word != "token" or not number.isdigit():
        raise Refused(400, "The provided next page token is invalid or expired.")
    return int(number)
