"""Declare what a user may write about Slack: connection, ``from:`` and ``to:``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from marshmallow import fields, validate

from connector.declare import Declaration, Duration, OneOrMany, SecretField, Word
from connector.ports import SecretRef

DEFAULT_URL: Final = "https://slack.com/api"

CHANNEL_ID: Final = re.compile(r"[CGD][A-Z0-9]{2,40}")
"""Public channels start with C, older private ones with G, direct messages with D."""

_CHANNEL: Final = re.compile(rf"(?:{CHANNEL_ID.pattern}|#[^\s#,<>&]{{1,80}})\Z")
_URL: Final = re.compile(r"https?://[^/\s@?#]+(/[^\s@?#]*)?\Z")


class OnAmbiguous(StrEnum):
    """What becomes of a message that may or may not have landed where nothing can be read back."""

    ASK = "ask"
    RESEND = "resend"


@dataclass(frozen=True, slots=True)
class Auth:
    """A bot token (``xoxb-``).

    Token rotation (an access token of twelve hours and a refresh token) is not built; Slack does not
    expire bot tokens unless an app opts in to it.
    """

    token: SecretRef
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """The app's signing secret: one, or two while it is being rotated."""

    secret: tuple[SecretRef, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What Slack grants one app in one workspace, in calls a minute; its published tiers.

    ``messages_per_second`` counts for each channel.  ``posts_per_minute`` is the cap over the whole
    workspace, which Slack has but does not publish; 600 is a guess on the careful side (not verified).
    An app that is sold outside Slack's marketplace gets one history call a minute: say so here.
    """

    messages_per_second: int = 1
    posts_per_minute: int = 600
    updates_per_minute: int = 50
    history_per_minute: int = 50
    lists_per_minute: int = 20
    users_per_minute: int = 100


@dataclass(frozen=True, slots=True)
class Connection:
    """One app in one workspace."""

    auth: Auth
    url: str = DEFAULT_URL
    webhook: Webhook | None = None
    limits: Limits = field(default_factory=Limits)
    on_ambiguous: OnAmbiguous = OnAmbiguous.ASK


@dataclass(frozen=True, slots=True)
class Source:
    """The channels whose messages are followed.

    ``threads`` is how far back polling looks for threads with new replies (and for edited messages);
    what apps post is left out unless ``bots`` is true.
    """

    channels: tuple[str, ...]
    bots: bool = False
    threads: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Target:
    """The channel that threads are started in, by id or ``#name``."""

    channel: str
    unfurl: bool = False


class AuthSchema(Declaration):
    """``auth:`` of a connection."""

    makes = Auth
    token = SecretField(required=True, metadata={"description": "A bot token (xoxb-...); see the scopes below."})
    expires = fields.Date(metadata={"description": "When the token expires, if it does; warned about before."})


class WebhookSchema(Declaration):
    """``webhook:`` of a connection."""

    makes = Webhook
    secret = OneOrMany(
        SecretField(),
        required=True,
        validate=validate.Length(max=2, error="one secret, or two while it is being rotated"),
        metadata={"description": "The app's signing secret; two during a rotation."},
    )


def _count(what: str) -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(min=1), metadata={"description": what})


class LimitsSchema(Declaration):
    """``limits:`` of a connection."""

    makes = Limits
    messages_per_second = _count("Messages a second in one channel (default 1).")
    posts_per_minute = _count("Messages a minute in the whole workspace (default 600).")
    updates_per_minute = _count("Edits and, apart from those, deletions a minute (default 50).")
    history_per_minute = _count("Reads of a channel and, apart from those, of threads a minute (default 50).")
    lists_per_minute = _count("Reads of the list of channels and, apart from those, of people a minute (default 20).")
    users_per_minute = _count("Reads of people a minute (default 100).")


class ConnectionSchema(Declaration):
    """A connection with ``system: slack``."""

    makes = Connection
    url = Word(
        validate=validate.Regexp(_URL, error="must be an http(s) URL without user, query or fragment"),
        metadata={"description": "The Web API (default https://slack.com/api)."},
    )
    auth = fields.Nested(AuthSchema, required=True, metadata={"description": "How we sign in."})
    webhook = fields.Nested(WebhookSchema, metadata={"description": "Without it the channels are only polled."})
    limits = fields.Nested(LimitsSchema, metadata={"description": "Where Slack grants more or less than usual."})
    on_ambiguous = fields.Enum(
        OnAmbiguous,
        by_value=True,
        metadata={
            "description": "A message may or may not have been posted and the history may not be read: "
            "ask a person (default), or resend and risk a double."
        },
    )


class SourceSchema(Declaration):
    """``from:`` on a Slack connection."""

    makes = Source
    channels = OneOrMany(
        Word(
            validate=validate.Regexp(
                re.compile(rf"{CHANNEL_ID.pattern}\Z"),
                error="must be a channel id such as C012AB3CD (in Slack: channel details, at the bottom); "
                "events do not carry names",
            )
        ),
        required=True,
        metadata={"description": "The ids of the channels to follow.", "chosen": ("channels", "id")},
    )
    bots = fields.Boolean(
        truthy={True}, falsy={False}, metadata={"description": "Follow what apps post, too (default false)."}
    )
    threads = Duration(
        least=timedelta(minutes=15),
        most=timedelta(days=30),
        metadata={"description": "How old a thread may be for polling to see new replies in it (default 24h)."},
    )


class TargetSchema(Declaration):
    """``to:`` on a Slack connection."""

    makes = Target
    channel = Word(
        required=True,
        validate=validate.Regexp(_CHANNEL, error="must be a channel id such as C012AB3CD, or a name such as #alerts"),
        metadata={
            "description": "Where threads are started: an id, or a #name (needs channels:read).",
            "chosen": ("channels", "id"),
        },
    )
    unfurl = fields.Boolean(
        truthy={True}, falsy={False}, metadata={"description": "Let Slack show previews of links (default false)."}
    )
