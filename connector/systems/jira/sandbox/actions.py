"""Change a sandboxed Jira: each action checks, applies, writes the ledger and tells the webhooks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.link import Marker
from connector.sandbox import Ledger
from connector.systems.jira.sandbox import values
from connector.systems.jira.sandbox.content import Comment, Issue, Transition
from connector.systems.jira.sandbox.hooks import Outbox
from connector.systems.jira.sandbox.site import Json, Site

_DIRECT = frozenset({"project", "issuetype"})


class Refused(Exception):
    """A request that Jira does not take: status, messages, and messages by field."""

    def __init__(self, status: int, *messages: str, **errors: str) -> None:
        super().__init__(status, messages, errors)
        self.status, self.messages, self.errors = status, list(messages), errors


GONE = "Issue does not exist or you do not have permission to see it."


@dataclass(frozen=True, slots=True)
class By:
    """Who acts, when, and in which version of the API their texts are."""

    now: datetime
    who: str
    api: str = "2"


class Actions:
    """What people and programs do to issues."""

    def __init__(self, site: Site, ledger: Ledger, outbox: Outbox) -> None:
        self.site, self.ledger, self.outbox = site, ledger, outbox

    # --- issues
    def create(self, by: By, body: Json) -> Issue:
        """Create an issue.  A refused create burns a number, as the real one's may."""
        fields = dict(body.get("fields") or {})
        project = self._project(fields.pop("project", None), by.who)
        number = self._type(fields.pop("issuetype", None))
        project.issued += 1
        stored = self._taken(fields, by.api, screen=set(self.site.fields) - {"resolution", *project.off_create})
        missing = {"summary", *project.required} - {name for name, value in stored.items() if value not in (None, "")}
        if missing:
            errors = {name: self._required(name) for name in sorted(missing)}
            raise Refused(400, **errors)
        start: Json = {
            "issuetype": number,
            "status": "10000",
            "resolution": None,
            "priority": "3",
            "labels": [],
            "reporter": by.who,
        }
        issue = Issue(
            self.site.next_id("issue"), f"{project.key}-{project.issued}", project.key,
            start | {name: value for name, value in stored.items() if value is not None},
            by.who, by.now, by.now, [by.now],
            properties={one["key"]: one["value"] for one in body.get("properties") or ()},
        )  # fmt: skip
        self.site.issues[issue.id] = issue
        self.site.keys[issue.key] = issue.id
        self._note(by, "add_issue", issue, body.get("properties"), summary=stored["summary"], fields=sorted(stored))
        items = [values.item(self.site, self.site.fields[name], None, value) for name, value in stored.items() if value]
        changelog = {"id": self.site.next_id("history"), "items": items} if self.site.cloud else None
        self.outbox.issue(by.now, by.who, "created", issue, what="issue_created", changelog=changelog)
        return issue

    def _required(self, name: str) -> str:
        field = self.site.fields[name]
        return "You must specify a summary of the issue." if name == "summary" else f"{field.name} is required."

    def _project(self, value: Any, who: str) -> Any:
        named = value if isinstance(value, Mapping) else {}
        wanted = {str(named.get("key")), str(named.get("id"))}
        found = next((p for p in self.site.projects.values() if {p.key, p.id} & wanted), None)
        if found is None or who in found.hidden_from:
            raise Refused(400, project="Specify a valid project ID or key")
        if not found.lets(who, "CREATE_ISSUES"):
            raise Refused(403, "You do not have permission to create issues in this project.")
        return found

    def _type(self, value: Any) -> str:
        named = value if isinstance(value, Mapping) else {}
        for number, (name, _sub) in self.site.types.items():
            if str(named.get("id")) == number or named.get("name") == name:
                return number
        raise Refused(400, issuetype="Specify a valid issue type")

    def _taken(self, fields: Json, api: str, screen: set[str]) -> Json:
        stored: Json = {}
        errors: dict[str, str] = {}
        for name, value in fields.items():
            field = self.site.fields.get(name)
            if field is None or name not in screen:
                errors[name] = f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
                continue
            try:
                stored[name] = values.take(self.site, field, value, api)
            except values.BadValue as wrong:
                errors[name] = str(wrong)
            except values.TooLong:
                raise Refused(400, "CONTENT_LIMIT_EXCEEDED") from None
        if errors:
            raise Refused(400, **errors)
        return stored

    def edit(self, by: By, issue: Issue, body: Json) -> None:
        """Change fields; what is equal already changes nothing and tells nobody."""
        self._may_write(issue, by.who, "EDIT_ISSUES")
        fields, update = dict(body.get("fields") or {}), body.get("update") or {}
        for name, operations in update.items():
            fields[name] = self._updated(issue, name, operations)
        off = self.site.projects[issue.project].off_edit
        stored = self._taken(fields, by.api, screen=set(self.site.fields) - {"resolution", *off})
        if "summary" in stored and not stored["summary"]:
            raise Refused(400, summary="You must specify a summary of the issue.")
        what = "issue_assigned" if set(stored) == {"assignee"} else "issue_updated"
        self.apply(by, issue, stored, action="edit_issue", what=what)

    def _updated(self, issue: Issue, name: str, operations: Any) -> Any:
        """Work out ``update`` on labels: set, add, remove."""
        found = list(issue.values.get(name) or []) if name == "labels" else None
        for one in operations if isinstance(operations, list) else ():
            if "set" in one:
                found = one["set"]
            elif found is not None and "add" in one:
                found = [*found, one["add"]]
            elif found is not None and "remove" in one:
                found = [label for label in found if label != one["remove"]]
        return found

    def apply(self, by: By, issue: Issue, stored: Json, *, action: str, what: str) -> None:
        """Store values, write the history, tell the webhooks; nothing where nothing differs."""
        items: list[Json] = []
        for name, value in stored.items():
            old = issue.values.get(name)
            if _plain(old) == _plain(value):
                continue
            items.append(self._item(name, old, value))
            issue.values[name] = value
        if not items:
            return
        self._touch(issue, by.now)
        entry = {"id": self.site.next_id("history"), "author": by.who, "at": by.now, "items": items}
        issue.history.append(entry)
        self._note(by, action, issue, fields={item["field"]: item["toString"] for item in items})
        self.outbox.issue(by.now, by.who, "updated", issue, what=what, changelog={"id": entry["id"], "items": items})

    def _item(self, name: str, old: Any, value: Any) -> Json:
        if name == "status":
            names = self.site.statuses
            shown = {"from": old, "fromString": names[old].name, "to": value, "toString": names[value].name}
            return {
                "field": "status",
                "fieldtype": "jira",
                **({"fieldId": "status"} if self.site.cloud else {}),
                **shown,
            }
        return values.item(self.site, self.site.fields[name], old, value)

    def delete(self, by: By, issue: Issue) -> None:
        """Delete an issue for good."""
        self._may_write(issue, by.who, "DELETE_ISSUES")
        del self.site.issues[issue.id]
        self._note(by, "delete_issue", issue)
        self.outbox.issue(by.now, by.who, "deleted", issue)

    def move(self, by: By, issue: Issue, project: str) -> None:
        """Move an issue to another project, as people do in the browser: new key, same id."""
        old_key, old = issue.key, self.site.projects[issue.project]
        new = self.site.projects[project]
        new.issued += 1
        issue.key, issue.project = f"{new.key}-{new.issued}", new.key
        self.site.keys[issue.key] = issue.id
        items = [
            {"field": "project", "fieldtype": "jira", "fieldId": "project", "from": old.id, "fromString": old.name,
             "to": new.id, "toString": new.name},
            {"field": "Key", "fieldtype": "jira", "from": None, "fromString": old_key,
             "to": None, "toString": issue.key},
        ]  # fmt: skip
        self._touch(issue, by.now)
        entry = {"id": self.site.next_id("history"), "author": by.who, "at": by.now, "items": items}
        issue.history.append(entry)
        self._note(by, "move_issue", issue, old=old_key)
        self.outbox.issue(
            by.now, by.who, "updated", issue, what="issue_moved", changelog={"id": entry["id"], "items": items}
        )

    # --- transitions
    def offered(self, issue: Issue, who: str) -> list[Transition]:
        """List the transitions that the workflow and a person's permissions allow now."""
        if not self.site.projects[issue.project].lets(who, "TRANSITION_ISSUES"):
            return []
        now = issue.values["status"]
        return [one for one in self.site.transitions if not one.sources or now in one.sources]

    def transition(self, by: By, issue: Issue, body: Json) -> None:
        """Take a transition; its screen may require fields."""
        self._may_write(issue, by.who, "TRANSITION_ISSUES")
        number = str((body.get("transition") or {}).get("id"))
        step = next((one for one in self.offered(issue, by.who) if one.id == number), None)
        if step is None:
            raise Refused(400, "It seems that you have tried to perform an illegal workflow operation.")
        stored = self._taken(dict(body.get("fields") or {}), by.api, screen=set(step.required))
        missing = [name for name in step.required if stored.get(name) is None]
        if missing:
            raise Refused(400, **{name: f"{self.site.fields[name].name} is required." for name in missing})
        done = self.site.statuses[step.to].category == "done"
        if not done and issue.values.get("resolution"):
            stored["resolution"] = None
        self.apply(by, issue, {**stored, "status": step.to}, action="transition", what="issue_generic")

    # --- comments
    def add_comment(self, by: By, issue: Issue, body: Json) -> Comment:
        """Add a comment."""
        self._may_write(issue, by.who, "ADD_COMMENTS")
        text = self._text(body, by.api)
        properties = {one["key"]: one["value"] for one in body.get("properties") or ()}
        comment = Comment(
            self.site.next_id("comment"), by.who, text, by.now, by.now, by.who, body.get("visibility"), properties
        )
        issue.comments[comment.id] = comment
        self.site.comments[comment.id] = issue.id
        self._touch(issue, by.now)
        self._note(by, "add_comment", issue, body, comment=comment.id, text=_start(self.site.rich_out(text, "2")))
        self.outbox.comment(by.now, by.who, "created", issue=issue, comment=comment)
        return comment

    def edit_comment(self, by: By, issue: Issue, comment: Comment, body: Json) -> None:
        """Replace a comment's text; a visibility that is left out is dropped."""
        self._may_write(issue, by.who, "EDIT_OWN_COMMENTS")
        comment.body, comment.updated, comment.updater = self._text(body, by.api), by.now, by.who
        comment.visibility = body.get("visibility")
        comment.properties |= {one["key"]: one["value"] for one in body.get("properties") or ()}
        self._touch(issue, by.now)
        text = _start(self.site.rich_out(comment.body, "2"))
        self._note(by, "edit_comment", issue, comment.properties, comment=comment.id, text=text)
        self.outbox.comment(by.now, by.who, "updated", issue=issue, comment=comment)

    def delete_comment(self, by: By, issue: Issue, comment: Comment) -> None:
        """Delete a comment."""
        self._may_write(issue, by.who, "DELETE_OWN_COMMENTS")
        del issue.comments[comment.id]
        self._touch(issue, by.now)
        self._note(by, "delete_comment", issue, comment.properties, comment=comment.id)
        self.outbox.comment(by.now, by.who, "deleted", issue=issue, comment=comment)

    def _text(self, body: Json, api: str) -> Any:
        try:
            return values.rich(self.site, body.get("body"), api)
        except values.BadValue as wrong:
            raise Refused(400, comment=str(wrong)) from None
        except values.TooLong:
            raise Refused(400, "CONTENT_LIMIT_EXCEEDED") from None

    # --- links
    def link(self, by: By, issue: Issue, body: Json) -> tuple[Json, bool]:
        """Add a remote link, or replace the one with this globalId; tells whether it is new."""
        self._may_write(issue, by.who, "LINK_ISSUES")
        shown = body.get("object")
        if not isinstance(shown, Mapping) or not shown.get("url") or not shown.get("title"):
            raise Refused(400, title="'title' is required.", url="'url' is required.")
        name = str(body.get("globalId") or f"none-{len(issue.links)}")
        old = issue.links.get(name)
        link = {**body, "id": old["id"] if old else int(self.site.next_id("link"))}
        if old == link:
            return link, False
        issue.links[name] = link
        self._note(by, "edit_link" if old else "add_link", issue, body, url=shown["url"])
        return link, old is None

    # --- shared
    def _may_write(self, issue: Issue, who: str, permission: str) -> None:
        if not self.site.projects[issue.project].lets(who, permission):
            what = "comment on" if "COMMENTS" in permission else "edit"
            raise Refused(403, f"You do not have permission to {what} this issue.")

    def _touch(self, issue: Issue, now: datetime) -> None:
        issue.updated = now
        issue.times.append(now)

    def _note(self, by: By, action: str, issue: Issue, sent: Any = None, **detail: Any) -> None:
        found = Marker.find(json.dumps(sent, ensure_ascii=False, default=str)) if sent else None
        self.ledger.add(by.now, by.who, action, issue.key, str(found) if found else "", **detail)


def _plain(value: Any) -> Any:
    return getattr(value, "stored", value) or None


def _start(text: str) -> str:
    return text[:200]
