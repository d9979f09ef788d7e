"""Be the vendors: the real sandboxes, people who act in them, webhooks that wait, and what spoils a call.

A call strikes a fault where one is *armed*.  What the network still holds when its caller has given up lands later:
within the caller's deadline (the engine must wait that out) or beyond it (no client can know; those are counted, and
what they double is excused).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from connector.config import Config
from connector.errors import ConnectorError, RateLimited, Retryable, Scope
from connector.ports import Request, Response
from connector.registry import SYSTEMS
from connector.sandbox import Fault, Hook
from connector.systems.github.sandbox import new_sandbox as new_github
from connector.systems.jira.sandbox import new_sandbox as new_jira
from connector.systems.slack.sandbox import new_sandbox as new_slack
from tests.simulator.towns import SECRETS
from tests.systems.direct import Bench, Clock, Direct, reveals
from tests.systems.github import scene
from tests.systems.jira.places import Someone
from workers.transport import retry_after

KINDS: Final = (
    "refuse",
    "drop",
    "apply_drop",
    "apply_500",
    "500",
    "503",
    "429",
    "late",
    "too_late",
    "400",
    "401",
)
"""``refuse``: no byte left · ``drop``: cut before it was applied · ``apply_drop``, ``apply_500``: after ·
``late``: cut, lands within the deadline · ``too_late``: beyond it · the rest: what the vendor answers."""

_ANSWERS: Final = {
    "apply_500": Fault("apply_then_status", status=500, times=1),
    "500": Fault("status", status=502, times=1),
    "503": Fault("status", status=503, times=1, header={"retry-after": "120"}),
    "429": Fault("rate_limit", retry_after=30, times=1),
    "400": Fault("status", status=400, times=1),
    "401": Fault("expired_token", times=1),
}


@dataclass
class Armed:
    """A fault that waits for calls; ``hits`` says which."""

    kind: str
    vendor: str
    times: int = 1
    hits: Callable[[Request], bool] = lambda _request: True
    retry_after: int | None = None


@dataclass
class Waiting:
    """A webhook on its way to us; ``repeats`` as often as its vendor sends it again where it gets no 2xx."""

    vendor: str
    hook: Hook
    forged: bool = False


@dataclass
class _Landing:
    due: float
    vendor: str
    request: Request
    excused: bool


class _Time(Clock):
    def __init__(self, ms: Callable[[], float]) -> None:
        self._ms = ms

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self._ms() / 1000, UTC)

    def move(self, by: timedelta) -> datetime:
        raise AssertionError(f"time is the world's: {by}")


class Vendors:
    """GitHub, Jira and Slack; ``ms`` is the true time."""

    def __init__(self, config: Config, ms: Callable[[], float], dice: Random, **jira: Any) -> None:
        """``jira`` are options of Jira's sandbox."""
        self._ms, self._dice = ms, dice
        clock = _Time(ms)
        sandboxes: dict[str, Any] = {
            "git": new_github(webhook_secret=SECRETS["GIT_HOOK"]),
            "jira": new_jira(webhook_secret=SECRETS["JIRA_HOOK"], **jira),
            "chat": new_slack(webhook_secret=SECRETS["CHAT_HOOK"]),
        }
        self.benches = {}
        for name, sandbox in sandboxes.items():
            connection = config.connections[name]
            system = SYSTEMS[connection.system]
            transport = Direct(system, connection.settings, sandbox, clock, reveals(SECRETS))
            self.benches[name] = Bench(system, sandbox, None, clock, transport)  # type: ignore[arg-type]
        self.ada = Someone(self.benches["jira"])
        self.armed: list[Armed] = []
        self.hooks: list[Waiting] = []
        self.landing: list[_Landing] = []
        self.landed_late: list[str] = []
        """Markers of what landed beyond every deadline."""
        self.unruly: int = 0
        """Refusals for going too fast that no fault explains."""
        self.struck: list[str] = []
        self.texts: dict[int, list[str]] = {}
        """Per GitHub issue, its people's comments as they are now said, in order."""
        self.titles: dict[int, str] = {}
        self.said: dict[str, tuple[str, str]] = {}
        """Jira comments by people: id -> (issue id, text)."""
        self._comments: dict[str, tuple[int, int]] = {}
        self._number = 0

    # --- calls --------------------------------------------------------------------------------------------
    def call(self, vendor: str, request: Request, until: float) -> Response:
        """Send a request; ``until`` (true ms) is when its caller gives up at the latest."""
        kind, armed = self._strikes(vendor, request)
        here = self.benches[vendor]
        match kind:
            case "refuse":
                raise Retryable("no connection", sent=False, cause="connect")
            case "drop":
                raise Retryable("cut", sent=True, cause="reset")
            case "late" | "too_late" if request.writes:
                far = self._dice.randint(1_000, 120_000)
                due = until + far if kind == "too_late" else self._dice.uniform(self._ms(), until)
                self.landing.append(_Landing(due, vendor, request, kind == "too_late"))
                raise Retryable("no answer in time", sent=True, cause="timeout")
            case "apply_drop" | "late" | "too_late":
                self._quietly(vendor, request)
                raise Retryable("cut", sent=True, cause="reset")
            case "":
                try:
                    return here.transport(request)
                except RateLimited:
                    self.unruly += 1
                    raise
        fault = _ANSWERS[kind]
        wait = armed.retry_after if armed else None
        here.sandbox.faults.on = [Fault(**{**_fields(fault), **({"retry_after": wait} if wait else {})})]
        try:
            return here.transport(request)
        except ConnectorError as error:
            # As the product's transport completes it.
            if isinstance(error, RateLimited) and error.scope is Scope.ENDPOINT:
                error.endpoint = error.endpoint or request.endpoint
            if isinstance(error, Retryable) and kind == "503":
                error.retry_after = retry_after("120", here.clock())
            raise
        finally:
            here.sandbox.faults.on = []

    def land(self) -> None:
        """Let arrive what is due."""
        for one in [one for one in self.landing if one.due <= self._ms()]:
            self.landing.remove(one)
            before = len(self.benches[one.vendor].sandbox.ledger.effects)
            self._quietly(one.vendor, one.request)
            if one.excused:
                new = self.benches[one.vendor].sandbox.ledger.effects[before:]
                self.landed_late += [effect.marker for effect in new]

    def excuse(self, ms: float) -> None:
        """Excuse what the network holds now, and what was done in the last ``ms``."""
        for one in self.landing:
            one.excused = True
        since = datetime.fromtimestamp((self._ms() - ms) / 1000, UTC)
        for here in self.benches.values():
            self.landed_late += [one.marker for one in here.sandbox.ledger.effects if one.marker and one.at > since]

    def _quietly(self, vendor: str, request: Request) -> None:
        try:
            self.benches[vendor].transport(request)
        except ConnectorError:
            return  # nobody hears the answer

    def _strikes(self, vendor: str, request: Request) -> tuple[str, Armed | None]:
        for armed in self.armed:
            if armed.vendor == vendor and armed.times and armed.hits(request):
                armed.times -= 1
                self.armed = [one for one in self.armed if one.times]
                self.struck.append(armed.kind)
                return armed.kind, armed
        return "", None

    # --- people ---------------------------------------------------------------------------------------------
    def open(self) -> int:
        """Somebody opens an issue on GitHub; returns its number."""
        self._number += 1
        title = f"Issue {self._number}"
        number = int(self._alice("POST", "/issues", {"title": title, "body": "It is **broken**."})["number"])
        self.titles[number], self.texts[number] = title, []
        return number

    def rename(self, number: int) -> None:
        self._number += 1
        self.titles[number] = f"Issue {number}, said differently {self._number}"
        self._alice("PATCH", f"/issues/{number}", {"title": self.titles[number]})

    def flip(self, number: int) -> None:
        """Somebody closes an issue, or opens it again."""
        now = self._alice("GET", f"/issues/{number}")["state"]
        self._alice("PATCH", f"/issues/{number}", {"state": "closed" if now == "open" else "open"})

    def comment(self, number: int) -> None:
        self._number += 1
        text = f"said{self._number}v1"
        made = self._alice("POST", f"/issues/{number}/comments", {"body": text})
        self._comments[str(made["id"])] = (number, len(self.texts[number]))
        self.texts[number].append(text)

    def edit_comment(self, pick: int) -> None:
        """Somebody edits one of the comments there are, if any."""
        if not self._comments:
            return
        native = sorted(self._comments)[pick % len(self._comments)]
        number, place = self._comments[native]
        word, _, version = self.texts[number][place].partition("v")
        text = f"{word}v{int(version) + 1}"
        self._alice("PATCH", f"/issues/comments/{native}", {"body": text})
        self.texts[number][place] = text

    def say_in_jira(self, pick: int) -> None:
        """Somebody comments on one of the Jira issues that we made."""
        if made := self.issues():
            self._number += 1
            text = f"said{self._number}v1"
            issue = made[pick % len(made)]["id"]
            self.said[self.ada.comments(issue, text)] = (issue, text)

    def move_in_jira(self, pick: int) -> None:
        """Somebody moves one of the Jira issues along."""
        if made := self.issues():
            issue = made[pick % len(made)]["id"]
            there = self.ada.ask("GET", f"/issue/{issue}/transitions")["transitions"]
            if there:
                # Refused where a screen wants more than a person gives here.
                chosen = {"transition": {"id": there[pick % len(there)]["id"]}}
                self.ada.call("POST", f"/issue/{issue}/transitions", chosen)

    def _alice(self, method: str, path: str, document: Any = None) -> Any:
        return scene.act(self.benches["git"], method, f"/repos/acme/web{path}", document)

    def issues(self) -> list[dict[str, Any]]:
        """Return the Jira issues there are."""
        return list(self.benches["jira"].sandbox.state().values())

    # --- webhooks -----------------------------------------------------------------------------------------------
    def collect(self) -> None:
        """Gather the webhooks that have become due."""
        for name, here in self.benches.items():
            self.hooks += [Waiting(name, hook) for hook in here.sandbox.hooks(here.clock())]

    def forge(self, number: int) -> None:
        """Somebody who does not know the secret tells of a comment that nobody made."""
        state = self._alice("GET", f"/issues/{number}")
        self._number += 1
        when = self.benches["git"].clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "action": "created",
            "issue": state,
            "comment": {
                "id": 9_000_000 + self._number,
                "body": f"forged{self._number}",
                "user": {"login": "mallory", "id": 666, "type": "User"},
                "created_at": when,
                "updated_at": when,
                "html_url": f"https://github.com/acme/web/issues/{number}#issuecomment-{self._number}",
            },
            "repository": self._alice("GET", ""),
            "sender": {"login": "mallory", "id": 666, "type": "User"},
        }
        headers = {
            "x-github-event": "issue_comment",
            "x-github-delivery": f"forged-{self._number}",
            "x-hub-signature-256": "sha256=" + "0" * 64,
            "content-type": "application/json",
        }
        self.hooks.append(Waiting("git", Hook("forged", headers, json.dumps(body).encode()), forged=True))


def _fields(fault: Fault) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in Fault.__slots__ if hasattr(fault, name)}
