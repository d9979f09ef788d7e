"""Pretend to be GitHub: a stateful fake of its REST API and webhooks, with a ledger of every effect.

What GitHub offers only on its web pages or in GraphQL is a method here: `GitHubSandbox.delete_issue`,
`transfer_issue`, `rename`.  ``url`` must be where the sandbox is served, since GitHub's answers are
full of absolute URLs that clients follow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from connector.sandbox import Answer, Call, Fault, Faults, Hook, Ledger
from connector.systems.github.sandbox.change import Act, Changes
from connector.systems.github.sandbox.hooks import Hooks
from connector.systems.github.sandbox.rest import DOCS, Rest
from connector.systems.github.sandbox.show import Shower
from connector.systems.github.sandbox.state import Issue, Milestone, Repository, World

__all__ = ["GitHubSandbox", "new_sandbox"]

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class Quota:
    """What one account has used: calls in this hour, content created in the last minute and hour."""

    def __init__(self) -> None:
        self.used = 0
        self.reset = datetime.fromtimestamp(0, UTC)
        self.writes: deque[datetime] = deque()

    def call(self, now: datetime) -> None:
        """Count a call; the hour begins with the first one."""
        if now >= self.reset:
            self.used, self.reset = 0, (now + HOUR).replace(microsecond=0)
        self.used += 1

    def may_write(self, now: datetime, per_minute: int, per_hour: int) -> bool:
        """Count a write if it is allowed."""
        while self.writes and self.writes[0] <= now - HOUR:
            self.writes.popleft()
        lately = 0
        for at in reversed(self.writes):
            if at <= now - MINUTE:
                break
            lately += 1
        if lately >= per_minute or len(self.writes) >= per_hour:
            return False
        self.writes.append(now)
        return True


class GitHubSandbox:
    """The pretended GitHub.

    ``people`` maps a token to a login.  ``enforce`` makes it refuse what is over its limits
    (``hourly`` calls, 80 writes a minute and 500 an hour); otherwise they only show in the headers.
    """

    def __init__(
        self,
        *,
        webhook_secret: str = "",
        url: str = "http://sandbox",
        people: Mapping[str, str] | None = None,
        enforce: bool = False,
        hourly: int = 5000,
        writes_per_minute: int = 80,
        writes_per_hour: int = 500,
    ) -> None:
        self.world = World()
        self.ledger = Ledger()
        self.faults = Faults()
        self.people = dict(people or {})
        for login in self.people.values():
            self.world.user(login)
        self.show = Shower(url)
        self.webhooks = Hooks(self.show, webhook_secret)
        self.changes = Changes(self.world, self.ledger, self.webhooks)
        self.rest = Rest(self.world, self.show, self.changes)
        self.enforce, self.hourly = enforce, hourly
        self.writes_per_minute, self.writes_per_hour = writes_per_minute, writes_per_hour
        self.quotas: dict[str, Quota] = {}
        self._now = datetime.fromtimestamp(0, UTC)

    # --- what every sandbox offers --------------------------------------------------------------
    def __call__(self, call: Call, now: datetime, /) -> Answer:
        """Perform one request."""
        self._now = now
        # An Enterprise Server has its API under /api/v3.
        path = call.path.removeprefix("/api/v3") or "/"
        return self.faults.run(Call(call.method, path, call.query, call.headers, call.body), self._perform, self._spoil)

    def hooks(self, _now: datetime, /) -> list[Hook]:
        """Hand out the webhooks that wait; GitHub sends them at once and only once."""
        return self.webhooks.take()

    def state(self) -> Mapping[str, Any]:
        """Return the whole content."""
        return {"repositories": {one.full_name: _content(one) for one in self.world.repositories.values()}}

    # --- the way of a request -------------------------------------------------------------------
    def _perform(self, call: Call) -> Answer:
        token = call.headers.get("authorization", "").rpartition(" ")[2]
        login = self.people.get(token)
        if login is None:
            return self._with_headers(_error(401, "Bad credentials"), Quota())
        quota = self.quotas.setdefault(login, Quota())
        if call.path == "/rate_limit":
            quota.call(self._now)
            quota.used -= 1  # asking costs nothing
            return self._with_headers(Answer.of(200, self._rates(quota)), quota)
        quota.call(self._now)
        if self.enforce and quota.used > self.hourly:
            quota.used = self.hourly
            return self._with_headers(_error(403, f"API rate limit exceeded for user ID {login}."), quota)
        if self.enforce and call.method != "GET" and not self._may_write(quota):
            return self._with_headers(_slow_down("have been temporarily blocked from content creation", 60), quota)
        answer = self.rest.answer(call, self.world.user(login), self._now)
        if answer.status == 304:
            quota.used -= 1  # a conditional read that finds nothing new costs nothing
        return self._with_headers(answer, quota)

    def _may_write(self, quota: Quota) -> bool:
        return quota.may_write(self._now, self.writes_per_minute, self.writes_per_hour)

    def _with_headers(self, answer: Answer, quota: Quota) -> Answer:
        headers = {
            "x-ratelimit-limit": str(self.hourly),
            "x-ratelimit-remaining": str(max(self.hourly - quota.used, 0)),
            "x-ratelimit-used": str(quota.used),
            "x-ratelimit-reset": str(int(quota.reset.timestamp())),
            "x-ratelimit-resource": "core",
            "x-oauth-scopes": "repo",
            "x-github-media-type": "github.v3; format=json",
            "date": format_datetime(self._now, usegmt=True),
        }
        return Answer(answer.status, answer.body, {**headers, **answer.headers}, answer.drop, answer.drip)

    def _rates(self, quota: Quota) -> dict[str, Any]:
        core = {
            "limit": self.hourly,
            "remaining": max(self.hourly - quota.used, 0),
            "used": quota.used,
            "reset": int(quota.reset.timestamp()),
        }
        return {"resources": {"core": core, "search": {**core, "limit": 30, "remaining": 30, "used": 0}}, "rate": core}

    def _spoil(self, kind: str, fault: Fault) -> Answer:
        """Answer a fault in GitHub's own shape."""
        if kind == "expired_token":
            return self._with_headers(_error(401, "Bad credentials"), Quota())
        if fault.retry_after is not None:
            return self._with_headers(_slow_down("exceeded", fault.retry_after), Quota())
        spent = Quota()
        spent.call(self._now)
        spent.used = self.hourly
        return self._with_headers(_error(403, "API rate limit exceeded for user ID 1."), spent)

    # --- what people do on GitHub's web pages -------------------------------------------------------
    def add_repository(self, full_name: str) -> Repository:
        """Create a repository."""
        return self.world.add_repository(full_name, self._now)

    def add_milestone(self, full_name: str, title: str) -> Milestone:
        """Create a milestone."""
        one = self.world.repository(full_name)
        number = len(one.milestones) + 1
        made = Milestone(self.world.next_id(), number, title, one.owner, self._now, self._now)
        one.milestones[number] = made
        return made

    def delete_issue(self, full_name: str, number: int, login: str, now: datetime) -> None:
        """Delete an issue."""
        one = self.world.repository(full_name)
        self.changes.delete_issue(Act(one, self.world.user(login), now), one.issues[number])

    def transfer_issue(self, full_name: str, number: int, into: str, login: str, now: datetime) -> Issue:
        """Move an issue to another repository."""
        one, there = self.world.repository(full_name), self.world.repository(into)
        return self.changes.transfer_issue(Act(one, self.world.user(login), now), one.issues[number], there)

    def rename(self, full_name: str, name: str) -> None:
        """Rename a repository; its former name redirects from now on."""
        one = self.world.repository(full_name)
        one.name = name
        self.world.names[one.full_name.casefold()] = one.id

    def hide(self, full_name: str, login: str) -> None:
        """Take from an account the right to see a repository: it gets 404 from now on."""
        self.world.repository(full_name).hidden_from.add(login)

    def let_write(self, full_name: str, logins: Iterable[str]) -> None:
        """Name the only accounts that may set labels, milestones and assignees."""
        self.world.repository(full_name).writers = set(logins)

    def let_administer(self, full_name: str, logins: Iterable[str]) -> None:
        """Name the only accounts that may see and change webhooks."""
        self.world.repository(full_name).admins = set(logins)


def new_sandbox(
    *,
    webhook_secret: str = "",
    url: str = "http://sandbox",
    people: Mapping[str, str] | None = None,
    repositories: Iterable[str] = ("acme/web", "acme/api"),
    milestones: Iterable[str] = ("v1.0", "v2.0"),
    **options: Any,
) -> GitHubSandbox:
    """Build a sandbox with repositories and people; ``options`` are those of `GitHubSandbox`.

    Without ``people`` the tokens are ``ghp_bot`` (acme-bot), ``ghp_alice`` and ``ghp_bob``.
    """
    known = people or {"ghp_bot": "acme-bot", "ghp_alice": "alice", "ghp_bob": "bob"}
    sandbox = GitHubSandbox(webhook_secret=webhook_secret, url=url, people=known, **options)
    for full_name in repositories:
        sandbox.add_repository(full_name)
        for title in milestones:
            sandbox.add_milestone(full_name, title)
    return sandbox


def _error(status: int, message: str) -> Answer:
    return Answer.of(status, {"message": message, "documentation_url": DOCS, "status": str(status)})


def _slow_down(what: str, seconds: int) -> Answer:
    message = f"You have exceeded a secondary rate limit and {what}. Please retry your request again later."
    body = {"message": message, "documentation_url": f"{DOCS}/overview/rate-limits-for-the-rest-api"}
    return Answer.of(403, body, retry_after=str(seconds))


def _content(one: Repository) -> dict[str, Any]:
    return {
        "issues": [
            {
                "key": f"{one.full_name}#{issue.number}",
                "title": issue.title,
                "body": issue.body,
                "type": "issue" if issue.pull is None else "pull_request",
                "state": issue.state,
                "merged": issue.pull is not None and issue.pull.merged_at is not None,
                "labels": sorted(label.name for label in issue.labels.values()),
                "assignees": sorted(issue.assignees),
                "comments": [{"author": c.user.login, "body": c.body} for c in one.comments_of(issue)],
            }
            for issue in one.issues.values()
        ]
    }
