"""Hold one sandboxed Jira's whole state, and show it as Jira's REST answers do, in v2 and in v3.

Cloud and Data Center share the state; what differs is how a user is named and how rich text is
written.  Cloud serves v3 (ADF) and v2 (wiki markup) of the same text, as the real one does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from connector.richtext import convert
from connector.systems.jira.sandbox.content import (
    FIELDS,
    STATUSES,
    TRANSITIONS,
    TYPES,
    Comment,
    FieldKind,
    Issue,
    Project,
    Rich,
    Status,
    User,
    user,
)

Json = dict[str, Any]
CATEGORY: Final = {
    "new": (2, "To Do", "blue-gray"),
    "indeterminate": (4, "In Progress", "yellow"),
    "done": (3, "Done", "green"),
}


class Site:
    """The content of a sandbox."""

    def __init__(
        self,
        *,
        cloud: bool,
        url: str,
        zone: str,
        projects: Iterable[str],
        people: Mapping[str, str],
        release: tuple[int, ...] = (10, 3, 24),
    ) -> None:
        self.cloud, self.url, self.zone = cloud, url.rstrip("/"), ZoneInfo(zone)
        self.release = release
        logins = dict.fromkeys([*people.values(), "bot", "ada", "grace"])
        self.users = {one.id: one for one in (user(login, cloud=cloud) for login in logins)}
        self.by_login = {one.login: one for one in self.users.values()}
        self.tokens = {token: self.by_login[login] for token, login in people.items()}
        self.projects = {
            key: Project(str(10000 + number), key, f"Project {key}") for number, key in enumerate(projects)
        }
        self.administrators: set[str] = set()
        self.statuses = {one.id: one for one in STATUSES}
        self.transitions = TRANSITIONS
        self.fields = FIELDS
        self.types = {number: (name, sub) for number, name, sub in TYPES}
        self.issues: dict[str, Issue] = {}
        self.keys: dict[str, str] = {}
        self.comments: dict[str, str] = {}
        self._ids = {name: itertools.count(first) for name, first in _FIRST.items()}

    def next_id(self, what: str) -> str:
        """Return the next id of a counter."""
        return str(next(self._ids[what]))

    def issue(self, name: str) -> Issue | None:
        """Find an issue by id, key, or a key it had before it was moved."""
        return self.issues.get(name) or self.issues.get(self.keys.get(name, ""))

    # --- time and text
    def stamp(self, at: datetime) -> str:
        """Write a time in the account's zone: ``2020-07-28T14:12:54.883-0700``."""
        local = at.astimezone(self.zone)
        return local.strftime("%Y-%m-%dT%H:%M:%S.") + f"{local.microsecond // 1000:03d}" + local.strftime("%z")

    def rich_in(self, value: Any, api: str) -> Rich:
        """Store a text as it was written; v2 on Cloud is converted to ADF."""
        if self.cloud and api == "2":
            return Rich(convert({"format": "wiki", "content": value}, "adf").content, value)
        return Rich(value, None if self.cloud else value)

    def rich_out(self, text: Rich | None, api: str) -> Any:
        """Show a text: ADF to v3, wiki markup to v2 and in webhooks."""
        if text is None:
            return None
        if api == "3":
            return text.stored
        if text.wiki is None:
            text.wiki = convert({"format": "adf", "content": text.stored}, "wiki").content
        return text.wiki

    # --- things
    def person(self, number: str | None) -> Json | None:
        """Show a user."""
        one = self.users.get(number or "")
        return None if one is None else self.account(one)

    def account(self, one: User) -> Json:
        """Show an account as other people see it."""
        avatar = {size: f"{self.url}/avatar/{one.login}-{size}.png" for size in ("16x16", "24x24", "32x32", "48x48")}
        shared = {"avatarUrls": avatar, "displayName": one.shown, "active": True, "timeZone": str(self.zone)}
        if self.cloud:
            address = f"{self.url}/rest/api/3/user?accountId={quote(one.id)}"
            return {"self": address, "accountId": one.id, "accountType": "atlassian", **shared}
        address = f"{self.url}/rest/api/2/user?username={quote(one.login)}"
        return {"self": address, "name": one.login, "key": one.id, "emailAddress": one.email, **shared}

    def status(self, one: Status, api: str) -> Json:
        """Show a status with its category."""
        number, name, color = CATEGORY[one.category]
        root = f"{self.url}/rest/api/{api}"
        category = {
            "self": f"{root}/statuscategory/{number}", "id": number, "key": one.category, "colorName": color,
            "name": name,
        }  # fmt: skip
        return {
            "self": f"{root}/status/{one.id}", "description": "", "iconUrl": f"{self.url}/", "name": one.name,
            "id": one.id, "statusCategory": category,
        }  # fmt: skip

    def project(self, key: str, api: str) -> Json:
        """Show a project."""
        one = self.projects[key]
        return {
            "self": f"{self.url}/rest/api/{api}/project/{one.id}", "id": one.id, "key": one.key, "name": one.name,
            "projectTypeKey": "software", "simplified": False,
            "avatarUrls": {"48x48": f"{self.url}/avatar/{one.key}.png"},
        }  # fmt: skip

    def type(self, number: str, api: str) -> Json:
        """Show an issue type."""
        name, sub = self.types[number]
        return {
            "self": f"{self.url}/rest/api/{api}/issuetype/{number}", "id": number, "description": "",
            "iconUrl": f"{self.url}/images/{number}.png", "name": name, "subtask": sub,
        }  # fmt: skip

    def choice(self, field: FieldKind, number: str, api: str) -> Json:
        """Show a choice of a field: options have a value, priorities and the like a name."""
        name = next((value for option, value, _ in field.options if option == number), number)
        label = "value" if field.kind in {"option", "options", "cascade"} else "name"
        place = "customFieldOption" if label == "value" else field.id
        return {"self": f"{self.url}/rest/api/{api}/{place}/{number}", label: name, "id": number}

    def value(self, field: FieldKind, stored: Any, api: str) -> Any:
        """Show a stored value of a field."""
        if stored is None:
            return [] if field.kind in {"labels", "nameds"} else None
        match field.kind:
            case "text":
                return self.rich_out(stored, api)
            case "named" | "option":
                return self.choice(field, stored, api)
            case "nameds" | "options":
                return [self.choice(field, one, api) for one in stored]
            case "cascade":
                parent, child = stored
                shown = self.choice(field, parent, api)
                if child:
                    names = dict(next(below for option, _, below in field.options if option == parent))
                    shown["child"] = {
                        "self": f"{self.url}/rest/api/{api}/customFieldOption/{child}",
                        "value": names[child],
                        "id": child,
                    }
                return shown
            case "user":
                return self.person(stored)
            case "users":
                return [self.person(one) for one in stored]
            case "datetime":
                return self.stamp(stored)
            case "sprint":
                return [{"id": stored, "name": f"Sprint {stored}", "state": "active", "boardId": 1}]
            case "parent":
                above = self.issues[stored]
                return {"id": above.id, "key": above.key, "self": f"{self.url}/rest/api/{api}/issue/{above.id}"}
            case _:
                return stored

    # --- documents
    def comment(self, issue: Issue, one: Comment, api: str, *, properties: bool = False) -> Json:
        """Show a comment."""
        shown: Json = {
            "self": f"{self.url}/rest/api/{api}/issue/{issue.id}/comment/{one.id}", "id": one.id,
            "author": self.person(one.author), "body": self.rich_out(one.body, api),
            "updateAuthor": self.person(one.updater), "created": self.stamp(one.created),
            "updated": self.stamp(one.updated),
        }  # fmt: skip
        if self.cloud:
            internal = (one.properties.get("sd.public.comment") or {}).get("internal")
            shown["jsdPublic"] = not internal
        if one.visibility:
            shown["visibility"] = dict(one.visibility)
        if properties:
            shown["properties"] = [{"key": key, "value": value} for key, value in one.properties.items()]
        return shown

    def issue_fields(self, issue: Issue, api: str, wanted: frozenset[str] | None = None) -> Json:
        """Show an issue's fields; ``wanted`` None is all of them."""
        shown: Json = {}
        for field in self.fields.values():
            if wanted is None or field.id in wanted:
                shown[field.id] = self.value(field, issue.values.get(field.id), api)
        if wanted is None or "comment" in wanted:
            rows = [self.comment(issue, one, api) for one in issue.comments.values()]
            root = f"{self.url}/rest/api/{api}/issue/{issue.id}/comment"
            shown["comment"] = {
                "comments": rows,
                "self": root,
                "maxResults": len(rows),
                "total": len(rows),
                "startAt": 0,
            }
        direct: dict[str, Callable[[], Any]] = {
            "project": lambda: self.project(issue.project, api),
            "issuetype": lambda: self.type(issue.values["issuetype"], api),
            "status": lambda: self.status(self.statuses[issue.values["status"]], api),
            "creator": lambda: self.person(issue.creator),
            "created": lambda: self.stamp(issue.created),
            "updated": lambda: self.stamp(issue.updated),
        }
        shown |= {name: show() for name, show in direct.items() if wanted is None or name in wanted}
        return shown

    def document(self, issue: Issue, api: str, wanted: frozenset[str] | None = None) -> Json:
        """Show an issue."""
        address = f"{self.url}/rest/api/{api}/issue/{issue.id}"
        return {
            "id": issue.id, "self": address, "key": issue.key, "fields": self.issue_fields(issue, api, wanted)
        }  # fmt: skip

    def changelog(self, issue: Issue) -> list[Json]:
        """Show an issue's history, newest first on Cloud and oldest first on Data Center."""
        rows = [
            {
                "id": entry["id"],
                "author": self.person(entry["author"]),
                "created": self.stamp(entry["at"]),
                "items": entry["items"],
            }
            for entry in issue.history
        ]
        return rows[::-1] if self.cloud else rows


_FIRST: Final = {"issue": 10001, "comment": 20001, "history": 30001, "link": 40001}
