"""Declare what a Jira connection, a ``from:`` block and a ``to:`` block may say."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, validate, validates_schema

from connector.declare import Declaration, Duration, OneOrMany, SecretField, Word
from connector.ports import SecretRef
from connector.systems.jira.flavour import CLOUD, FLAVOURS, Flavour

_PROJECT: Final = re.compile(r"[A-Z][A-Z0-9_]{0,254}\Z")
_GATEWAY: Final = "api.atlassian.com"


@dataclass(frozen=True, slots=True)
class Auth:
    """A credential: e-mail and API token (Cloud), token alone (Data Center), or user and password.

    ``expires`` is the day the token ends, so that it can be renewed before; Jira does not tell.
    """

    token: SecretRef | None = None
    email: str = ""
    user: str = ""
    password: SecretRef | None = None
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """How an inbound request proves its source: a signature, or an unguessable key and addresses.

    A signed request is believed; one that only knows ``path_key`` or comes from ``addresses`` is a
    hint, and what it says is read again before use.
    """

    secret: tuple[SecretRef, ...] = ()
    path_key: SecretRef | None = None
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What to stay under, where it is less than what Jira publishes."""

    requests_per_second: int = 0
    points_per_hour: int = 0


@dataclass(frozen=True, slots=True)
class JiraConnection:
    """One Jira site.

    ``site`` is the address people open, where it is not ``url`` (the API gateway of scoped tokens).
    ``index_lag`` is how long after a write the search index may still miss it.
    """

    url: str
    auth: Auth
    flavour: Flavour = CLOUD
    webhook: Webhook | None = None
    limits: Limits = field(default_factory=Limits)
    account: str = ""
    site: str = ""
    index_lag: timedelta = CLOUD.index_lag

    @property
    def browse(self) -> str:
        """The address that ``/browse/WEB-12`` is appended to."""
        return self.site or self.url


@dataclass(frozen=True, slots=True)
class JiraSource:
    """Which issues a connector reads: whole projects, optionally only some issue types."""

    projects: tuple[str, ...]
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JiraTarget:
    """Where a connector writes.  ``internal_comments`` hides its comments from service desk customers."""

    project: str
    type: str = "Task"
    internal_comments: bool = False


def _base_url(value: str) -> None:
    url = urlsplit(value)
    if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment or url.username:
        message = "must be like https://acme.atlassian.net or https://jira.acme.example/jira"
        raise ValidationError(message)


def _network(value: str) -> None:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        message = f"must be an address or a network such as 10.0.0.0/8, not {value!r}"
        raise ValidationError(message) from None


class AuthSchema(Declaration):
    """Who we are."""

    makes = Auth
    token = SecretField(metadata={"description": "API token (Cloud) or personal access token (Data Center)."})
    email = Word(metadata={"description": "Cloud: the e-mail address of the account that the token belongs to."})
    user = Word(metadata={"description": "Data Center: login name, where there are no access tokens."})
    password = SecretField(metadata={"description": "Data Center: the password of that user."})
    expires = fields.Date(metadata={"description": "The day the token ends; you are warned before."})


class WebhookSchema(Declaration):
    """How webhooks prove that they come from this Jira."""

    secret = OneOrMany(SecretField(), metadata={"description": "One secret, or two while it is being changed."})
    path_key = SecretField(metadata={"description": "An unguessable key in the webhook's URL (?key=)."})
    addresses = OneOrMany(
        Word(validate=_network),
        data_key="from",
        metadata={"description": "Addresses or networks that webhooks may come from."},
    )

    makes = Webhook

    @validates_schema
    def _enough(self, given: Mapping[str, Any], **_: Any) -> None:
        if not given:
            message = "needs a secret, a path_key or from"
            raise ValidationError(message)
        if len(given.get("secret", ())) > 2:
            message = "holds at most two secrets: the new one and the old one"
            raise ValidationError(message, "secret")


class LimitsSchema(Declaration):
    """Limits below Jira's own."""

    makes = Limits
    requests_per_second = fields.Integer(
        strict=True, validate=validate.Range(1, 10_000), metadata={"description": "All calls of this connection."}
    )
    points_per_hour = fields.Integer(
        strict=True,
        validate=validate.Range(1, 10_000_000),
        metadata={"description": "The hourly quota of an OAuth app; API tokens have none."},
    )


def _make_connection(**given: Any) -> JiraConnection:
    flavour = FLAVOURS[given.pop("flavour", CLOUD.name)]
    given["url"] = given["url"].rstrip("/")
    given["site"] = given.pop("site", "").rstrip("/")
    return JiraConnection(flavour=flavour, **{"index_lag": flavour.index_lag, **given})


class ConnectionSchema(Declaration):
    """A Jira site and the account we use there."""

    makes: ClassVar[Any] = staticmethod(_make_connection)
    url = Word(
        required=True,
        validate=_base_url,
        metadata={"description": "The site, with its context path; for scoped tokens the API gateway's."},
    )
    flavour = Word(
        validate=validate.OneOf(tuple(FLAVOURS)), metadata={"description": "cloud (default) or data-center."}
    )
    auth = fields.Nested(AuthSchema, required=True, metadata={"description": "Who we are there."})
    webhook = fields.Nested(WebhookSchema, metadata={"description": "Without it the connection is only polled."})
    limits = fields.Nested(LimitsSchema, metadata={"description": "Where we must stay below Jira's own limits."})
    account = Word(metadata={"description": "Our accountId (Cloud) or user key (Data Center), to know our own writes."})
    site = Word(validate=_base_url, metadata={"description": "The address people open, where url is the API gateway."})
    index_lag = Duration(
        least=timedelta(0),
        most=timedelta(hours=1),
        metadata={"description": "How long the search index may lag behind a write (90s; Data Center 5m)."},
    )

    @validates_schema
    def _fits(self, given: Mapping[str, Any], **_: Any) -> None:
        auth: Auth = given["auth"] if isinstance(given.get("auth"), Auth) else Auth()
        if given.get("flavour", CLOUD.name) == CLOUD.name:
            if not (auth.token and auth.email) or auth.user or auth.password:
                message = "Jira Cloud needs email and token"
                raise ValidationError(message, "auth")
        elif bool(auth.token) == bool(auth.user and auth.password) or auth.email:
            message = "Jira Data Center needs either token, or user and password"
            raise ValidationError(message, "auth")
        if urlsplit(given.get("url", "")).hostname == _GATEWAY and not given.get("site"):
            message = "is needed with the API gateway: links for people point there"
            raise ValidationError(message, "site")


def _project_field(**kw: Any) -> Word:
    kw["metadata"] = {**kw.get("metadata", {}), "chosen": ("projects", "key")}
    return Word(validate=validate.Regexp(_PROJECT, error="must be a project key such as WEB"), **kw)


def _make_source(project: str = "", projects: tuple[str, ...] = (), types: tuple[str, ...] = ()) -> JiraSource:
    return JiraSource((project,) if project else projects, types)


class SourceSchema(Declaration):
    """Which issues to read."""

    makes: ClassVar[Any] = staticmethod(_make_source)
    project = _project_field(metadata={"description": "The key of the project."})
    projects = OneOrMany(_project_field(), metadata={"description": "Several project keys."})
    types = OneOrMany(Word(), metadata={"description": "Only these issue types."})

    @validates_schema
    def _one(self, given: Mapping[str, Any], **_: Any) -> None:
        if ("project" in given) == ("projects" in given):
            message = "needs project or projects"
            raise ValidationError(message, "project")


class TargetSchema(Declaration):
    """Where to write."""

    makes = JiraTarget
    project = _project_field(required=True, metadata={"description": "The key of the project."})
    type = Word(
        metadata={"description": "The issue type of what is created (default Task).", "chosen": ("types", "name")}
    )
    internal_comments = fields.Boolean(
        truthy={True},
        falsy={False},
        metadata={"description": "Service management: hide our comments from customers, from the first moment."},
    )
