"""Be Slack for tests, demo and bench: a workspace behind the Web API, with signed events going out.

Faithful where the product could be fooled: errors with status 200, form and JSON bodies, cursors,
threads and tombstones, metadata shown only when asked for, 429 with Retry-After, repeats of events
signed anew.  Left out: blocks beyond keeping them, files, reactions, the linking of bare addresses.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

from connector.sandbox import Answer, Call, Fault, Faults, Hook, Ledger
from connector.systems.slack.sandbox.arguments import Caller
from connector.systems.slack.sandbox.methods import METHODS, Method
from connector.systems.slack.sandbox.workspace import APP, TEAM, Channel, Refused, User, Workspace

RETRIES: Final = (timedelta(0), timedelta(minutes=1), timedelta(minutes=5))
"""Slack repeats an event three times: at once, after one minute, after five."""

SCOPES: Final = frozenset({"groups:read", *(method.scope for method in METHODS.values() if method.scope)})
PEOPLE: Final[Mapping[str, str]] = {"xoxp-ann": "ann", "xoxp-ben": "ben"}
CHANNELS: Final = ("general", "alerts", "random")

_WHY: Final[Mapping[str, str]] = {
    "timeout": "http_timeout",
    "connection": "connection_failed",
    "status": "http_error",
}
_STRUCTURED: Final = frozenset({"blocks", "attachments", "metadata"})


class SlackSandbox:
    """One workspace and the app that is installed in it.

    ``scopes`` are what the bot token was granted.  ``pace`` switches Slack's own rate limits on: one
    message a second in a channel (a burst of three is let pass) and each method's tier.
    """

    def __init__(
        self,
        *,
        tokens: Mapping[str, str],
        secret: str = "",
        url: str = "http://sandbox",
        scopes: frozenset[str] = SCOPES,
        pace: bool = False,
    ) -> None:
        self.ledger = Ledger()
        self.faults = Faults()
        self.space = Workspace(self.ledger, url)
        self.tokens = dict(tokens)
        self.secret = secret
        self.scopes = set(scopes)
        self.pace = pace
        self._calls: dict[str, deque[datetime]] = {}
        self._told = 0

    # --- requests --------------------------------------------------------------------------------
    def __call__(self, call: Call, now: datetime, /) -> Answer:
        """Answer a call of the Web API at ``now``; what stands before the method's name does not matter."""
        return self.faults.run(call, lambda c: self._answer(c, now), self._refuse)

    def _answer(self, call: Call, now: datetime) -> Answer:
        name = call.path.rstrip("/").rpartition("/")[2]
        try:
            arguments = _arguments(call)
            user = self._caller(call, arguments)
            method = self._method(name, user, arguments)
            if self.pace and (wait := self._wait(name, arguments, method.tier, now)):
                return Answer.of(429, {"ok": False, "error": "ratelimited"}, Retry_After=str(wait))
            said = method.answer(self.space, Caller(user, now), arguments)
        except Refused as refused:
            return Answer.of(200, {"ok": False, "error": refused.error, **refused.more})
        scopes = ",".join(sorted(self.scopes)) if user.bot_id else "identify"
        return Answer.of(200, {"ok": True, **said}, x_oauth_scopes=scopes)

    def _method(self, name: str, user: User, arguments: Mapping[str, Any]) -> Method:
        method = METHODS.get(name)
        if method is None:
            raise Refused("unknown_method", req_method=name)
        if user.bot_id and method.scope and method.scope not in self.scopes:
            raise Refused("missing_scope", needed=method.scope, provided=",".join(sorted(self.scopes)))
        self._private(name, user, arguments)
        return method

    def _private(self, name: str, user: User, arguments: Mapping[str, Any]) -> None:
        """Refuse a list that names private channels as a whole where only public ones may be seen."""
        asked = str(arguments.get("types", "")).split(",")
        private = name == "conversations.list" and "private_channel" in asked
        if private and user.bot_id and "groups:read" not in self.scopes:
            raise Refused("missing_scope", needed="groups:read", provided=",".join(sorted(self.scopes)))

    def _caller(self, call: Call, arguments: Mapping[str, Any]) -> User:
        token = call.headers.get("authorization", "").removeprefix("Bearer ").strip() or str(arguments.get("token", ""))
        if not token:
            raise Refused("not_authed")
        native = self.tokens.get(token)
        if native is None:
            raise Refused("invalid_auth")
        return self.space.users[native]

    def _wait(self, name: str, arguments: Mapping[str, Any], tier: int, now: datetime) -> int:
        """Count a call; returns how many seconds to wait, 0 where it may pass."""
        rules = [(name, tier, timedelta(minutes=1))]
        if name == "chat.postMessage":
            rules.append((f"{name} {arguments.get('channel')}", 3, timedelta(seconds=3)))
        for key, amount, span in rules:
            calls = self._calls.setdefault(key, deque())
            while calls and now - calls[0] >= span:
                calls.popleft()
            if len(calls) >= amount:
                return max(1, int((calls[0] + span - now).total_seconds()))
        for key, _, _ in rules:
            self._calls[key].append(now)
        return 0

    def _refuse(self, kind: str, fault: Fault) -> Answer:
        if kind == "expired_token":
            return Answer.of(200, {"ok": False, "error": "token_expired"})
        wait = {} if fault.retry_after is None else {"Retry_After": str(fault.retry_after)}
        return Answer.of(429, {"ok": False, "error": "ratelimited"}, **wait)

    # --- events ----------------------------------------------------------------------------------
    def hooks(self, now: datetime, /) -> list[Hook]:
        """Hand out the events that happened, each signed at ``now`` and anew when it is repeated."""
        happened, self.space.happened = self.space.happened, []
        return [self._hook(at, channel, event, now) for at, channel, event in happened]

    def _hook(self, at: datetime, channel: str, event: Mapping[str, Any], now: datetime) -> Hook:
        self._told += 1
        bot = self.space.user_of_bot().id
        body = json.dumps(
            {
                "token": "sandbox-verification-token",
                "team_id": TEAM,
                "api_app_id": APP,
                "event": event,
                "type": "event_callback",
                "event_id": f"Ev{self._told:09d}",
                "event_time": int(at.timestamp()),
                "authorizations": [
                    {
                        "enterprise_id": None,
                        "team_id": TEAM,
                        "user_id": bot,
                        "is_bot": True,
                        "is_enterprise_install": False,
                    }
                ],
                "is_ext_shared_channel": False,
                "event_context": f"4-{channel}-{self._told}",
            },
            ensure_ascii=False,
        ).encode()
        fixed = {"Content-Type": "application/json", "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)"}
        headers = {**fixed, **signature(self.secret, body, now)}
        retry_on = frozenset(range(300, 600))
        return Hook("event_callback", headers, body, RETRIES, retry_on, again=partial(self._again, body))

    def _again(self, body: bytes, now: datetime, attempt: int, why: str) -> Mapping[str, str]:
        retry = {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": _WHY.get(why, "unknown_error")}
        return {**retry, **signature(self.secret, body, now)}

    # --- what people look at ---------------------------------------------------------------------
    def state(self) -> Mapping[str, Any]:
        """Return every channel with its messages."""
        return {
            channel.name or channel.id: [
                {name: message.get(name) for name in ("ts", "thread_ts", "user", "text")}
                for message in self.space.all_messages(channel)
            ]
            for channel in self.space.channels.values()
        }


def _arguments(call: Call) -> dict[str, Any]:
    """Read arguments from the query, a form, or JSON; structured ones come as JSON in a form."""
    arguments: dict[str, Any] = {name: values[-1] for name, values in call.query.items()}
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            sent = call.json()
        except ValueError as error:
            raise Refused("invalid_json") from error
        if not isinstance(sent, dict):
            raise Refused("json_not_object")
        return arguments | sent
    try:
        arguments |= dict(parse_qsl(call.body.decode(), keep_blank_values=True))
        for name in _STRUCTURED & arguments.keys():
            arguments[name] = json.loads(arguments[name])
    except ValueError as error:
        raise Refused("invalid_form_data") from error
    return arguments


def signature(secret: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the two headers that sign a body at a time."""
    when = str(int(now.timestamp()))
    digest = hmac.new(secret.encode(), b"v0:" + when.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": when, "X-Slack-Signature": f"v0={digest}"}


def new_sandbox(
    *,
    webhook_secret: str = "",
    url: str = "http://sandbox",
    token: str = "xoxb-sandbox",  # noqa: S107 - a made-up token of a made-up workspace
    people: Mapping[str, str] = PEOPLE,
    channels: tuple[str, ...] = CHANNELS,
    scopes: frozenset[str] = SCOPES,
    pace: bool = False,
) -> SlackSandbox:
    """Build a workspace: the app's bot (``token``), people (token -> login), and channels with all in them.

    The first channel gets id ``C0000001``, the next ``C0000002``...; people are ``U0000001``...; the bot
    is ``U0BOT``.  ``url`` is what permalinks start with.
    """
    tokens = {token: "U0BOT"}
    users = [User("U0BOT", "jira-connector", "Jira Connector", bot_id="B0BOT")]
    for number, (secret, login) in enumerate(people.items(), 1):
        user = User(f"U{number:07d}", login, f"{login.title()} Example", f"{login}@sandbox.example")
        tokens[secret] = user.id
        users.append(user)
    sandbox = SlackSandbox(tokens=tokens, secret=webhook_secret, url=url, scopes=scopes, pace=pace)
    sandbox.space.users = {user.id: user for user in users}
    for number, name in enumerate(channels, 1):
        native = f"C{number:07d}"
        sandbox.space.channels[native] = Channel(native, name, [user.id for user in users])
    return sandbox
