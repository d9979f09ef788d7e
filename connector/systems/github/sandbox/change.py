"""Change the pretended GitHub's content: every change is in the ledger and told by webhooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.link import Marker
from connector.sandbox import Ledger
from connector.systems.github.sandbox.hooks import Hooks
from connector.systems.github.sandbox.state import (
    Comment,
    Issue,
    Label,
    Milestone,
    Pull,
    Repository,
    User,
    World,
)

BODY_LIMIT = 65_536
TITLE_LIMIT = 256
MOST_ASSIGNEES = 10


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something where, and when."""

    one: Repository
    user: User
    now: datetime


class Invalid(Exception):
    """Values that GitHub refuses with 422; carries its ``errors``."""

    def __init__(self, *errors: Mapping[str, Any]) -> None:
        super().__init__("Validation Failed")
        self.errors = errors


def invalid(field: str, code: str, resource: str = "Issue", **more: Any) -> Invalid:
    """Make one of GitHub's validation errors."""
    return Invalid({"resource": resource, "field": field, "code": code, **more})


def _marker(text: str | None) -> str:
    found = Marker.find(text or "")
    return "" if found is None else str(found)


def checked(name: str, text: Any, limit: int, resource: str = "Issue") -> str:
    """Return a text that GitHub takes."""
    if not isinstance(text, str):
        raise invalid(name, "invalid", resource)
    if len(text) > limit:
        raise invalid(name, "custom", resource, message=f"{name} is too long (maximum is {limit} characters)")
    return text


class Changes:
    """The ways in which content changes, each told once to the ledger and the webhooks."""

    def __init__(self, world: World, ledger: Ledger, hooks: Hooks) -> None:
        self.world = world
        self.ledger = ledger
        self.hooks = hooks

    # --- issues and pull requests ----------------------------------------------------------------
    def open_issue(self, act: Act, asked: Mapping[str, Any], pull: Pull | None = None) -> Issue:
        """Create an issue, or a pull request where ``pull`` is given."""
        title = asked.get("title")
        if isinstance(title, int) and not isinstance(title, bool):
            title = str(title)
        if not isinstance(title, str) or not title.strip():
            raise invalid("title", "missing_field", "Issue" if pull is None else "PullRequest")
        checked("title", title, TITLE_LIMIT)
        body = asked.get("body")
        if body is not None:
            checked("body", body, BODY_LIMIT)
        labels, people, milestone = self._wanted(act, asked)
        issue = Issue(self.world.next_id(), act.one.next_number(), title, body, act.user, act.now, act.now, pull=pull)
        issue.labels, issue.assignees, issue.milestone = labels or {}, people or {}, milestone
        act.one.issues[issue.number] = issue
        act.one.still_open += 1
        action = "add_issue" if pull is None else "add_pull_request"
        self._write_down(act, issue, action, _marker(body), title=title, labels=sorted(issue.labels))
        self.hooks.item(act.one, issue, "opened", act.user)
        for label in issue.labels.values():
            self.hooks.item(act.one, issue, "labeled", act.user, label=self.hooks.shower.label(act.one, label))
        for person in issue.assignees.values():
            self.hooks.item(act.one, issue, "assigned", act.user, assignee=self.hooks.shower.user(person))
        if issue.milestone is not None:
            shown = self.hooks.shower.milestone(act.one, issue.milestone)
            self.hooks.item(act.one, issue, "milestoned", act.user, milestone=shown)
        return issue

    def edit_issue(self, act: Act, issue: Issue, asked: Mapping[str, Any]) -> None:
        """Apply a PATCH: what is named is set; nothing happens where all is so already."""
        if asked.get("title") is not None:
            checked("title", asked["title"], TITLE_LIMIT)
        if asked.get("body") is not None:
            checked("body", asked["body"], BODY_LIMIT)
        if asked.get("state") not in {None, "open", "closed"}:
            raise invalid("state", "invalid", value=asked["state"])
        if asked.get("state") == "open" and issue.pull is not None and issue.pull.merged_at is not None:
            raise invalid(
                "state", "custom", "PullRequest", message="state cannot be changed. The pull request is merged"
            )
        labels, people, milestone = self._wanted(act, asked)
        self._edit_words(act, issue, asked)
        if labels is not None:
            self.set_labels(act, issue, labels)
        if people is not None:
            self.set_assignees(act, issue, people)
        if "milestone" in asked and act.one.lets_write(act.user) and milestone is not issue.milestone:
            self._set_milestone(act, issue, milestone)
        if asked.get("state") not in {None, issue.state}:
            self._set_state(act, issue, asked)

    def _edit_words(self, act: Act, issue: Issue, asked: Mapping[str, Any]) -> None:
        before: dict[str, Any] = {}
        if asked.get("title") is not None and asked["title"] != issue.title:
            before["title"] = {"from": issue.title}
            issue.title = asked["title"]
        if "body" in asked and (asked["body"] or None) != (issue.body or None):
            before["body"] = {"from": issue.body or ""}
            issue.body = asked["body"]
        if before:
            self._touch(act, issue, "edit_issue", _marker(issue.body), fields=sorted(before))
            self.hooks.item(act.one, issue, "edited", act.user, changes=before)

    def _set_milestone(self, act: Act, issue: Issue, milestone: Milestone | None) -> None:
        before, issue.milestone = issue.milestone, milestone
        self._touch(act, issue, "edit_issue", milestone=milestone.title if milestone else None)
        for action, told in (("demilestoned", before), ("milestoned", milestone)):
            if told is not None:
                self.hooks.item(act.one, issue, action, act.user, milestone=self.hooks.shower.milestone(act.one, told))

    def _set_state(self, act: Act, issue: Issue, asked: Mapping[str, Any]) -> None:
        before, issue.state = issue.state, asked["state"]
        closed = issue.state == "closed"
        act.one.still_open += -1 if closed else 1
        issue.closed_at, issue.closed_by = (act.now, act.user) if closed else (None, None)
        if issue.pull is None:
            issue.state_reason = asked.get("state_reason") or "completed" if closed else "reopened"
        self._touch(act, issue, "transition", **{"from": before, "to": issue.state}, reason=issue.state_reason)
        self.hooks.item(act.one, issue, "closed" if closed else "reopened", act.user)

    def set_labels(self, act: Act, issue: Issue, labels: Mapping[str, Label]) -> None:
        """Replace the labels of an issue."""
        before, after = dict(issue.labels), dict(labels)
        if before.keys() == after.keys():
            return
        issue.labels = after
        self._touch(act, issue, "edit_issue", labels=sorted(label.name for label in after.values()))
        for key, label in before.items():
            if key not in after:
                self.hooks.item(act.one, issue, "unlabeled", act.user, label=self.hooks.shower.label(act.one, label))
        for key, label in after.items():
            if key not in before:
                self.hooks.item(act.one, issue, "labeled", act.user, label=self.hooks.shower.label(act.one, label))

    def set_assignees(self, act: Act, issue: Issue, people: Mapping[str, User]) -> None:
        """Replace the assignees of an issue."""
        before, after = dict(issue.assignees), dict(people)
        if before.keys() == after.keys():
            return
        issue.assignees = after
        self._touch(act, issue, "edit_issue", assignees=sorted(after))
        for key, person in before.items():
            if key not in after:
                self.hooks.item(act.one, issue, "unassigned", act.user, assignee=self.hooks.shower.user(person))
        for key, person in after.items():
            if key not in before:
                self.hooks.item(act.one, issue, "assigned", act.user, assignee=self.hooks.shower.user(person))

    def delete_issue(self, act: Act, issue: Issue) -> None:
        """Delete an issue (GitHub: on its web page and in GraphQL only)."""
        self._remove(act.one, issue)
        act.one.gone.add(issue.number)
        self._write_down(act, issue, "delete_issue")
        self.hooks.item(act.one, issue, "deleted", act.user)

    def transfer_issue(self, act: Act, issue: Issue, into: Repository) -> Issue:
        """Move an issue to another repository, where it gets a new id and number (GraphQL only)."""
        self._remove(act.one, issue)
        moved = Issue(
            self.world.next_id(), into.next_number(), issue.title, issue.body, issue.user, issue.created, act.now
        )
        into.issues[moved.number] = moved
        into.still_open += 1
        act.one.moved[issue.number] = (into.id, moved.number)
        self._write_down(act, issue, "transfer_issue", to=f"{into.full_name}#{moved.number}")
        shown = self.hooks.shower
        there = {"new_issue": shown.issue(into, moved), "new_repository": shown.repository(into)}
        here = {"old_issue": shown.issue(act.one, issue), "old_repository": shown.repository(act.one)}
        self.hooks.item(act.one, issue, "transferred", act.user, changes=there)
        self.hooks.item(into, moved, "opened", act.user, changes=here)
        return moved

    def _remove(self, one: Repository, issue: Issue) -> None:
        del one.issues[issue.number]
        one.still_open -= issue.state == "open"
        for comment in issue.comments:
            del one.comments[comment]

    def merge(self, act: Act, issue: Issue, pull: Pull) -> None:
        """Merge a pull request."""
        issue.state, issue.closed_at, issue.closed_by = "closed", act.now, act.user
        act.one.still_open -= 1
        pull.merged_at, pull.merged_by = act.now, act.user
        self._touch(act, issue, "merge")
        self.hooks.item(act.one, issue, "closed", act.user)

    # --- comments ------------------------------------------------------------------------------------
    def add_comment(self, act: Act, issue: Issue, body: Any) -> Comment:
        """Add a comment."""
        if not isinstance(body, str) or not body.strip():
            raise invalid("body", "missing_field", "IssueComment")
        checked("body", body, BODY_LIMIT, "IssueComment")
        comment = Comment(self.world.next_id(), issue.number, body, act.user, act.now, act.now)
        act.one.comments[comment.id] = comment
        issue.comments.append(comment.id)
        issue.updated = act.now
        self._write_down(act, issue, "add_comment", _marker(body), comment=comment.id, body=body)
        self.hooks.comment(act.one, issue, comment, "created", act.user)
        return comment

    def edit_comment(self, act: Act, comment: Comment, body: Any) -> None:
        """Change the words of a comment."""
        checked("body", body, BODY_LIMIT, "IssueComment")
        if body == comment.body:
            return
        issue = act.one.issues[comment.number]
        before, comment.body, comment.updated = comment.body, body, act.now
        issue.updated = act.now
        self._write_down(act, issue, "edit_comment", _marker(body), comment=comment.id, body=body)
        self.hooks.comment(act.one, issue, comment, "edited", act.user, changes={"body": {"from": before}})

    def delete_comment(self, act: Act, comment: Comment) -> None:
        """Delete a comment."""
        issue = act.one.issues[comment.number]
        del act.one.comments[comment.id]
        issue.comments.remove(comment.id)
        issue.updated = act.now
        self._write_down(act, issue, "delete_comment", _marker(comment.body), comment=comment.id)
        self.hooks.comment(act.one, issue, comment, "deleted", act.user)

    def add_review(self, act: Act, issue: Issue, body: str, state: str) -> Comment:
        """Add a review to a pull request; it is told by webhook and not kept."""
        review = Comment(self.world.next_id(), issue.number, body, act.user, act.now, act.now)
        issue.updated = act.now
        self._write_down(act, issue, "add_review", _marker(body), review=review.id)
        self.hooks.review(act.one, issue, review, state)
        return review

    # --- pieces ------------------------------------------------------------------------------------
    def _wanted(
        self, act: Act, asked: Mapping[str, Any]
    ) -> tuple[dict[str, Label] | None, dict[str, User] | None, Milestone | None]:
        """Read labels, assignees and milestone; silently dropped where the account may not push."""
        if not act.one.lets_write(act.user):
            return None, None, None
        for name in ("labels", "assignees"):
            if not isinstance(asked.get(name), list | None):
                raise invalid(name, "invalid")
        labels = None if asked.get("labels") is None else self.labels(act.one, asked["labels"])
        names = asked.get("assignees")
        people = None if names is None else self.people(act.one, names)
        number = asked.get("milestone")
        if number is None:
            return labels, people, None
        if not isinstance(number, int) or number not in act.one.milestones:
            raise invalid("milestone", "invalid", value=number)
        return labels, people, act.one.milestones[number]

    def labels(self, one: Repository, wanted: Iterable[Any]) -> dict[str, Label]:
        """Return labels by name, creating the ones that the repository lacks."""
        found = {}
        for label in wanted:
            name = label.get("name") if isinstance(label, dict) else label
            if not isinstance(name, str) or not name:
                raise invalid("name", "missing_field", "Label")
            key = name.casefold()
            if key not in one.labels:
                one.labels[key] = Label(self.world.next_id(), name)
            found[key] = one.labels[key]
        return found

    def people(self, one: Repository, names: Iterable[Any]) -> dict[str, User]:
        """Return accounts by login; who cannot be assigned is silently dropped, as are those beyond ten."""
        found = [self.world.users.get(str(name).casefold()) for name in names]
        known = [user for user in found if user is not None and one.lets_assign(user)]
        return {user.login: user for user in known[:MOST_ASSIGNEES]}

    def _touch(self, act: Act, issue: Issue, action: str, marker: str = "", **detail: Any) -> None:
        issue.updated = act.now
        self._write_down(act, issue, action, marker, **detail)

    def _write_down(self, act: Act, issue: Issue, action: str, marker: str = "", **detail: Any) -> None:
        self.ledger.add(act.now, act.user.login, action, f"{act.one.full_name}#{issue.number}", marker, **detail)
