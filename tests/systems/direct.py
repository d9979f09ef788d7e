"""Call a sandbox directly, through the same seam that HTTP goes through in production."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from connector.errors import Retryable, Unauthorized
from connector.ports import Request, Response, Secret, SecretRef, Site
from connector.sandbox import Answer, Call, Sandbox
from connector.system import System


class Clock:
    """A clock that a test moves by hand."""

    def __init__(self, at: datetime = datetime(2026, 11, 24, 9, 0, 0, tzinfo=UTC)) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move(self, by: timedelta) -> datetime:
        self.at += by
        return self.at


def reveals(secrets: Mapping[str, str]) -> Callable[[SecretRef], Secret]:
    """Make a `Reveal` over a dict of secrets."""

    def reveal(ref: SecretRef) -> Secret:
        if ref.name not in secrets:
            raise Unauthorized(f"no secret {ref}", cause="no_secret")
        return Secret(secrets[ref.name])

    return reveal


@dataclass
class Direct:
    """A `Transport` straight into a sandbox: credentials, refusals and reads' redirects as in production."""

    system: System
    settings: Any
    sandbox: Sandbox
    clock: Clock
    reveal: Callable[[SecretRef], Secret]
    sent: list[Request] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)

    def __call__(self, request: Request, /) -> Response:
        path = request.path
        for _hop in range(4):
            answer = self._once(request, path)
            if answer.status in {301, 302, 303, 307, 308} and not request.writes:
                path = answer.headers["location"]
                continue
            break
        if answer.drop:
            raise Retryable("the connection was cut", sent=True, cause="reset")
        response = Response(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.body)
        self.answers.append(response)
        refused = self.system.refusal(request, response)
        if refused is not None:
            raise refused
        return response

    def _once(self, request: Request, path: str) -> Answer:
        base = urlsplit(self.system.base_url(self.settings))
        url = urlsplit(path)
        where = url.path
        if not url.netloc:
            where = base.path.rstrip("/") + "/" + url.path.lstrip("/")
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(url.query, keep_blank_values=True):
            query.setdefault(name, []).append(value)
        for name, value in parse_qsl(urlencode(dict(request.query), doseq=True), keep_blank_values=True):
            query.setdefault(name, []).append(value)
        headers = {
            **({"content-type": "application/json"} if request.json is not None else {}),
            **{k.lower(): v for k, v in request.headers.items()},
            **{k.lower(): v for k, v in self.system.authorize(self.settings, self.reveal).items()},
        }
        self.sent.append(request)
        # A sandbox speaks from its root; what stands before it in a URL is the server's business.
        return self.sandbox(
            Call(request.method, where, query, headers, request.content() or b""),
            self.clock(),
        )


@dataclass
class Bench:
    """A sandbox, a site that calls it, and the clock of both."""

    system: System
    sandbox: Any
    site: Site
    clock: Clock
    transport: Direct


def bench(  # noqa: PLR0917 - a builder for tests, called with a few of these
    system: System,
    sandbox: Sandbox,
    connection: Mapping[str, Any],
    secrets: Mapping[str, str],
    clock: Clock | None = None,
    name: str = "here",
) -> Bench:
    """Build a site of ``system`` whose transport is the sandbox itself."""
    clock = clock or Clock()
    settings = system.connection().load(dict(connection))
    transport = Direct(system, settings, sandbox, clock, reveals(secrets))
    kept: dict[str, Any] = {}

    def memory(key: str, _life: timedelta, load: Callable[[], Any]) -> Any:
        if key not in kept:
            kept[key] = load()
        return kept[key]

    site = Site(name, settings, transport, clock, instance="test", memory=memory)
    return Bench(system, sandbox, site, clock, transport)
