"""Answer the pretended GitHub's REST API: routes, paging, conditional requests, GitHub's own errors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlencode

from connector.sandbox import Answer, Call
from connector.systems.github.sandbox.change import Act, Changes, Invalid, invalid
from connector.systems.github.sandbox.lists import as_number, chosen, conditional, ordered, paged, since_asked
from connector.systems.github.sandbox.registered import Registry
from connector.systems.github.sandbox.show import Shower
from connector.systems.github.sandbox.state import Comment, Issue, Label, Milestone, Pull, Repository, User, World

DOCS = "https://docs.github.com/rest"


class Refused(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def refuse(status: int, message: str, **more: Any) -> Refused:
    """Make one of GitHub's error answers."""
    return Refused(Answer.of(status, {"message": message, **more, "documentation_url": DOCS, "status": str(status)}))


def not_found() -> Refused:
    """Make the answer for what does not exist or may not be seen."""
    return refuse(404, "Not Found")


class Rest:
    """The routes.  One call at a time: ``who`` and ``now`` belong to it."""

    def __init__(self, world: World, shower: Shower, changes: Changes) -> None:
        self.world = world
        self.show = shower
        self.changes = changes
        self.registry = Registry(shower, changes)

    def answer(self, call: Call, who: User, now: datetime) -> Answer:
        """Perform one request that has been authenticated."""
        try:
            return conditional(call, self._route(call, who, now))
        except Refused as refused:
            return refused.answer
        except Invalid as error:
            more = {"errors": list(error.errors)}
            return refuse(422, "Validation Failed", **more).answer

    def _route(self, call: Call, who: User, now: datetime) -> Answer:
        parts = [unquote(part) for part in call.path.strip("/").split("/")]
        match call.method, parts:
            case "GET", ["user"]:
                return Answer.of(200, self.show.me(who))
            case "GET", ["user", "repos"]:
                seen = [one for one in self.world.repositories.values() if who.login not in one.hidden_from]
                seen.sort(key=lambda one: one.full_name.casefold())
                return paged(self.show.url, call, None, seen, lambda one: self.show.seen_repository(one, who))
            case "GET", ["users", login]:
                user = self.world.users.get(login.casefold())
                if user is None:
                    raise not_found()
                return Answer.of(200, self.show.user(user))
            case _, ["repos", owner, name, *rest]:
                one = self._repository(call, who, f"{owner}/{name}", rest)
            case _, ["repositories", number, *rest] if number.isdigit():
                one = self.world.repositories.get(int(number)) or _missing()
                self._seen(one, who)
            case _:
                raise not_found()
        return self._in_repository(call, Act(one, who, now), rest)

    def _repository(self, call: Call, who: User, name: str, rest: Sequence[str]) -> Repository:
        number = self.world.names.get(name.casefold())
        if number is None:
            raise not_found()
        one = self.world.repositories[number]
        self._seen(one, who)
        if one.full_name.casefold() != name.casefold():
            raise self._moved(call, f"repositories/{one.id}", rest)
        return one

    def _seen(self, one: Repository, who: User) -> None:
        if who.login in one.hidden_from:
            raise not_found()

    def _moved(self, call: Call, where: str, rest: Sequence[str]) -> Refused:
        """Redirect: 301 for reads, 307 for the rest, as GitHub does."""
        query = urlencode({name: list(values) for name, values in call.query.items()}, doseq=True)
        url = "/".join((self.show.url, where, *rest)) + (f"?{query}" if query else "")
        status = 301 if call.method == "GET" else 307
        body = {"message": "Moved Permanently", "url": url, "documentation_url": DOCS}
        return Refused(Answer.of(status, body, location=url))

    def _in_repository(self, call: Call, act: Act, rest: Sequence[str]) -> Answer:
        one = act.one
        if one.archived and call.method != "GET":
            raise refuse(403, "Repository was archived so is read-only.")
        if not one.has_issues and rest[:1] == ["issues"]:
            raise refuse(410, "Issues are disabled for this repo")
        match call.method, rest:
            case "GET", ["assignees", login]:
                return Answer(204) if one.lets_assign(self.world.users.get(login.casefold())) else _missing()
            case "GET", []:
                return Answer.of(200, self.show.whole_repository(one, act.user))
            case "GET", ["assignees"]:
                some = [user for user in self.world.users.values() if one.lets_assign(user)]
                return paged(self.show.url, call, one, some, self.show.user)
            case "GET", ["issues"]:
                issues = chosen(one, call)
                return paged(self.show.url, call, one, issues, lambda issue: self.show.issue(one, issue))
            case "POST", ["issues"]:
                issue = self.changes.open_issue(act, _object(call))
                return Answer.of(201, self.show.issue(one, issue))
            case "GET", ["issues", "comments"]:
                comments = ordered(one.comments.values(), call)
                return paged(
                    self.show.url, call, one, comments, lambda c: self.show.comment(one, one.issues[c.number], c)
                )
            case _, ["issues", "comments", number]:
                comment = one.comments.get(as_number(number))
                return self._comment(call, act, comment or _missing())
            case _, ["issues", number, *more]:
                return self._issue(call, act, self._item(call, one, as_number(number), more), more)
            case _, ["pulls", *more]:
                return self._pulls(call, act, more)
            case _, ["labels", *more]:
                return self._labels(call, act, more)
            case _, ["milestones", *more]:
                return self._milestones(call, act, more)
            case _, ["hooks", *more]:
                return self.registry.answer(call, act, more) or not_found().answer
            case _:
                raise not_found()

    def _item(self, call: Call, one: Repository, number: int, rest: Sequence[str]) -> Issue:
        if number in one.gone:
            raise refuse(410, "This issue was deleted")
        if number in one.moved:
            there, moved = one.moved[number]
            raise self._moved(call, f"repositories/{there}/issues/{moved}", rest)
        return one.issues.get(number) or _missing()

    def _issue(self, call: Call, act: Act, issue: Issue, rest: Sequence[str]) -> Answer:
        one, change, show = act.one, self.changes, self.show
        match call.method, rest:
            case "GET", []:
                return Answer.of(200, show.issue(one, issue))
            case "PATCH", []:
                change.edit_issue(act, issue, _object(call))
                return Answer.of(200, show.issue(one, issue))
            case "GET", ["comments"]:
                comments = since_asked(one.comments_of(issue), call)
                return paged(self.show.url, call, one, comments, lambda c: show.comment(one, issue, c))
            case "POST", ["comments"]:
                if issue.locked and not one.lets_write(act.user):
                    raise refuse(403, "Unable to create comment because issue is locked.")
                comment = change.add_comment(act, issue, _object(call).get("body"))
                return Answer.of(201, show.comment(one, issue, comment))
            case "GET", ["labels"]:
                return Answer.of(200, [show.label(one, label) for label in issue.labels.values()])
            case "POST" | "PUT", ["labels"]:
                wanted = change.labels(one, _names(call, "labels"))
                kept = dict(issue.labels) if call.method == "POST" else {}
                change.set_labels(act, issue, {**kept, **wanted})
                return Answer.of(200, [show.label(one, label) for label in issue.labels.values()])
            case "DELETE", ["labels", *names]:
                key = "/".join(names).casefold()
                if names and key not in issue.labels:
                    raise refuse(404, "Label does not exist")
                left = {k: label for k, label in issue.labels.items() if names and k != key}
                change.set_labels(act, issue, left)
                return Answer.of(200, [show.label(one, label) for label in left.values()])
            case "POST" | "DELETE", ["assignees"]:
                named = change.people(one, _names(call, "assignees"))
                people = {k: user for k, user in issue.assignees.items() if k not in named}
                if call.method == "POST":
                    people = {**issue.assignees, **named}
                change.set_assignees(act, issue, people)
                return Answer.of(201 if call.method == "POST" else 200, show.issue(one, issue))
            case "PUT" | "DELETE", ["lock"]:
                issue.locked = call.method == "PUT"
                change.hooks.item(one, issue, "locked" if issue.locked else "unlocked", act.user)
                return Answer(204)
            case _:
                raise not_found()

    def _comment(self, call: Call, act: Act, comment: Comment) -> Answer:
        one = act.one
        match call.method:
            case "GET":
                pass
            case "PATCH":
                self.changes.edit_comment(act, comment, _object(call).get("body"))
            case "DELETE":
                self.changes.delete_comment(act, comment)
                return Answer(204)
            case _:
                raise not_found()
        return Answer.of(200, self.show.comment(one, one.issues[comment.number], comment))

    def _pulls(self, call: Call, act: Act, rest: Sequence[str]) -> Answer:
        one = act.one
        match call.method, rest:
            case "GET", []:
                pulls = [issue for issue in chosen(one, call) if issue.pull is not None]
                return paged(self.show.url, call, one, pulls, lambda issue: self._pull_of(one, issue))
            case "POST", []:
                return Answer.of(201, self._open_pull(act, _object(call)))
            case _, [number, *more]:
                issue = self._item(call, one, as_number(number), more)
                pull = issue.pull or _missing()
            case _:
                raise not_found()
        match call.method, more:
            case "GET", []:
                return Answer.of(200, self.show.whole_pull(one, issue, pull))
            case "PATCH", []:
                self.changes.edit_issue(act, issue, _object(call))
                return Answer.of(200, self.show.whole_pull(one, issue, pull))
            case "GET", ["merge"]:
                return Answer(204) if pull.merged_at else not_found().answer
            case "PUT", ["merge"]:
                if issue.state != "open":
                    raise refuse(405, "Pull Request is not mergeable")
                self.changes.merge(act, issue, pull)
                return Answer.of(200, {"sha": pull.sha, "merged": True, "message": "Pull Request successfully merged"})
            case "POST", ["reviews"]:
                asked = _object(call)
                state = {"APPROVE": "approved", "REQUEST_CHANGES": "changes_requested"}.get(
                    str(asked.get("event")), "commented"
                )
                review = self.changes.add_review(act, issue, str(asked.get("body") or ""), state)
                return Answer.of(200, self.show.review(one, issue, review, state.upper()))
            case _:
                raise not_found()

    def _pull_of(self, one: Repository, issue: Issue) -> dict[str, Any]:
        return self.show.pull(one, issue, issue.pull or _missing())

    def _open_pull(self, act: Act, asked: Mapping[str, Any]) -> dict[str, Any]:
        one = act.one
        for name in ("head", "base"):
            if not isinstance(asked.get(name), str) or not asked[name]:
                raise invalid(name, "missing_field", "PullRequest")
        head = asked["head"].rpartition(":")[2]
        sha = hashlib.sha256(f"{one.id}/{head}/{one.number}".encode()).hexdigest()[:40]
        pull = Pull(self.world.next_id(), head, asked["base"], sha, bool(asked.get("draft")))
        issue = self.changes.open_issue(act, asked, pull)
        return self.show.whole_pull(one, issue, pull)

    def _labels(self, call: Call, act: Act, rest: Sequence[str]) -> Answer:
        one = act.one
        match call.method, rest:
            case "GET", []:
                return paged(
                    self.show.url, call, one, list(one.labels.values()), lambda label: self.show.label(one, label)
                )
            case "POST", []:
                asked = _object(call)
                name = asked.get("name")
                if not isinstance(name, str) or not name:
                    raise invalid("name", "missing_field", "Label")
                if name.casefold() in one.labels:
                    raise invalid("name", "already_exists", "Label")
                label = Label(self.world.next_id(), name, str(asked.get("color") or "ededed"), asked.get("description"))
                one.labels[name.casefold()] = label
                return Answer.of(201, self.show.label(one, label))
            case "GET", names:
                return Answer.of(200, self.show.label(one, one.labels.get("/".join(names).casefold()) or _missing()))
            case _:
                raise not_found()

    def _milestones(self, call: Call, act: Act, rest: Sequence[str]) -> Answer:
        one = act.one
        match call.method, rest:
            case "GET", []:
                state = call.first("state", "open")
                some = [m for m in one.milestones.values() if state in {"all", m.state}]
                return paged(self.show.url, call, one, some, lambda milestone: self.show.milestone(one, milestone))
            case "POST", []:
                asked = _object(call)
                title = asked.get("title")
                if not isinstance(title, str) or not title:
                    raise invalid("title", "missing_field", "Milestone")
                if any(m.title == title for m in one.milestones.values()):
                    raise invalid("title", "already_exists", "Milestone")
                number = len(one.milestones) + 1
                made = Milestone(
                    self.world.next_id(), number, title, act.user, act.now, act.now, str(asked.get("state") or "open")
                )
                one.milestones[number] = made
                return Answer.of(201, self.show.milestone(one, made))
            case "GET", [number]:
                return Answer.of(200, self.show.milestone(one, one.milestones.get(as_number(number)) or _missing()))
            case _:
                raise not_found()


def _object(call: Call) -> dict[str, Any]:
    try:
        asked = call.json()
    except json.JSONDecodeError as error:
        raise refuse(400, "Problems parsing JSON") from error
    if not isinstance(asked, dict):
        raise refuse(400, "Body should be a JSON object")
    return asked


def _names(call: Call, member: str) -> list[Any]:
    """Read a list of names: bare, or as a member of an object."""
    asked = call.json()
    names = asked if isinstance(asked, list) else asked.get(member, [])
    return names if isinstance(names, list) else [names]


def _missing() -> Any:
    raise not_found()
