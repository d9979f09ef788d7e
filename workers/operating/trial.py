"""Try whether webhooks arrive: knock at our own public address, then let the system send one, and see it here.

Each half has its own reasons to fail: the first shows a name that leads nowhere, a certificate, a tunnel that is down
and our own secret; the second a webhook that is missing or signs with another secret.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from connector.config import Connection, Http
from connector.errors import ConnectorError, Rejected, Retryable
from connector.ports import Request, Response, Reveal, Site
from connector.webhooks import Installed, WebhookApi, Webhooks, hook_path, place_of, shown
from workers.addresses import Guard
from workers.desk import Desk
from workers.operating import webhooks
from workers.stores.webhooks import Sighting
from workers.transport import Transport, Unlimited

ANYWHERE: Final = ("0.0.0.0/0", "::/0")
"""A public URL is our own; a receiver inside a company's network has a private address."""
_NOTICED: Final = 5.0
"""Seconds in which the receiver has written down what arrived; it does so once a second."""
_LOOK: Final = 0.2


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing that was tried: ``ok``, ``problem``, or ``wait`` where a person has to do something now."""

    word: str
    text: str


@dataclass(frozen=True, slots=True)
class _Outside:
    """The receiver as a vendor to be called: no credential, and every answer is one."""

    base: str

    @property
    def base_url(self) -> Callable[[Any], str]:
        return lambda _settings: self.base

    @property
    def authorize(self) -> Callable[[Any, Reveal], Mapping[str, str]]:
        return lambda _settings, _reveal: {}

    @property
    def refusal(self) -> Callable[[Request, Response], ConnectorError | None]:
        return lambda _request, _response: None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is tried; see `try_out`."""

    desk: Desk
    connection: Connection
    hooks: Webhooks
    reveal: Reveal
    base: str
    timeout: float


def try_out(
    desk: Desk,
    reveal: Reveal,
    name: str,
    base: str,
    *,
    timeout: float,
    rest: Callable[[float], None] = time.sleep,
) -> Iterator[Outcome]:
    """Try one connection; ``timeout`` in seconds is how long one from the system is waited for, 0 asks for none."""
    config = desk.config()
    connection = config.connections[name]
    hooks = desk.system_of(config, name).webhooks
    if hooks is None:
        yield Outcome("problem", "its system sends no webhooks; it is polled")
        return
    if lacking := webhooks.lacks(connection, hooks, reveal):
        yield Outcome("problem", lacking)
        return
    watch = _Watch(desk, name, rest)
    asked = _Asked(desk, connection, hooks, reveal, base.rstrip("/"), timeout)
    knocked = _knock(asked, watch)
    yield knocked
    if knocked.word != "ok" or not timeout:
        return
    site = desk.site(name, time.monotonic() + 60)
    try:
        if hooks.api is not None and hooks.api.ping is not None:
            yield from _pings(site, hooks.api, asked, watch)
            return
        yield Outcome("wait", f"now change something there that a connector follows; waiting {timeout:.0f} s for it")
        yield _arrived(watch, timeout) or Outcome(
            "problem", f"nothing arrived within {timeout:.0f} s: is the webhook there? connector webhook status {name}"
        )
    except ConnectorError as error:
        yield Outcome("problem", f"{type(error).__name__}: {error}")


# --- our own half ------------------------------------------------------------------------------------------
def _knock(asked: _Asked, watch: _Watch) -> Outcome:
    connection, hooks, reveal, base = asked.connection, asked.hooks, asked.reveal, asked.base
    headers, body = hooks.knock(connection.settings, reveal, asked.desk.now())
    url = urlsplit(hooks.address(connection.settings, base + hook_path(connection.name), reveal))
    to = shown(url.geturl())
    outside = Connection(connection.name, connection.system, None, Http(private_addresses=ANYWHERE))
    send = Transport(_Outside(base), outside, reveal, limiter=Unlimited(), guard=Guard(ANYWHERE))
    try:
        answer = send(Request("POST", hook_path(connection.name), dict(parse_qsl(url.query)), headers, body=body))
    except (Retryable, Rejected) as error:
        return Outcome("problem", f"{to} cannot be reached from here: {error}")
    match answer.status:
        case 200 | 202:
            if watch.proven(_NOTICED) is None:
                why = "our receiver has not seen it: the address leads to another one, or that one uses another store"
                return Outcome("problem", f"{to} answered {answer.status}, but {why}")
            return Outcome("ok", f"{to} leads to our receiver, which knows the secret")
        case 401:
            refused = watch.refused(_NOTICED)
            if refused is None:
                return Outcome(
                    "problem", f"{to} answered 401, but not our receiver: something before it asks for a login"
                )
            if getattr(connection.settings.webhook, "addresses", ()):
                told = "which takes none from this machine's address, as it is told to"
                return Outcome("ok", f"{to} leads to our receiver, {told} ({refused.what})")
            return Outcome("problem", f"{to} leads to our receiver, which refused the request: {refused.what}")
        case 404:
            return Outcome("problem", f"{to} answered 404: it leads to something that is not our receiver")
        case 502 | 503 | 504 | 530:
            return Outcome(
                "problem", f"{to} answered {answer.status}: the tunnel or proxy is there, the receiver is not"
            )
        case status:
            return Outcome("problem", f"{to} answered {status}")


# --- the system's half ---------------------------------------------------------------------------------------
def _pings(site: Site, api: WebhookApi, asked: _Asked, watch: _Watch) -> Iterator[Outcome]:
    name = asked.connection.name
    mine = place_of(asked.base + hook_path(name))
    for place in api.places(webhooks.sources(asked.desk.config(), name)):
        where = place or "the site"
        hook = next((one for one in api.listed(site, place) if place_of(one.url) == mine), None)
        if hook is None:
            yield Outcome("problem", f"{where} has no webhook for {mine}: connector webhook install {name}")
            continue
        watch.forget()
        if api.ping is not None:
            api.ping(site, hook)
        yield _arrived(watch, asked.timeout, f"the ping of {where}") or _lost(site, api, hook, where, asked.timeout)


def _lost(site: Site, api: WebhookApi, hook: Installed, where: str, timeout: float) -> Outcome:
    """Say why a ping did not arrive, as far as the system knows."""
    last = api.last(site, hook) if api.last is not None else None
    told = f"; its last delivery: {last.status} {last.text}".rstrip() if last is not None else ""
    return Outcome("problem", f"the ping of {where} did not arrive within {timeout:.0f} s{told}")


def _arrived(watch: _Watch, timeout: float, what: str = "a webhook") -> Outcome | None:
    found = watch.either(timeout)
    if found is None:
        return None
    sighting, proven = found
    if proven:
        return Outcome("ok", f"{what} arrived ({sighting.what})")
    return Outcome(
        "problem",
        f"{what} arrived and was refused ({sighting.what}): the system has another secret than we have; "
        "connector webhook install --renew writes ours there",
    )


class _Watch:
    """Waits for what arrives after it was made, or after the last that it saw."""

    def __init__(self, desk: Desk, name: str, rest: Callable[[float], None]) -> None:
        self._desk, self._name, self._rest = desk, name, rest
        self._before = webhooks.remembered(desk, name)

    def forget(self) -> None:
        """Look from now on."""
        self._before = webhooks.remembered(self._desk, self._name)

    def proven(self, seconds: float) -> Sighting | None:
        """Wait for one that was verified."""
        found = self._wait(seconds, proven=True, refused=False)
        return found[0] if found else None

    def refused(self, seconds: float) -> Sighting | None:
        """Wait for one that was not taken."""
        found = self._wait(seconds, proven=False, refused=True)
        return found[0] if found else None

    def either(self, seconds: float) -> tuple[Sighting, bool] | None:
        """Wait for any; returns it and whether it was verified."""
        return self._wait(seconds, proven=True, refused=True)

    def _wait(self, seconds: float, *, proven: bool, refused: bool) -> tuple[Sighting, bool] | None:
        until = time.monotonic() + seconds
        while True:
            now = webhooks.remembered(self._desk, self._name)
            before, self._before = self._before, now
            for wanted, new, old, good in (
                (proven, now.proven, before.proven, True),
                (refused, now.refused, before.refused, False),
            ):
                if wanted and new is not None and new != old:
                    return new, good
            if time.monotonic() >= until:
                return None
            self._rest(_LOOK)
