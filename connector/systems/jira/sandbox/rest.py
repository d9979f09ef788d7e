"""Route REST calls of a sandboxed Jira: Cloud v3 and v2, or Data Center v2, over one state."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from connector.sandbox import Answer, Call
from connector.systems.jira.sandbox import jql
from connector.systems.jira.sandbox.actions import GONE, Actions, By, Refused, screen
from connector.systems.jira.sandbox.content import Comment, Issue
from connector.systems.jira.sandbox.search import Search
from connector.systems.jira.sandbox.site import Json, Site

VERSION: Final = {"cloud": ("1001.0.0-SNAPSHOT", [1001, 0, 0]), "server": ("10.3.24", [10, 3, 24])}
_PERMISSIONS: Final = (
    "BROWSE_PROJECTS",
    "CREATE_ISSUES",
    "EDIT_ISSUES",
    "ADD_COMMENTS",
    "TRANSITION_ISSUES",
    "DELETE_ISSUES",
)
Handler = Callable[["At", Any], Answer]


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


class Rest:
    """The routes."""

    def __init__(self, site: Site, actions: Actions, search: Search) -> None:
        self.site, self.actions, self.search = site, actions, search
        issue = r"issue/(?P<issue>[A-Za-z0-9_-]+)"
        comment = rf"{issue}/comment/(?P<comment>\d+)"
        key = r"(?P<key>[^/]+)"
        table: list[tuple[str, str, Handler]] = [
            ("GET", r"myself", self._myself),
            ("GET", r"serverInfo", self._server),
            ("GET", r"mypermissions", self._permissions),
            ("GET", r"field", self._fields),
            ("GET", r"(?P<what>priority|resolution)", self._choices),
            ("GET", r"status", self._statuses),
            ("GET", r"issuetype", self._types),
            ("GET", r"project", self._projects),
            ("GET", r"project/(?P<project>\w+)", self._project),
            ("GET", r"project/(?P<project>\w+)/statuses", self._project_statuses),
            ("GET", r"user", self._user),
            ("GET", r"user/search", self._users),
            ("GET", r"user/assignable/search", self._users),
            ("GET", r"issue/createmeta/(?P<project>\w+)/issuetypes", self._create_types),
            ("GET", r"issue/createmeta/(?P<project>\w+)/issuetypes/(?P<type>\d+)", self._create_fields),
            ("POST", r"issue", self._create),
            ("GET", issue, self._read),
            ("PUT", issue, self._edit),
            ("DELETE", issue, self._delete),
            ("GET", rf"{issue}/editmeta", self._edit_fields),
            ("PUT", rf"{issue}/assignee", self._assign),
            ("GET", rf"{issue}/transitions", self._transitions),
            ("POST", rf"{issue}/transitions", self._transition),
            ("GET", rf"{issue}/comment", self._comments),
            ("POST", rf"{issue}/comment", self._add_comment),
            ("GET", comment, self._comment),
            ("PUT", comment, self._edit_comment),
            ("DELETE", comment, self._delete_comment),
            ("GET", rf"{issue}/properties/{key}", self._property),
            ("PUT", rf"{issue}/properties/{key}", self._set_property),
            ("GET", rf"comment/(?P<number>\d+)/properties/{key}", self._comment_property),
            ("PUT", rf"comment/(?P<number>\d+)/properties/{key}", self._set_comment_property),
            ("GET", rf"{issue}/remotelink", self._links),
            ("POST", rf"{issue}/remotelink", self._link),
        ]
        if site.cloud:
            table += [
                ("GET", r"search/jql", self._search_tokens),
                ("POST", r"search/jql", self._search_tokens),
                ("GET", rf"{issue}/changelog", self._changelog),
            ]
        else:
            table += [("GET", r"search", self._search_offsets), ("POST", r"search", self._search_offsets)]
        self.table = [(method, re.compile(pattern), handler) for method, pattern, handler in table]

    def __call__(self, at: At, path: str) -> Answer:
        """Answer a call; ``path`` is what follows ``/rest/api/N/``."""
        there = False
        for method, pattern, handler in self.table:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            there = True
            if method == at.call.method:
                return handler(at, match)
        if self.site.cloud and path == "search":
            return errors(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")
        return errors(405 if there else 404, "Method Not Allowed" if there else "null for uri")

    # --- finding
    def _issue(self, at: At, name: str) -> Issue:
        found = self.site.issue(name)
        if found is None or at.who in self.site.projects[found.project].hidden_from:
            raise Refused(404, GONE)
        return found

    def _one_comment(self, at: At, match: Any) -> tuple[Issue, Comment]:
        issue = self._issue(at, match["issue"])
        comment = issue.comments.get(match["comment"])
        if comment is None:
            raise Refused(404, f"Can not find a comment for the id: {match['comment']}.")
        return issue, comment

    def _visible(self, at: At, name: str) -> Any:
        found = next((p for p in self.site.projects.values() if name in {p.key, p.id}), None)
        if found is None or at.who in found.hidden_from:
            raise Refused(404, f"No project could be found with key '{name}'.")
        return found

    # --- the site
    def _myself(self, at: At, _match: Any) -> Answer:
        me = self.site.users[at.who]
        return Answer.of(200, {**self.site.account(me), "emailAddress": me.email, "locale": "en_US"})

    def _server(self, at: At, _match: Any) -> Answer:
        version, numbers = VERSION["cloud" if self.site.cloud else "server"]
        kind = "Cloud" if self.site.cloud else "Server"
        shown = {
            "baseUrl": self.site.url, "version": version, "versionNumbers": numbers, "deploymentType": kind,
            "buildNumber": 100303, "serverTime": self.site.stamp(at.now), "serverTitle": "Jira sandbox",
        }  # fmt: skip
        return Answer.of(200, shown)

    def _permissions(self, at: At, _match: Any) -> Answer:
        project = self.site.projects.get(at.call.first("projectKey"))
        closed = project is not None and at.who in project.closed_to
        shown = {
            name: {
                "id": str(number), "key": name, "name": name.replace("_", " ").title(), "type": "PROJECT",
                "description": "", "havePermission": name == "BROWSE_PROJECTS" or not closed,
            }
            for number, name in enumerate(_PERMISSIONS, 10)
        }  # fmt: skip
        return Answer.of(200, {"permissions": shown})

    def _fields(self, _at: At, _match: Any) -> Answer:
        fixed = [("status", "Status"), ("project", "Project"), ("issuetype", "Issue Type"), ("created", "Created"),
                 ("updated", "Updated"), ("creator", "Creator"), ("comment", "Comment")]  # fmt: skip
        rows: list[Json] = [
            {"id": one.id, "key": one.id, "name": one.name, "custom": "custom" in one.schema, "orderable": True,
             "navigable": True, "searchable": True, "clauseNames": [one.id], "schema": dict(one.schema)}
            for one in self.site.fields.values()
        ]  # fmt: skip
        kinds = {"created": "datetime", "updated": "datetime", "creator": "user", "comment": "comments-page"}
        rows += [
            {"id": name, "key": name, "name": shown, "custom": False, "orderable": False, "navigable": True,
             "searchable": True, "clauseNames": [name], "schema": {"type": kinds.get(name, name), "system": name}}
            for name, shown in fixed
        ]  # fmt: skip
        return Answer.of(200, rows)

    def _choices(self, at: At, match: Any) -> Answer:
        field = self.site.fields[match["what"]]
        return Answer.of(200, [self.site.choice(field, number, at.api) for number, _, _ in field.options])

    def _statuses(self, at: At, _match: Any) -> Answer:
        return Answer.of(200, [self.site.status(one, at.api) for one in self.site.statuses.values()])

    def _types(self, at: At, _match: Any) -> Answer:
        return Answer.of(200, [self.site.type(number, at.api) for number in self.site.types])

    def _projects(self, at: At, _match: Any) -> Answer:
        seen = [one.key for one in self.site.projects.values() if at.who not in one.hidden_from]
        return Answer.of(200, [self.site.project(key, at.api) for key in seen])

    def _project(self, at: At, match: Any) -> Answer:
        found = self._visible(at, match["project"])
        types = [self.site.type(number, at.api) for number in self.site.types]
        return Answer.of(200, {**self.site.project(found.key, at.api), "issueTypes": types})

    def _project_statuses(self, at: At, match: Any) -> Answer:
        self._visible(at, match["project"])
        rows = [self.site.status(one, at.api) for one in self.site.statuses.values()]
        return Answer.of(200, [{**self.site.type(number, at.api), "statuses": rows} for number in self.site.types])

    def _user(self, at: At, _match: Any) -> Answer:
        number = at.call.first("accountId") or at.call.first("key") or at.call.first("username")
        found = self.site.users.get(number) or self.site.by_login.get(number)
        if found is None:
            raise Refused(404, "The user named in the request does not exist")
        return Answer.of(200, self.site.account(found))

    def _users(self, at: At, _match: Any) -> Answer:
        word = (at.call.first("query") or at.call.first("username")).casefold()
        # "." is what python-jira sends for everybody; the empty word finds everybody who may be assigned.
        rows = [
            self.site.account(one)
            for one in self.site.users.values()
            if any(
                part.casefold().startswith(word)
                for part in (one.login, one.email, one.id, *one.shown.split(), one.shown)
            )
        ]
        return Answer.of(200, rows[at.number("startAt", 0) :][: at.number("maxResults", 50)])

    # --- metadata
    def _create_types(self, at: At, match: Any) -> Answer:
        self._visible(at, match["project"])
        return self._rows(at, [self.site.type(number, at.api) for number in self.site.types], "issueTypes")

    def _create_fields(self, at: At, match: Any) -> Answer:
        project = self._visible(at, match["project"])
        rows = [
            {
                **screen(field, self.site, at.api, required=name == "summary" or name in project.required),
                "fieldId": name,
            }
            for name, field in self.site.fields.items()
            if name != "resolution"
        ]
        return self._rows(at, rows, "fields")

    def _rows(self, at: At, rows: list[Json], name: str) -> Answer:
        start, size = at.number("startAt", 0), min(at.number("maxResults", 50), 50)
        page = rows[start : start + size]
        shown: Json = {"startAt": start, "maxResults": size, "total": len(rows)}
        if self.site.cloud:
            return Answer.of(200, {**shown, name: page})
        return Answer.of(200, {**shown, "isLast": start + size >= len(rows), "values": page})

    def _edit_fields(self, at: At, match: Any) -> Answer:
        project = self.site.projects[self._issue(at, match["issue"]).project]
        fields = {
            name: screen(field, self.site, at.api, required=name == "summary" or name in project.required)
            for name, field in self.site.fields.items()
            if name != "resolution"
        }
        return Answer.of(200, {"fields": fields})

    # --- issues
    def _create(self, at: At, _match: Any) -> Answer:
        issue = self.actions.create(at.by, at.body())
        return Answer.of(
            201, {"id": issue.id, "key": issue.key, "self": f"{self.site.url}/rest/api/{at.api}/issue/{issue.id}"}
        )

    def _read(self, at: At, match: Any) -> Answer:
        return Answer.of(200, self.search.shown(at, self._issue(at, match["issue"])))

    def _edit(self, at: At, match: Any) -> Answer:
        self.actions.edit(at.by, self._issue(at, match["issue"]), at.body())
        return Answer.of(204)

    def _assign(self, at: At, match: Any) -> Answer:
        sent = at.body()
        nobody = all(sent.get(name) is None for name in ("accountId", "name"))
        fields = {"assignee": None if nobody else sent}
        self.actions.edit(at.by, self._issue(at, match["issue"]), {"fields": fields})
        return Answer.of(204)

    def _delete(self, at: At, match: Any) -> Answer:
        self.actions.delete(at.by, self._issue(at, match["issue"]))
        return Answer.of(204)

    def _changelog(self, at: At, match: Any) -> Answer:
        rows = self.site.changelog(self._issue(at, match["issue"]))[::-1]
        start, size = at.number("startAt", 0), at.number("maxResults", 100)
        shown = {"startAt": start, "maxResults": size, "total": len(rows), "isLast": start + size >= len(rows)}
        return Answer.of(200, {**shown, "values": rows[start : start + size]})

    def _transitions(self, at: At, match: Any) -> Answer:
        issue = self._issue(at, match["issue"])
        rows: list[Json] = []
        for step in self.actions.offered(issue):
            to = self.site.status(self.site.statuses[step.to], at.api)
            row: Json = {"id": step.id, "name": step.name, "to": to}
            if self.site.cloud:
                row |= {
                    "hasScreen": bool(step.required),
                    "isGlobal": not step.sources,
                    "isInitial": False,
                    "isConditional": False,
                }
            if "transitions.fields" in at.call.first("expand"):
                row["fields"] = {
                    name: screen(self.site.fields[name], self.site, at.api, required=True) for name in step.required
                }
            rows.append(row)
        return Answer.of(200, {"expand": "transitions", "transitions": rows})

    def _transition(self, at: At, match: Any) -> Answer:
        self.actions.transition(at.by, self._issue(at, match["issue"]), at.body())
        return Answer.of(204)

    # --- comments
    def _comments(self, at: At, match: Any) -> Answer:
        issue = self._issue(at, match["issue"])
        found = list(issue.comments.values())
        if at.call.first("orderBy").startswith("-"):
            found.reverse()
        start, size = at.number("startAt", 0), min(at.number("maxResults", 50), 100)
        expand = "properties" in at.call.first("expand")
        rows = [self.site.comment(issue, one, at.api, properties=expand) for one in found[start : start + size]]
        return Answer.of(200, {"startAt": start, "maxResults": size, "total": len(found), "comments": rows})

    def _add_comment(self, at: At, match: Any) -> Answer:
        issue = self._issue(at, match["issue"])
        return Answer.of(201, self.site.comment(issue, self.actions.add_comment(at.by, issue, at.body()), at.api))

    def _comment(self, at: At, match: Any) -> Answer:
        issue, comment = self._one_comment(at, match)
        expand = "properties" in at.call.first("expand")
        return Answer.of(200, self.site.comment(issue, comment, at.api, properties=expand))

    def _edit_comment(self, at: At, match: Any) -> Answer:
        issue, comment = self._one_comment(at, match)
        self.actions.edit_comment(at.by, issue, comment, at.body())
        return Answer.of(200, self.site.comment(issue, comment, at.api))

    def _delete_comment(self, at: At, match: Any) -> Answer:
        self.actions.delete_comment(at.by, *self._one_comment(at, match))
        return Answer.of(204)

    # --- properties
    def _property(self, at: At, match: Any) -> Answer:
        return _one_property(self._issue(at, match["issue"]).properties, match["key"])

    def _set_property(self, at: At, match: Any) -> Answer:
        return _put_property(at, self._issue(at, match["issue"]).properties, match["key"])

    def _comment_property(self, at: At, match: Any) -> Answer:
        return _one_property(self._numbered(at, match["number"]).properties, match["key"])

    def _set_comment_property(self, at: At, match: Any) -> Answer:
        return _put_property(at, self._numbered(at, match["number"]).properties, match["key"])

    def _numbered(self, at: At, number: str) -> Comment:
        issue = self._issue(at, self.site.comments.get(number, "0"))
        if number not in issue.comments:
            raise Refused(404, f"Can not find a comment for the id: {number}.")
        return issue.comments[number]

    # --- remote links
    def _links(self, at: At, match: Any) -> Answer:
        issue = self._issue(at, match["issue"])
        wanted = at.call.first("globalId")
        if not wanted:
            return Answer.of(200, [self._shown_link(issue, link) for link in issue.links.values()])
        if wanted not in issue.links:
            raise Refused(404, f"No remote issue link with the given global ID '{wanted}' exists.")
        return Answer.of(200, self._shown_link(issue, issue.links[wanted]))

    def _shown_link(self, issue: Issue, link: Mapping[str, Any]) -> Json:
        return {**link, "self": f"{self.site.url}/rest/api/2/issue/{issue.key}/remotelink/{link['id']}"}

    def _link(self, at: At, match: Any) -> Answer:
        issue = self._issue(at, match["issue"])
        link, new = self.actions.link(at.by, issue, at.body())
        return Answer.of(201 if new else 200, {"id": link["id"], "self": self._shown_link(issue, link)["self"]})

    # --- searches
    def _search_tokens(self, at: At, _match: Any) -> Answer:
        return Answer.of(200, self.search.by_token(at))

    def _search_offsets(self, at: At, _match: Any) -> Answer:
        return Answer.of(200, self.search.by_offset(at))


def _one_property(properties: Mapping[str, Any], key: str) -> Answer:
    if key not in properties:
        raise Refused(404, f"The property '{key}' does not exist.")
    return Answer.of(200, {"key": key, "value": properties[key]})


def _put_property(at: At, properties: dict[str, Any], key: str) -> Answer:
    new = key not in properties
    properties[key] = at.call.json()
    return Answer.of(201 if new else 200)


def errors(status: int, *messages: str, **named: str) -> Answer:
    """Refuse in Jira's own error body."""
    return Answer.of(status, {"errorMessages": list(messages), "errors": named})


def refused(found: Refused) -> Answer:
    """Answer what an action refused."""
    return errors(found.status, *found.messages, **found.errors)


def bad_query(wrong: jql.BadQuery) -> Answer:
    """Answer a query that cannot be read."""
    return errors(400, str(wrong))
