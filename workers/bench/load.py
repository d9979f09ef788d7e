"""Make signed webhooks and send them as fast as they are taken, over a few kept connections."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, cast

import uvloop

CONNECTIONS: Final = 32
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


def payload(issue: int, *, update: int = 0, size: int = 1000, project: str = "WEB") -> dict[str, Any]:
    """Return what Jira sends about an issue: created, or its ``update``-th change; about ``size`` bytes as JSON."""
    now = datetime.now(UTC)
    # Each change has a moment of its own: of two at the same one the source would be asked which is true.
    at = f"{now:%Y-%m-%dT%H:%M:%S}.{update:03d}+0000"
    document: dict[str, Any] = {
        "timestamp": int(now.timestamp() * 1000),
        "webhookEvent": "jira:issue_updated" if update else "jira:issue_created",
        "user": {"accountId": "557058:ada", "displayName": "Ada"},
        "issue": {
            "id": str(issue),
            "key": f"{project}-{issue}",
            "self": f"http://127.0.0.1/rest/api/3/issue/{issue}",
            "fields": {
                "summary": f"Broken in {update} ways",
                "status": {"name": "To Do"},
                "issuetype": {"name": "Bug"},
                "project": {"id": "10000", "key": project, "name": project.title()},
                "labels": [],
                "created": at,
                "updated": at,
            },
        },
    }
    if update:
        item = {
            "field": "summary",
            "fromString": f"Broken in {update - 1} ways",
            "toString": f"Broken in {update} ways",
        }
        document["changelog"] = {"id": f"{issue}{update:03d}", "items": [item]}
    if size > _FURNISHED:
        document["issue"]["fields"].update(_furniture(issue))
    missing = size - len(json.dumps(document))
    document["issue"]["fields"]["description"] = words(issue, max(0, missing))
    return document


_FURNISHED: Final = 6000
"""Bytes of a payload from which on it has all the fields that an issue of Jira's has."""


def _furniture(issue: int) -> dict[str, Any]:
    """Return what Jira sends of an issue besides what anybody asks for.

    After a recorded ``jira:issue_created`` of 8.3 kB and 181 members (``webhooks/jira-mobitel`` of the reference data):
    people with four pictures each, things with their addresses, and custom fields, most of them empty.
    """
    site = "https://acme.atlassian.net"

    def person(name: str) -> dict[str, Any]:
        picture = f"https://avatar-management--avatars.us-west-2.prod.public.atl-paas.net/557058:{name}/{issue}"
        return {
            "self": f"{site}/rest/api/3/user?accountId=557058:{name}",
            "accountId": f"557058:{name}",
            "avatarUrls": {f"{side}x{side}": f"{picture}?s={side}&d=mm" for side in (48, 24, 16, 32)},
            "displayName": name.title(),
            "active": True,
            "timeZone": "Europe/Berlin",
        }

    def thing(kind: str, name: str) -> dict[str, Any]:
        address = f"{site}/rest/api/3/{kind}/3"
        return {"self": address, "iconUrl": f"{site}/images/icons/{kind}.svg", "name": name, "id": "3"}

    return {
        **{role: person(role) for role in ("creator", "reporter", "assignee")},
        **{f"customfield_{10100 + number}": None for number in range(60)},
        "customfield_10009": "0|i02x3j:",
        "customfield_10010": [{"self": f"{site}/rest/api/3/customFieldOption/10", "value": "Backend", "id": "10"}],
        "status": thing("status", "To Do"),
        "priority": thing("priority", "High"),
        "issuetype": {**thing("issuetype", "Bug"), "subtask": False, "avatarId": 10303},
        "votes": {"self": f"{site}/rest/api/3/issue/WEB-{issue}/votes", "votes": 0, "hasVoted": False},
        "watches": {"self": f"{site}/rest/api/3/issue/WEB-{issue}/watchers", "watchCount": 1, "isWatching": True},
        "progress": {"progress": 0, "total": 0},
        "aggregateprogress": {"progress": 0, "total": 0},
        **dict.fromkeys(("resolution", "resolutiondate", "duedate", "environment", "timespent", "lastViewed")),
        **{name: [] for name in ("components", "versions", "fixVersions", "issuelinks", "subtasks", "attachment")},
        "workratio": -1,
    }


def words(seed: int, size: int) -> str:
    """Return text of ``size`` characters that compresses about as prose does."""
    pieces = (hashlib.sha256(f"{seed}{number}".encode()).hexdigest()[:8] for number in range(size // 12 + 1))
    return " ".join(f"{piece} is" for piece in pieces)[:size]


def request(port: int, document: dict[str, Any], secret: str) -> bytes:
    """Return a signed HTTP request to the door of the connection jira."""
    body = json.dumps(document).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST /hooks/jira HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        f"x-hub-signature: sha256={signature}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send(port: int, requests: Iterable[bytes], *, connections: int = CONNECTIONS) -> None:
    """Send all and wait for all answers; raises RuntimeError unless each was answered by 202."""
    answers = uvloop.run(_send(port, iter(requests), connections))
    if set(answers) - {"202"}:
        message = f"webhooks were not accepted: {dict(answers)}"
        raise RuntimeError(message)


async def _send(port: int, requests: Iterator[bytes], connections: int) -> Counter[str]:
    loop = asyncio.get_running_loop()
    answers: Counter[str] = Counter()
    senders = [Sender(requests, answers, loop.create_future()) for _ in range(connections)]
    for sender in senders:
        await loop.create_connection(lambda sender=sender: sender, "127.0.0.1", port)  # type: ignore[misc]  # mypy: a default in a lambda
    await asyncio.gather(*(sender.over for sender in senders))
    return answers


class Sender(asyncio.Protocol):
    """One connection: sends, waits for the answer, sends the next."""

    def __init__(self, requests: Iterator[bytes], answers: Counter[str], over: asyncio.Future[None]) -> None:
        self._requests, self._answers, self.over = requests, answers, over
        self._got = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        """Count an answer that is whole, and send the next request."""
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        found = _LENGTH.search(self._got[:end])
        if len(self._got) < end + 4 + (int(found[1]) if found else 0):
            return
        self._answers[self._got[9:12].decode("ascii", "replace")] += 1
        self._got = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection that was cut before all was sent."""
        if not self.over.done():
            self._answers[f"cut: {exc}"] += 1
            self.over.set_result(None)

    def _next(self) -> None:
        following = next(self._requests, None)
        if self._transport is None:
            return
        if following is None:
            if not self.over.done():
                self.over.set_result(None)
            self._transport.close()
        else:
            self._transport.write(following)
