"""Prove that a webhook comes from this Jira, and read its body into events.

Bodies vary by product and age: Cloud and Data Center name the event in ``webhookEvent``; old Servers
send a comment inside ``jira:issue_updated``; some comment events carry no issue; a workflow's
post-function sends no event name at all.  All of them are read; what is no issue or comment is ignored
with its reason.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from connector.errors import Unreadable, Untrusted
from connector.event import Event, Kind, event_id
from connector.ports import Reveal
from connector.system import Inbound, Received, Trust
from connector.systems.jira import happening, vocabulary
from connector.systems.jira.settings import JiraConnection, JiraSource
from connector.systems.jira.vocabulary import Json, member, moment, text

_SIGNATURE: Final = re.compile(r"sha256=([0-9a-f]{64})\Z")

_COMMENTS: Final = {
    "comment_created": Kind.COMMENT_CREATED,
    "comment_updated": Kind.COMMENT_UPDATED,
    "comment_deleted": Kind.COMMENT_DELETED,
}
_ISSUES: Final = {
    "jira:issue_created": Kind.ISSUE_CREATED,
    "jira:issue_updated": Kind.ISSUE_UPDATED,
    "jira:issue_deleted": Kind.ISSUE_DELETED,
}
_FAMILIES: Final = (
    ("worklog_", "worklogs are not linked"),
    ("jira:worklog_", "worklogs are not linked"),
    ("attachment_", "attachments are not linked"),
    ("issuelink_", "issue links are not linked"),
    ("issue_property_", "issue properties are not linked"),
    ("sprint_", "sprints are not linked"),
    ("board_", "boards are not linked"),
    ("project_", "projects are not linked"),
    ("user_", "users are not linked"),
    ("filter_", "filters are not linked"),
    ("issuetype_", "issue types are not linked"),
    ("option_", "site options are not linked"),
    ("jira:version_", "versions are not linked"),
    ("jira_expression_", "expressions are not linked"),
)
"""How an event name begins -> why it is ignored."""


# --- verify ----------------------------------------------------------------------------------------
def verify(settings: JiraConnection, inbound: Inbound, reveal: Reveal, now: datetime) -> Trust:
    """Tell how far a request is to be trusted; raise `Untrusted` where it proves nothing.

    Jira signs neither a time nor an id, so ``now`` is of no use: a replay is dropped by its event ids.
    """
    del now
    webhook = settings.webhook
    if webhook is None:
        raise Untrusted("this connection takes no webhooks", cause="no_webhook")
    if webhook.addresses and not _is_from(inbound.peer, webhook.addresses):
        raise Untrusted("the request comes from an address that is not allowed", cause="address")
    if webhook.path_key is not None:
        expected = reveal(webhook.path_key).reveal().encode()
        if not expected or not hmac.compare_digest(expected, inbound.query.get("key", "").encode()):
            raise Untrusted("the key in the address is missing or wrong", cause="path_key")
    if not webhook.secret:
        return Trust.HINT
    match = _SIGNATURE.match(inbound.headers.get("x-hub-signature", ""))
    if match is None:
        # Missing, empty, cut, upper case, sha1, or two headers joined by a comma.
        raise Untrusted("the signature is missing or not one well-formed sha256 signature", cause="signature_form")
    given = match[1].encode()
    known = [reveal(ref).reveal().encode() for ref in webhook.secret]
    # All are compared, so that the time taken does not tell which secret was near.
    right = [
        hmac.compare_digest(hmac.new(key, inbound.body, sha256).hexdigest().encode(), given) for key in known if key
    ]
    if not any(right):
        raise Untrusted("the signature does not fit the body", cause="signature")
    return Trust.SIGNED


def _is_from(peer: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in ipaddress.ip_network(network) for network in networks)


# --- receive -----------------------------------------------------------------------------------------
def receive(connection: str, settings: JiraConnection, inbound: Inbound, trust: Trust) -> Received:
    """Read a webhook's body into events; raise `Unreadable` where a member that we use is malformed."""
    body = _document(inbound)
    name = text(body, "webhookEvent")
    hint = trust is Trust.HINT
    if name in _COMMENTS:
        return _marked([_comment(connection, settings, body, _COMMENTS[name])], hint=hint)
    if name in _ISSUES:
        events = _issue(connection, settings, body, _ISSUES[name])
        return _marked(events, hint=hint, otherwise="a comment was deleted, but the body does not say which")
    for beginning, reason in _FAMILIES:
        if name.startswith(beginning):
            return Received(ignored=reason)
    if name == "jira:issue_unknown":
        # Seen from old Servers for a comment that was added; what else it may mean is not documented.
        events = _issue(connection, settings, body, Kind.ISSUE_UPDATED)
        return _marked(events, hint=hint)
    if name:
        return Received(ignored="an event that this version does not know")
    if isinstance(body.get("transition"), Mapping) and isinstance(body.get("issue"), Mapping):
        return _marked([_transition(connection, settings, body)], hint=hint)
    return Received(ignored="the body names no event")


def _document(inbound: Inbound) -> Json:
    found = inbound.document
    try:
        if found is None:
            found = json.loads(inbound.body, parse_constant=_refuse_constant)
            if b"\\u" in inbound.body:
                # An escaped half of a surrogate pair is legal JSON and no Unicode: it becomes a question mark.
                found = json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise Unreadable("the body is not JSON", cause="malformed:json") from error
    if not isinstance(found, Mapping):
        raise Unreadable("the body is not an object", cause="malformed:json")
    return found


def _refuse_constant(name: str) -> None:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _marked(events: list[Event], *, hint: bool, otherwise: str = "") -> Received:
    if not events:
        return Received(ignored=otherwise)
    if hint:
        events = [replace(event, partial=True) for event in events]
    return Received(tuple(events))


def _issue(connection: str, settings: JiraConnection, body: Json, kind: Kind) -> list[Event]:
    """Read an issue event: the issue, and on old Servers the comment that came with it."""
    issue = _required(body, "issue")
    comment = body.get("comment")
    updates = kind is Kind.ISSUE_UPDATED
    changelog = member(body, "changelog")
    what = text(body, "issue_event_type_name")
    events: list[Event] = []
    only_comment = isinstance(comment, Mapping) or what.startswith("issue_comment")
    if not updates or changelog.get("items") or not only_comment:
        events.append(_state(connection, settings, body, issue, kind))
    if updates and isinstance(comment, Mapping):
        events.append(_server_comment(connection, settings, body, comment, what))
    return events


def _state(connection: str, settings: JiraConnection, body: Json, issue: Json, kind: Kind) -> Event:
    entity = vocabulary.issue_entity(connection, settings, issue)
    data = vocabulary.issue_data(settings, issue)
    fields = member(issue, "fields")
    changelog = member(body, "changelog")
    updated, created = moment(fields.get("updated")), moment(fields.get("created"))
    sent = moment(body.get("timestamp"))
    at = {Kind.ISSUE_CREATED: created, Kind.ISSUE_DELETED: sent}.get(kind) or updated or sent or created
    if at is None:
        raise Unreadable("the issue has no time", cause="malformed:timestamp")
    updates = kind is Kind.ISSUE_UPDATED
    return Event(
        id=happening.updated_id(entity, changelog, updated, data) if updates else event_id(entity, kind),
        kind=kind,
        entity=entity,
        at=at,
        data=data,
        actor=vocabulary.person(body.get("user")),
        change=happening.changes(changelog.get("items")) if updates else {},
        raw=body,
        # A body cut short by whoever sends it is no reason to write empty values: the issue is read.
        partial="status" not in fields or "summary" not in fields,
    )


def _comment(connection: str, settings: JiraConnection, body: Json, kind: Kind) -> Event:
    comment, issue = _required(body, "comment"), member(body, "issue")
    entity = (
        vocabulary.issue_entity(connection, settings, issue)
        if issue.get("id")
        else vocabulary.comment_entity(connection, comment)
    )
    return happening.comment_event(
        settings,
        entity,
        kind,
        comment,
        at=moment(body.get("timestamp")),
        issue=issue,
        actor=vocabulary.person(body.get("user")),
        raw=body,
        origin="webhook",
    )


def _server_comment(connection: str, settings: JiraConnection, body: Json, comment: Json, what: str) -> Event:
    """Read the comment inside an old Server's issue event; ``what`` is its issue_event_type_name."""
    edited = what == "issue_comment_edited" or (
        what != "issue_commented"
        and moment(comment.get("updated")) is not None
        and moment(comment.get("updated")) != moment(comment.get("created"))
    )
    kind = Kind.COMMENT_UPDATED if edited else Kind.COMMENT_CREATED
    return _comment(connection, settings, {**body, "comment": comment}, kind)


def _transition(connection: str, settings: JiraConnection, body: Json) -> Event:
    """Read the body that a workflow's post-function sends: an issue and the transition it took."""
    step = _required(body, "transition")
    event = _state(connection, settings, {**body, "changelog": {}}, _required(body, "issue"), Kind.ISSUE_UPDATED)
    change = {"state": {"from": text(step, "from_status") or None, "to": text(step, "to_status") or None}}
    return replace(event, change=change, raw=body)


def _required(body: Json, name: str) -> Json:
    found = member(body, name)
    if not found:
        message = f"the body has no {name}"
        raise Unreadable(message, cause=f"malformed:{name}")
    return found


# --- selects -----------------------------------------------------------------------------------------
def selects(source: JiraSource, event: Event) -> str:
    """Return "" when a ``from:`` block covers the event, else the reason why not.

    A comment event without its issue has no project yet: it is let through, and asked again once
    ``complete`` has read its issue.
    """
    scope = event.entity.scope
    if scope and scope not in source.projects:
        return "another project"
    kind: Any = event.data.get("type")
    if source.types and isinstance(kind, str) and kind.casefold() not in {t.casefold() for t in source.types}:
        return "another issue type"
    return ""
