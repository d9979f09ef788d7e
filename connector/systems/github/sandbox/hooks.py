"""Make the pretended GitHub's webhooks: signed, in GitHub's shapes, never repeated by themselves."""

from __future__ import annotations

import hmac
import json
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from connector.sandbox import Hook
from connector.systems.github.sandbox.show import Shower
from connector.systems.github.sandbox.state import Comment, Issue, Registered, Repository, User

REMEMBERED = 1000
"""How many deliveries can be sent again by `Hooks.redeliver` (GitHub: those of about three days)."""


class Hooks:
    """Collects webhooks until the server asks for them.

    Each goes to whoever subscribed to the whole sandbox, signed with ``secret``, and to every webhook that was
    installed in its repository, signed with that one's own.
    """

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

    def _send(self, one: Repository, name: str, payload: Mapping[str, Any], only: Registered | None = None) -> None:
        self._count += 1
        guid = f"{self._count:08x}-0000-11f0-8000-000000000000"
        body = json.dumps(payload).encode()
        if only is None:
            self.waiting.append(Hook(name, self._headers(name, guid, 1, self.secret, body), body))
        for hook in [only] if only else [found for found in one.webhooks.values() if found.wants(name)]:
            headers = self._headers(name, guid, hook.id, hook.config.get("secret", ""), body)
            told = _noting(one, hook, name, guid)
            self.waiting.append(Hook(name, headers, body, url=hook.config["url"], told=told))

    def _headers(self, name: str, guid: str, number: int, secret: str, body: bytes) -> dict[str, str]:
        headers = {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/5ba7d0c",
            "X-GitHub-Delivery": guid,
            "X-GitHub-Event": name,
            "X-GitHub-Hook-ID": str(number),
            "X-GitHub-Hook-Installation-Target-Type": "repository",
        }
        if secret:
            digest = hmac.digest(secret.encode(), body, "sha256").hex()
            headers["X-Hub-Signature-256"] = f"sha256={digest}"
        return headers

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
        self._send(one, name, {**payload, **more, **self._around(one, sender)})

    def comment(self, one: Repository, issue: Issue, comment: Comment, action: str, sender: User, **more: Any) -> None:
        """Tell of a comment."""
        payload = {
            "action": action,
            "issue": self.shower.issue(one, issue),
            "comment": self.shower.comment(one, issue, comment),
            **more,
        }
        self._send(one, "issue_comment", {**payload, **self._around(one, sender)})

    def review(self, one: Repository, issue: Issue, review: Comment, state: str) -> None:
        """Tell of a review."""
        if issue.pull is None:
            return
        payload = {
            "action": "submitted",
            "review": self.shower.review(one, issue, review, state),
            "pull_request": self.shower.pull(one, issue, issue.pull),
        }
        self._send(one, "pull_request_review", {**payload, **self._around(one, review.user)})

    def ping(self, one: Repository, sender: User, hook: Registered | None = None) -> None:
        """Greet a new webhook, as GitHub does when one is set up, or when asked to."""
        shown: Mapping[str, Any] = {"type": "Repository", "id": 1, "name": "web", "active": True, "events": ["*"]}
        if hook is not None:
            shown = self.shower.webhook(one, hook)
        payload = {"zen": "Keep it logically awesome.", "hook_id": shown["id"], "hook": shown}
        self._send(one, "ping", {**payload, **self._around(one, sender)}, hook)

    def _around(self, one: Repository, sender: User) -> dict[str, Any]:
        return {"repository": self.shower.repository(one), "sender": self.shower.user(sender)}


def _noting(one: Repository, hook: Registered, event: str, guid: str) -> Callable[[datetime, int], None]:
    """Return who writes down what became of a delivery."""

    def note(at: datetime, status: int) -> None:
        good = 200 <= status < 300
        failed = f"Invalid HTTP Response: {status}" if status else "failed to connect"
        hook.deliveries.appendleft(
            {
                "id": int(guid[:8], 16),
                "guid": guid,
                "delivered_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "redelivery": False,
                "duration": 0.02,
                "status": "OK" if good else failed,
                "status_code": status or HTTPStatus.BAD_GATEWAY.value,
                "event": event,
                "action": None,
                "installation_id": None,
                "repository_id": one.id,
            }
        )

    return note
