"""Install and remove the webhooks of a Jira site: those of its administrators, which live for ever.

Three families of an API, of which two are used (facts of 2026):

====================================  ===============================================================
``/rest/webhooks/1.0/webhook``        Cloud ("admin webhooks") and Data Center up to 9: ``enabled``,
                                      ``excludeBody``, ``filters``; on Cloud ``secret``, shown as ``isSigned``
``/rest/jira-webhook/1.0/webhooks``   Data Center from 10: ``active``, the secret in ``configuration``
``/rest/api/3/webhook``               not used: only for OAuth and Connect apps, unsigned, expires after 30 days
====================================  ===============================================================

All of them ask for the global permission *Administer Jira*.  Neither family is in Atlassian's OpenAPI documents: the
shapes are those of Atlassian's page "Webhooks" (Cloud) and of public clients that use the endpoints.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, TypeVar
from urllib.parse import quote

from connector.errors import Forbidden, Rejected, Retryable, Unauthorized
from connector.ports import Request, Reveal, SecretRef, Site
from connector.systems.jira.api import answered, get_object
from connector.systems.jira.flavour import CLOUD
from connector.systems.jira.jql import listed as jql_list
from connector.systems.jira.settings import JiraConnection, JiraSource
from connector.webhooks import Installed, Wanted, WebhookApi, Webhooks

T = TypeVar("T")

EVENTS: Final = frozenset(
    {
        "jira:issue_created",
        "jira:issue_updated",
        "jira:issue_deleted",
        "comment_created",
        "comment_updated",
        "comment_deleted",
    }
)
_OLD: Final = "/rest/webhooks/1.0/webhook"
_NEW: Final = "/rest/jira-webhook/1.0/webhooks"
_FILTER: Final = "issue-related-events-section"
"""What Jira calls the JQL that issue events, and those of their comments, must match."""


# --- what is installed ---------------------------------------------------------------------------------
def _narrowed(sources: Sequence[JiraSource]) -> str:
    """Return the JQL of all projects that are followed."""
    projects = sorted({key for source in sources for key in source.projects})
    return f"project in ({jql_list(tuple(projects))})" if projects else ""


def _listed(site: Site, _place: str) -> list[Installed]:
    def ask() -> list[Installed]:
        rows = _sent(site, "GET", _root(site))
        if not isinstance(rows, list):
            raise Retryable("Jira's list of webhooks is no list", sent=False, cause="bad_answer")
        return [_installed(row) for row in rows if isinstance(row, Mapping)]

    return _administering(site, ask)


def _installed(row: Mapping[str, Any]) -> Installed:
    """Read a webhook of either family; where it has no ``id``, the last part of ``self`` is it."""
    number = row.get("id") or str(row.get("self", "")).rstrip("/").rpartition("/")[2]
    events, signed, filters = row.get("events"), row.get("isSigned"), row.get("filters")
    hides = row.get("excludeBody") in {True, "true"}
    configured = row.get("configuration")
    if isinstance(configured, Mapping):
        hides = hides or str(configured.get("EXCLUDE_BODY", "")).lower() == "true"
    return Installed(
        id=str(number),
        place="",
        url=str(row.get("url", "")),
        events=frozenset(str(one) for one in events) if isinstance(events, list) else frozenset(),
        active=bool(row.get("active", row.get("enabled", True))),
        signed=signed if isinstance(signed, bool) else None,
        filter=str(filters.get(_FILTER) or "") if isinstance(filters, Mapping) else None,
        faults=("leaves the body out",) if hides else (),
    )


# --- changing it -----------------------------------------------------------------------------------------
def _create(site: Site, wanted: Wanted) -> Installed:
    def ask() -> Installed:
        row = _sent(site, "POST", _root(site), _body(site, wanted, None))
        if not isinstance(row, Mapping):
            raise Retryable("Jira did not show the webhook that it made", sent=True, cause="bad_answer")
        return _installed(row)

    return _administering(site, ask)


def _update(site: Site, hook: Installed, wanted: Wanted) -> None:
    _administering(site, lambda: _sent(site, "PUT", f"{_root(site)}/{quote(hook.id)}", _body(site, wanted, hook)))


def _delete(site: Site, hook: Installed) -> None:
    try:
        _sent(site, "DELETE", f"{_root(site)}/{quote(hook.id)}")
    except Rejected as error:
        # It was listed a moment ago, so the right is there: somebody else was faster.
        if error.status != 404:
            raise


def _body(site: Site, wanted: Wanted, hook: Installed | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": wanted.name,
        "url": wanted.url,
        "events": sorted(wanted.events),
        "filters": {_FILTER: wanted.filter},
        "excludeBody": False,
    }
    secret = wanted.secret
    if _root(site) == _NEW:
        configuration = {"EXCLUDE_BODY": "false", **({"SECRET": secret.reveal()} if secret else {})}
        number = int(hook.id) if hook is not None and hook.id.isdigit() else None
        return {**body, "id": number, "active": True, "configuration": configuration, "sslVerificationRequired": True}
    if secret is not None and site.settings.flavour is not CLOUD:
        message = (
            f"Jira {'.'.join(map(str, _version(site)))} has no documented way to set a webhook's secret by its API: "
            "use path_key and from instead of secret, or create the webhook by hand"
        )
        raise Rejected(message, cause="no_secrets")
    return {**body, "enabled": True, **({"secret": secret.reveal()} if secret else {})}


# --- asking ------------------------------------------------------------------------------------------------
def _root(site: Site) -> str:
    return _OLD if site.settings.flavour is CLOUD or _version(site) < (10,) else _NEW


def _version(site: Site) -> tuple[int, ...]:
    """Return the version of a Data Center (REST v2, ``serverInfo``)."""

    def ask() -> tuple[int, ...]:
        numbers = get_object(site, "/serverInfo").get("versionNumbers")
        return tuple(one for one in numbers if isinstance(one, int)) if isinstance(numbers, list) else ()

    found: tuple[int, ...] = site.memory("server-version", timedelta(hours=1), ask)
    return found


def _sent(site: Site, method: str, path: str, body: Any = None) -> Any:
    return answered(site, Request(method, path, json=body, endpoint=method.lower()))


def _administering(site: Site, ask: Callable[[], T]) -> T:
    """Ask, and say of a refusal what the account lacks; a 404 is one, too, and on some a 401."""
    try:
        return ask()
    except (Forbidden, Rejected, Unauthorized) as error:
        if error.status not in {401, 403, 404}:
            raise
        where = " (and a token with scopes may not reach them at all)" if site.settings.site else ""
        message = (
            f"the account may not manage webhooks: that needs the global permission Administer Jira{where}"
            f" (Jira answered {error.status})"
        )
        raise Forbidden(message, cause="webhooks", status=error.status) from error


# --- without the API ---------------------------------------------------------------------------------------
def _signing(settings: JiraConnection) -> SecretRef | None:
    return settings.webhook.secret[0] if settings.webhook and settings.webhook.secret else None


def _address(settings: JiraConnection, url: str, reveal: Reveal) -> str:
    """Add the key that this connection demands in the address."""
    if settings.webhook is None or settings.webhook.path_key is None:
        return url
    return f"{url}?key={quote(reveal(settings.webhook.path_key).reveal(), safe='')}"


def _knock(settings: JiraConnection, reveal: Reveal, now: datetime) -> tuple[Mapping[str, str], bytes]:
    """Make a webhook of an event that Jira does not have: it is verified like everything, and ignored."""
    body = json.dumps({"timestamp": int(now.timestamp() * 1000), "webhookEvent": "connector_test"}).encode()
    headers = {"content-type": "application/json"}
    secret = _signing(settings)
    if secret is not None:
        digest = hmac.new(reveal(secret).reveal().encode(), body, sha256).hexdigest()
        headers["x-hub-signature"] = f"sha256={digest}"
    return headers, body


def _manual(settings: JiraConnection, url: str, _places: Sequence[str]) -> str:
    webhook = settings.webhook
    key = webhook.path_key if webhook else None
    lines = [
        "As a Jira administrator, open Settings > System > WebHooks > Create a WebHook:",
        f"  {settings.browse}/plugins/servlet/webhooks",
        f"  URL           {url}{f'?key=<the value of {key}>' if key else ''}",
    ]
    if _signing(settings) or key is None:
        lines.append(f"  Secret        the value of {_signing(settings) or 'a new secret'}")
    lines += [
        "  Issue         created, updated, deleted",
        "  Comment       created, updated, deleted",
        "  Exclude body  no",
    ]
    return "\n".join(lines)


WEBHOOKS: Final = Webhooks(
    events=EVENTS,
    signing=_signing,
    knock=_knock,
    manual=_manual,
    address=_address,
    api=WebhookApi(
        # One for the whole site: an administrator's webhook is told of every project.
        places=lambda _sources: ("",),
        narrowed=_narrowed,
        listed=_listed,
        create=_create,
        update=_update,
        delete=_delete,
    ),
)
