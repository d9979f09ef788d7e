"""Route REST calls of a sandboxed Jira: Cloud v3 and v2, or Data Center v2, over one state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connector.sandbox import Answer
from connector.systems.jira.sandbox.actions import Actions, Refused
from connector.systems.jira.sandbox.asked import At, Handler, errors, found_issue
from connector.systems.jira.sandbox.catalog import Catalog, screen
from connector.systems.jira.sandbox.content import Comment, Issue
from connector.systems.jira.sandbox.search import Search
from connector.systems.jira.sandbox.site import Json, Site


class Rest:
    """The routes."""

    def __init__(self, site: Site, actions: Actions, search: Search) -> None:
        self.site, self.actions, self.search = site, actions, search
        issue = r"issue/(?P<issue>[A-Za-z0-9_-]+)"
        comment = rf"{issue}/comment/(?P<comment>\d+)"
        key = r"(?P<key>[^/]+)"
        table: list[tuple[str, str, Handler]] = [
            *Catalog(site).routes(),
            ("POST", r"issue", self._create),
            ("POST", r"issue/bulk", self._create_many),
            ("GET", issue, self._read),
            ("PUT", issue, self._edit),
            ("DELETE", issue, self._delete),
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
                ("POST", r"issue/bulkfetch", self._read_many),
                ("POST", r"comment/list", self._list_comments),
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
        return found_issue(self.site, at, name)

    def _one_comment(self, at: At, match: Any) -> tuple[Issue, Comment]:
        issue = self._issue(at, match["issue"])
        comment = issue.comments.get(match["comment"])
        if comment is None:
            raise Refused(404, f"Can not find a comment for the id: {match['comment']}.")
        return issue, comment

    # --- issues
    def _create(self, at: At, _match: Any) -> Answer:
        issue = self.actions.create(at.by, at.body())
        return Answer.of(
            201, {"id": issue.id, "key": issue.key, "self": f"{self.site.url}/rest/api/{at.api}/issue/{issue.id}"}
        )

    def _create_many(self, at: At, _match: Any) -> Answer:
        """Create up to 50; one that is refused does not keep the others from being made."""
        sent = at.body().get("issueUpdates")
        if not isinstance(sent, list) or not 1 <= len(sent) <= 50:
            return errors(400, "The number of issues to create must be between 1 and 50.")
        made: list[Json] = []
        failed: list[Json] = []
        for number, one in enumerate(sent):
            try:
                issue = self.actions.create(at.by, one if isinstance(one, dict) else {})
            except Refused as refused:
                said = {"errorMessages": refused.messages, "errors": refused.errors}
                failed.append({"status": refused.status, "elementErrors": said, "failedElementNumber": number})
            else:
                where = f"{self.site.url}/rest/api/{at.api}/issue/{issue.id}"
                made.append({"id": issue.id, "key": issue.key, "self": where})
        return Answer.of(201 if made else 400, {"issues": made, "errors": failed})

    def _read_many(self, at: At, _match: Any) -> Answer:
        """Show up to 100 in ascending order of id; what is not there, or may not be seen, is left out."""
        sent = at.body()
        names = sent.get("issueIdsOrKeys")
        if not isinstance(names, list) or not 1 <= len(names) <= 100:
            return errors(400, "The number of issues to fetch must be between 1 and 100.")
        found: dict[str, Issue] = {}
        for name in names:
            issue = self.site.issue(str(name))
            if issue is not None and at.who not in self.site.projects[issue.project].hidden_from:
                found[issue.id] = issue
        rows = [self.search.shown(at, found[number], sent) for number in sorted(found, key=int)]
        return Answer.of(200, {"expand": "schema,names", "issueErrors": [], "issues": rows})

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
        for step in self.actions.offered(issue, at.who):
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

    def _list_comments(self, at: At, _match: Any) -> Answer:
        """Show up to 1,000 comments by id; those that the caller may not see are left out."""
        ids = at.body().get("ids")
        if not isinstance(ids, list) or not 1 <= len(ids) <= 1000:
            return errors(400, "The number of comments to fetch must be between 1 and 1000.")
        wanted, expand = {str(one) for one in ids}, "properties" in at.call.first("expand")
        rows = [
            self.site.comment(issue, one, at.api, properties=expand)
            for issue in self.site.issues.values()
            if at.who not in self.site.projects[issue.project].hidden_from
            for one in issue.comments.values()
            if one.id in wanted
        ]
        page = {"startAt": 0, "maxResults": 1048576, "total": len(rows), "isLast": True}
        return Answer.of(200, {**page, "values": rows})

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
