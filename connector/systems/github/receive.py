"""Prove that a webhook comes from GitHub and read it into events.

``X-GitHub-Delivery`` is not signed, so it names nothing here: the ids of events come from their
content.  GitHub never repeats a webhook by itself; people can redeliver one for about three days.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qs

from connector.errors import Unauthorized, Unreadable, Untrusted
from connector.event import Event, Kind
from connector.ports import Reveal, Secret, SecretRef
from connector.system import Inbound, Received, Trust
from connector.systems.github.members import Json, member, optional, readable
from connector.systems.github.settings import Connection, Source
from connector.systems.github.vocabulary import (
    Place,
    Telling,
    comment_event,
    item_event,
    labels,
    markdown,
    people,
    person,
)

_SIGNATURE: Final = re.compile(r"sha256=([0-9a-f]{64})")
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def verify(settings: Connection, inbound: Inbound, reveal: Reveal, _now: datetime) -> Trust:
    """Check the HMAC-SHA256 of the raw bytes against each secret, in constant time.

    ``X-Hub-Signature`` (SHA-1) is not looked at.  No time is signed, so a recorded webhook can be
    replayed: it then gives the same event ids, which is what makes that harmless.
    """
    if settings.webhook is None:
        raise Untrusted("this connection has no webhook secret", cause="unconfigured")
    form = _SIGNATURE.fullmatch(inbound.headers.get("x-hub-signature-256", ""))
    if form is None:
        raise Untrusted("X-Hub-Signature-256 is missing or malformed", cause="signature_form")
    given = form[1].encode()
    secrets = [s for s in (_revealed(ref, reveal) for ref in settings.webhook.secret) if s is not None]
    if not secrets:
        raise Untrusted("none of the webhook's secrets can be read", cause="no_secret")
    # Every secret is tried, so that the time does not tell which one fits.
    fits = [
        hmac.compare_digest(hmac.digest(secret.reveal().encode(), inbound.body, "sha256").hex().encode(), given)
        for secret in secrets
    ]
    if not any(fits):
        raise Untrusted("X-Hub-Signature-256 does not fit", cause="signature")
    return Trust.SIGNED


def _revealed(ref: SecretRef, reveal: Reveal) -> Secret | None:
    try:
        secret = reveal(ref)
    except Unauthorized:
        return None
    # An empty secret would let anybody sign.
    return secret if secret.reveal() else None


def receive(connection: str, _settings: Connection, inbound: Inbound, trust: Trust) -> Received:
    """Read a webhook; the kinds of webhook we do not use are ignored with the reason."""
    name = inbound.headers.get("x-github-event", "")
    payload = _payload(inbound)
    if name == "ping":
        return Received(ignored="ping")
    reader = _READERS.get(name)
    if reader is None:
        return Received(ignored=f"no event for {name[:60]!r}" if name else "no X-GitHub-Event header")
    action = member(payload, "action", str)
    place = Place.of(connection, member(payload, "repository", dict))
    told = Telling(
        "webhook",
        payload,
        actor=person(optional(payload, "sender", dict)),
        partial=trust is not Trust.SIGNED,
    )
    read = reader(place, action, payload, told)
    return Received(ignored=read) if isinstance(read, str) else Received(events=(read,))


def selects(source: Source, event: Event) -> str:
    """Tell why a ``from:`` block does not cover an event, "" when it does."""
    if source.covers(event.entity.scope):
        return ""
    return f"{event.entity.scope} is not one of the repositories"


def _payload(inbound: Inbound) -> dict[str, Any]:
    """Parse the body, JSON or (GitHub's default in its web form) a form with JSON in ``payload``."""
    form = inbound.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    try:
        if form:
            payload = json.loads(parse_qs(inbound.body.decode(), max_num_fields=8).get("payload", [""])[0])
        else:
            payload = inbound.json()
    except (ValueError, RecursionError) as error:
        raise Unreadable("the body is not JSON", cause="not_json") from error
    if not isinstance(payload, dict):
        raise Unreadable("the body is not an object", cause="not_an_object")
    clean: dict[str, Any] = payload
    if form or (inbound.document is None and _SURROGATE.search(inbound.body)):
        clean = readable(payload)
    return clean


# --- one reader for each event of GitHub's ------------------------------------------------------
def _issue(place: Place, action: str, payload: Json, told: Telling) -> Event | str:
    """Read ``issues``.  An unknown action is a state to look at: states are safe to see twice.

    A transfer ends the issue here (the other repository tells of a new one, with a new id).
    """
    issue = member(payload, "issue", dict)
    kinds = {"opened": Kind.ISSUE_CREATED, "deleted": Kind.ISSUE_DELETED, "transferred": Kind.ISSUE_DELETED}
    return item_event(
        place, kinds.get(action, Kind.ISSUE_UPDATED), issue, _changed(told, _change(action, issue, payload))
    )


def _pull_request(place: Place, action: str, payload: Json, told: Telling) -> Event | str:
    """Read ``pull_request``; closing with ``merged`` is a merge."""
    pull = member(payload, "pull_request", dict)
    member(pull, "head", dict)
    change = dict(_change(action, pull, payload))
    match action:
        case "opened":
            kind = Kind.PULL_REQUEST_CREATED
        case "closed" if pull.get("merged") or pull.get("merged_at"):
            kind = Kind.PULL_REQUEST_MERGED
            change["merged"] = {"from": False, "to": True}
        case "closed":
            kind = Kind.PULL_REQUEST_CLOSED
        case _:
            kind = Kind.PULL_REQUEST_UPDATED
    return item_event(place, kind, pull, _changed(told, change))


def _issue_comment(place: Place, action: str, payload: Json, told: Telling) -> Event | str:
    kind = _COMMENT_KINDS.get(action)
    if kind is None:
        return f"issue_comment {action[:40]!r} changes no comment"
    comment = member(payload, "comment", dict)
    return comment_event(place, kind, member(payload, "issue", dict), comment, _changed(told, _edit(payload, comment)))


def _review_comment(place: Place, action: str, payload: Json, told: Telling) -> Event | str:
    kind = _COMMENT_KINDS.get(action)
    if kind is None:
        return f"pull_request_review_comment {action[:40]!r} changes no comment"
    comment = member(payload, "comment", dict)
    pull = _short_pull(payload)
    return comment_event(place, kind, pull, comment, _changed(told, _edit(payload, comment)), prefix="review-comment-")


def _review(place: Place, action: str, payload: Json, told: Telling) -> Event | str:
    """Read ``pull_request_review``: its words are a comment; an approval without words is none."""
    kind = {"submitted": Kind.COMMENT_CREATED, "edited": Kind.COMMENT_UPDATED}.get(action)
    if kind is None:
        return f"pull_request_review {action[:40]!r} changes no words"
    review = member(payload, "review", dict)
    if not optional(review, "body", str):
        return "a review without words"
    return comment_event(
        place, kind, _short_pull(payload), review, _changed(told, _edit(payload, review)), prefix="review-"
    )


def _short_pull(payload: Json) -> dict[str, Any]:
    pull: dict[str, Any] = member(payload, "pull_request", dict)
    member(pull, "head", dict)
    return pull


_COMMENT_KINDS: Final = {
    "created": Kind.COMMENT_CREATED,
    "edited": Kind.COMMENT_UPDATED,
    "deleted": Kind.COMMENT_DELETED,
}

_READERS: Final[Mapping[str, Callable[[Place, str, Json, Telling], Event | str]]] = {
    "issues": _issue,
    "issue_comment": _issue_comment,
    "pull_request": _pull_request,
    "pull_request_review": _review,
    "pull_request_review_comment": _review_comment,
}
EVENTS: Final = frozenset(_READERS)
"""The events of GitHub's that are read; a webhook needs no others."""


# --- what changed ------------------------------------------------------------------------------
def _changed(told: Telling, change: Mapping[str, Mapping[str, Any]]) -> Telling:
    return Telling(told.origin, told.raw, told.actor, change, told.partial)


def _edit(payload: Json, comment: Json) -> Mapping[str, Mapping[str, Any]]:
    """Return the former and the new text of an edited comment."""
    before = (optional(payload, "changes", dict) or {}).get("body")
    if not isinstance(before, dict) or not isinstance(before.get("from"), str):
        return {}
    return {"comment": {"from": markdown(before["from"]), "to": markdown(optional(comment, "body", str))}}


def _change(action: str, item: Json, payload: Json) -> Mapping[str, Mapping[str, Any]]:
    """Return what an action says of the state before it; empty where it says nothing."""
    match action:
        case "edited":
            return _edited(item, payload)
        case "labeled" | "unlabeled":
            now = labels(item)
            name = (optional(payload, "label", dict) or {}).get("name")
            before = [n for n in now if n != name] if action == "labeled" else [*now, name]
            return {"labels": {"from": before, "to": now}} if isinstance(name, str) else {}
        case "assigned" | "unassigned":
            whom = person(optional(payload, "assignee", dict))
            after = people(item)
            rest = [p for p in after if whom is None or p["id"] != whom["id"]]
            former = rest if action == "assigned" else [*rest, *([whom] if whom else [])]
            return {
                "assignees": {"from": former, "to": after},
                "assignee": {"from": next(iter(former), None), "to": person(optional(item, "assignee", dict))},
            }
        case "milestoned" | "demilestoned":
            title = (optional(payload, "milestone", dict) or {}).get("title")
            return {"milestone": {"from": None, "to": title} if action == "milestoned" else {"from": title, "to": None}}
        case "typed" | "untyped":
            # Not verified: that `type` stands beside `issue`; no captured body has these actions.
            name = (optional(payload, "type", dict) or {}).get("name")
            return {"type": {"from": None, "to": name} if action == "typed" else {"from": name, "to": None}}
        case "closed":
            return {"state": {"from": "open", "to": "closed"}}
        case "reopened":
            return {"state": {"from": "closed", "to": "open"}}
        case "converted_to_draft" | "ready_for_review":
            drafted = action == "converted_to_draft"
            return {"draft": {"from": not drafted, "to": drafted}}
        case _:
            return {}


def _edited(item: Json, payload: Json) -> Mapping[str, Mapping[str, Any]]:
    changes = optional(payload, "changes", dict) or {}
    told: dict[str, Mapping[str, Any]] = {}
    for name in ("title", "body"):
        before = changes.get(name)
        if isinstance(before, dict) and isinstance(before.get("from"), str):
            sides = {"from": before["from"], "to": optional(item, name, str) or ""}
            told[name] = sides if name == "title" else {side: markdown(text) for side, text in sides.items()}
    return told
