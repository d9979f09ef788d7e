"""Install, try and remove the webhooks of repositories (GitHub REST, "Repository webhooks").

A secret goes in and never comes out again: GitHub shows ``********``.  An update replaces the whole ``config``, so it
always carries the secret ("or the secret will be removed").  A missing right answers 404, as if there were nothing.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from connector.errors import Forbidden
from connector.ports import Reveal, SecretRef, Site
from connector.systems.github.api import PER_PAGE, found, get, listed, pages, write
from connector.systems.github.members import Json, moment
from connector.systems.github.receive import EVENTS
from connector.systems.github.settings import Connection, Source
from connector.webhooks import Delivered, Installed, Wanted, WebhookApi, Webhooks

T = TypeVar("T")

_TITLES: Final[Mapping[str, str]] = {
    "issues": "Issues",
    "issue_comment": "Issue comments",
    "pull_request": "Pull requests",
    "pull_request_review": "Pull request reviews",
    "pull_request_review_comment": "Pull request review comments",
}
"""The events as the web form calls them."""


# --- what is installed ---------------------------------------------------------------------------------
def _places(sources: Sequence[Source]) -> tuple[str, ...]:
    """Return the repositories that are followed, each once: GitHub does not tell case apart."""
    named = {name.casefold(): name for source in sources for name in source.repositories}
    return tuple(sorted(named.values(), key=str.casefold))


def _listed(site: Site, place: str) -> list[Installed]:
    def ask() -> list[Installed]:
        rows = pages(site, get(f"/repos/{place}/hooks", {"per_page": str(PER_PAGE)}))
        return [_installed(place, row) for page in rows for row in page]

    return _administering(place, ask)


def _installed(place: str, row: Json) -> Installed:
    config, events = row.get("config"), row.get("events")
    config = config if isinstance(config, dict) else {}
    faults = []
    if config.get("content_type") != "json":
        faults.append("sends forms and not JSON")
    if str(config.get("insecure_ssl", "0")) != "0":
        faults.append("does not check our certificate")
    return Installed(
        id=str(row.get("id", "")),
        place=place,
        url=str(config.get("url", "")),
        events=frozenset(str(one) for one in events) if isinstance(events, list) else frozenset(),
        active=bool(row.get("active")),
        signed=bool(config.get("secret")),
        faults=tuple(faults),
    )


def _last(site: Site, hook: Installed) -> Delivered | None:
    """Return the newest delivery of about three days; GitHub forgets older ones."""
    rows = _administering(
        hook.place, lambda: listed(site.send(get(f"/repos/{hook.place}/hooks/{hook.id}/deliveries", {"per_page": "1"})))
    )
    if not rows:
        return None
    code = rows[0].get("status_code")
    at = moment(rows[0], "delivered_at")
    return Delivered(at, code if isinstance(code, int) else 0, str(rows[0].get("status", ""))[:200])


# --- changing it -----------------------------------------------------------------------------------------
def _create(site: Site, wanted: Wanted) -> Installed:
    request = write("POST", f"/repos/{wanted.place}/hooks", {"name": "web", **_body(wanted)})
    return _administering(wanted.place, lambda: _installed(wanted.place, found(site.send(request), sent=True)))


def _update(site: Site, hook: Installed, wanted: Wanted) -> None:
    _administering(hook.place, lambda: site.send(write("PATCH", f"/repos/{hook.place}/hooks/{hook.id}", _body(wanted))))


def _delete(site: Site, hook: Installed) -> None:
    try:
        site.send(write("DELETE", f"/repos/{hook.place}/hooks/{hook.id}"))
    except Forbidden as error:
        # It was listed a moment ago, so the right is there: somebody else was faster.
        if error.cause != "not_found":
            raise


def _ping(site: Site, hook: Installed) -> None:
    _administering(hook.place, lambda: site.send(write("POST", f"/repos/{hook.place}/hooks/{hook.id}/pings")))


def _body(wanted: Wanted) -> dict[str, Any]:
    config = {"url": wanted.url, "content_type": "json", "insecure_ssl": "0"}
    if wanted.secret is not None:
        config["secret"] = wanted.secret.reveal()
    return {"active": True, "events": sorted(wanted.events), "config": config}


def _administering(place: str, ask: Callable[[], T]) -> T:
    """Ask, and say of a refusal what the token lacks."""
    try:
        return ask()
    except Forbidden as error:
        if error.cause not in {"not_found", "forbidden"}:
            raise
        message = (
            f"the token may not manage the webhooks of {place}: its account must administer the repository, and the "
            "token needs the permission Webhooks: read and write (a classic one admin:repo_hook, which repo includes)"
        )
        raise Forbidden(message, where=place, cause="webhooks", status=error.status) from error


# --- without the API ---------------------------------------------------------------------------------------
def _signing(settings: Connection) -> SecretRef | None:
    return settings.webhook.secret[0] if settings.webhook else None


def _knock(settings: Connection, reveal: Reveal, _now: datetime) -> tuple[Mapping[str, str], bytes]:
    """Make a ping as GitHub sends one; it is verified like everything and holds no event."""
    body = json.dumps({"zen": "Jira Connector tries its own address.", "hook_id": 0}).encode()
    headers = {"content-type": "application/json", "x-github-event": "ping"}
    secret = _signing(settings)
    if secret is not None:
        digest = hmac.digest(reveal(secret).reveal().encode(), body, "sha256").hex()
        headers["x-hub-signature-256"] = f"sha256={digest}"
    return headers, body


def _manual(settings: Connection, url: str, places: Sequence[str]) -> str:
    web = urlsplit(settings.url)
    host = "https://github.com" if web.hostname == "api.github.com" else f"{web.scheme}://{web.netloc}"
    events = ", ".join(_TITLES[one] for one in sorted(EVENTS))
    pages_to_open = "\n".join(f"  {host}/{place}/settings/hooks" for place in places)
    return (
        f"As an administrator of the repository, open Settings > Webhooks > Add webhook:\n{pages_to_open}\n"
        f"  Payload URL   {url}\n"
        "  Content type  application/json\n"
        f"  Secret        the value of {_signing(settings) or 'a new secret'}\n"
        f"  Events        {events}"
    )


WEBHOOKS: Final = Webhooks(
    events=EVENTS,
    signing=_signing,
    knock=_knock,
    manual=_manual,
    api=WebhookApi(
        places=_places,
        listed=_listed,
        create=_create,
        update=_update,
        delete=_delete,
        ping=_ping,
        last=_last,
    ),
)
