"""Tell how the webhooks of a connection stand: what its system says of them, and what arrived here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from connector.errors import ConnectorError
from connector.ports import Reveal
from connector.webhooks import Delivered, Do, Installed, Step, Wanted, WebhookApi
from workers.desk import Desk
from workers.operating import webhooks
from workers.stores.webhooks import Known


@dataclass(frozen=True, slots=True)
class Hooked:
    """One webhook, or one that is missing (``hook`` None)."""

    place: str
    wanted: Wanted
    hook: Installed | None
    why: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Show it for scripts; nothing secret is in it."""
        hook = self.hook
        last = hook.last if hook is not None else None
        return {
            "place": self.place,
            "installed": hook is not None,
            "webhook": hook.id if hook is not None else "",
            "active": hook is not None and hook.active,
            "signed": hook.signed if hook is not None else None,
            "missing": hook.missing(self.wanted) if hook is not None else sorted(self.wanted.events),
            "extra": hook.surplus(self.wanted) if hook is not None else [],
            "expires": _iso(hook.expires) if hook is not None else None,
            "differs": list(self.why),
            "last_delivery": None if last is None else {"at": _iso(last.at), "status": last.status, "text": last.text},
        }

    def line(self) -> str:
        """Say it in words."""
        where = self.place or "the site"
        if self.hook is None:
            return f"{where}: not installed"
        said = [f"{where}: webhook {self.hook.id}", "; ".join(self.why) or "as it should be"]
        if self.hook.expires is not None:
            said.append(f"expires {webhooks.when(self.hook.expires)} UTC")
        if self.hook.last is not None:
            last = self.hook.last
            at = f" {webhooks.when(last.at)} UTC" if last.at is not None else ""
            said.append(f"last delivery{at}: {last.status or ''} {last.text}".replace(":  ", ": ").rstrip())
        return ", ".join(said)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a connection's webhooks stand.

    ``state``: ``ok``, ``differs``, ``missing``, ``unknown`` (the API refused, or no public URL is known), ``by hand``
    (only a person can tell), ``polled`` (it takes none).
    """

    connection: str
    state: str
    url: str
    hooks: tuple[Hooked, ...] = ()
    told: tuple[str, ...] = ()
    known: Known = field(default_factory=Known)

    @property
    def wrong(self) -> bool:
        """Whether somebody should do something."""
        return self.state in {"differs", "missing", "unknown"}

    def lines(self) -> Iterator[str]:
        """Say it in words, a line each."""
        yield from (one.line() for one in self.hooks)
        yield from self.told

    def as_json(self) -> dict[str, Any]:
        """Show it for scripts."""
        return {
            "connection": self.connection,
            "state": self.state,
            "url": self.url,
            "webhooks": [one.as_json() for one in self.hooks],
            "told": list(self.told),
            "received": None if self.known.proven is None else asdict(self.known.proven),
            "refused": None if self.known.refused is None else asdict(self.known.refused),
        }


def standing(desk: Desk, reveal: Reveal, name: str, base: str) -> Standing:
    """Look; changes nothing.  ``base`` may be ""."""
    config = desk.config()
    hooks = desk.system_of(config, name).webhooks
    known = webhooks.remembered(desk, name)
    if hooks is None:
        return Standing(name, "polled", "", told=("its system sends no webhooks",))
    if lacking := webhooks.lacks(config.connections[name], hooks, reveal):
        return Standing(name, "polled", "", told=(lacking,), known=known)
    if not base and hooks.api is not None:
        told = ("which webhook is ours is told by its address: give --public-url, or set PUBLIC_URL",)
        return Standing(name, "unknown", "", told=told, known=known)
    made = webhooks.plan(desk, reveal, name, base)
    if hooks.api is None:
        told = ("its system has no API for this; what was received tells",)
        return Standing(name, "by hand", made.url, told=told, known=known)
    found = tuple(_seen(desk, hooks.api, name, made.steps))
    said = [webhooks.sentence(step) for step in made.steps if step.do in {Do.REMOVE, Do.LEAVE}]
    said += [made.problem] if made.problem else []
    return Standing(name, _state(made, found), made.url, found, tuple(said), known)


def _seen(desk: Desk, api: WebhookApi, name: str, steps: tuple[Step, ...]) -> Iterator[Hooked]:
    site = desk.site(name, time.monotonic() + 60)
    for step in steps:
        if step.wanted is None:
            continue
        hook = step.hook
        if hook is not None and hook.last is None and api.last is not None:
            try:
                hook = replace(hook, last=api.last(site, hook))
            except ConnectorError as error:
                # The webhook itself was seen; its history is a courtesy.
                hook = replace(hook, last=Delivered(None, 0, f"cannot be asked for: {error}"))
        yield Hooked(step.place, step.wanted, hook, step.why if step.do is Do.UPDATE else ())


def _state(made: webhooks.Plan, found: tuple[Hooked, ...]) -> str:
    if any(one.hook is None for one in found):
        return "missing"
    if made.problem or not found:
        return "unknown"
    return "differs" if made.changes else "ok"


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
