"""Make the pretended GitHub's webhooks: signed, in GitHub's shapes, never repeated by themselves."""

from __future__ import annotations

import hmac
import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from connector.sandbox import Hook
from connector.systems.github.sandbox.show import Shower
from connector.systems.github.sandbox.state import Comment, Issue, Repository, User

REMEMBERED = 1000
"""How many deliveries can be sent again by `Hooks.redeliver` (GitHub: those of about three days)."""


class Hooks:
    """Collects webhooks until the server asks for them."""

    def __init__(self, shower: Shower, secret: str) -> None:
        self.shower = shower
        self.secret = secret
        self.waiting: list[Hook] = []
        self.delivered: deque[Hook] = deque(maxlen=REMEMBERED)
        self._count = 0

    def take(self) -> list[Hook]:
        """Hand out, once, what is waiting."""
        taken, self.waiting = self.waiting, []
        self.delivered.extend(taken)
        return taken

    def redeliver(self) -> None:
        """Send everything remembered again, each with the delivery id that it had."""
        self.waiting.extend(self.delivered)

    def _send(self, name: str, payload: Mapping[str, Any]) -> None:
        self._count += 1
        body = json.dumps(payload).encode()
        headers = {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/5ba7d0c",
            "X-GitHub-Delivery": f"{self._count:08x}-0000-11f0-8000-000000000000",
            "X-GitHub-Event": name,
            "X-GitHub-Hook-ID": "1",
            "X-GitHub-Hook-Installation-Target-Type": "repository",
        }
        if self.secret:
            digest = hmac.digest(self.secret.encode(), body, "sha256").hex()
            headers["X-Hub-Signature-256"] = f"sha256={digest}"
        self.waiting.append(Hook(name, headers, body))

    def item(self, one: Repository, issue: Issue, action: str, sender: User, **more: Any) -> None:
        """Tell of an issue (``issues``) or a pull request (``pull_request``)."""
        payload: dict[str, Any] = {"action": action}
        name = "issues"
        if issue.pull is None:
            payload["issue"] = self.shower.issue(one, issue)
        else:
            name = "pull_request"
            payload["number"] = issue.number
            payload["pull_request"] = self.shower.whole_pull(one, issue, issue.pull)
        self._send(name, {**payload, **more, **self._around(one, sender)})

    def comment(self, one: Repository, issue: Issue, comment: Comment, action: str, sender: User, **more: Any) -> None:
        """Tell of a comment."""
        payload = {
            "action": action,
            "issue": self.shower.issue(one, issue),
            "comment": self.shower.comment(one, issue, comment),
            **more,
        }
        self._send("issue_comment", {**payload, **self._around(one, sender)})

    def review(self, one: Repository, issue: Issue, review: Comment, state: str) -> None:
        """Tell of a review."""
        if issue.pull is None:
            return
        payload = {
            "action": "submitted",
            "review": self.shower.review(one, issue, review, state),
            "pull_request": self.shower.pull(one, issue, issue.pull),
        }
        self._send("pull_request_review", {**payload, **self._around(one, review.user)})

    def ping(self, one: Repository, sender: User) -> None:
        """Greet a new webhook, as GitHub does when one is set up."""
        hook = {"type": "Repository", "id": 1, "name": "web", "active": True, "events": ["*"]}
        self._send(
            "ping", {"zen": "Keep it logically awesome.", "hook_id": 1, "hook": hook, **self._around(one, sender)}
        )

    def _around(self, one: Repository, sender: User) -> dict[str, Any]:
        return {"repository": self.shower.repository(one), "sender": self.shower.user(sender)}
