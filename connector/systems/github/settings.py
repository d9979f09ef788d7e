"""Declare what a user may write about GitHub: connection, ``from:`` and ``to:``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from connector.declare import Declaration, OneOrMany, SecretField, Word
from connector.ports import SecretRef

DEFAULT_URL: Final = "https://api.github.com"

REPOSITORY: Final = re.compile(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}(?![A-Za-z0-9._-]))[A-Za-z0-9._-]{1,100}")
"""``owner/name``; also keeps path tricks such as ``a/..`` out of the URLs built from it."""

_URL: Final = re.compile(r"https?://[^/\s@?#]+(/[^\s@?#]*)?\Z")


@dataclass(frozen=True, slots=True)
class Auth:
    """A personal access token (classic or fine-grained).

    A GitHub App would be another member here (app id, installation, private key) and another branch
    in `api.authorize`; it is not built.
    """

    token: SecretRef
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """The secrets that sign webhooks: one, or two while it is being rotated."""

    secret: tuple[SecretRef, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What GitHub grants one account; the defaults are those of github.com for a user's token.

    ``writes_*`` are GitHub's *content creation* limits.  They are kept for every writing call,
    because GitHub does not publish which ones it counts.
    """

    requests_per_hour: int = 5000
    points_per_minute: int = 900
    writes_per_minute: int = 80
    writes_per_hour: int = 500


@dataclass(frozen=True, slots=True)
class Connection:
    """One account on github.com or a GitHub Enterprise Server."""

    auth: Auth
    url: str = DEFAULT_URL
    webhook: Webhook | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Source:
    """The repositories whose issues and pull requests are followed."""

    repositories: tuple[str, ...]

    def covers(self, repository: str) -> bool:
        """Tell whether a repository is among them; GitHub does not tell case apart."""
        return repository.casefold() in {name.casefold() for name in self.repositories}


@dataclass(frozen=True, slots=True)
class Target:
    """The repository that issues are created in."""

    repository: str


class Repository(Word):
    """The ``owner/name`` of a repository."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["metadata"] = {**kwargs.get("metadata", {}), "chosen": ("repositories", "name")}
        super().__init__(
            validate=validate.Regexp(re.compile(rf"{REPOSITORY.pattern}\Z"), error="must look like owner/name"),
            **kwargs,
        )


class AuthSchema(Declaration):
    """``auth:`` of a connection."""

    makes = Auth
    token = SecretField(required=True, metadata={"description": "A personal access token; see the scopes below."})
    expires = fields.Date(metadata={"description": "When the token expires; warned about before."})


class WebhookSchema(Declaration):
    """``webhook:`` of a connection."""

    makes = Webhook
    secret = OneOrMany(
        SecretField(),
        required=True,
        validate=validate.Length(max=2, error="one secret, or two while it is being rotated"),
        metadata={"description": "The webhook's secret; two during a rotation."},
    )


class LimitsSchema(Declaration):
    """``limits:`` of a connection."""

    makes = Limits
    requests_per_hour = fields.Integer(
        strict=True, validate=validate.Range(min=1), metadata={"description": "Calls an hour (default 5000)."}
    )
    points_per_minute = fields.Integer(
        strict=True,
        validate=validate.Range(min=5),
        metadata={"description": "Points a minute; a read costs 1, a write 5 (default 900)."},
    )
    writes_per_minute = fields.Integer(
        strict=True, validate=validate.Range(min=1), metadata={"description": "Writes a minute (default 80)."}
    )
    writes_per_hour = fields.Integer(
        strict=True, validate=validate.Range(min=1), metadata={"description": "Writes an hour (default 500)."}
    )


class ConnectionSchema(Declaration):
    """A connection with ``system: github``."""

    makes = Connection
    url = Word(
        validate=validate.Regexp(_URL, error="must be an http(s) URL without user, query or fragment"),
        metadata={"description": "The API: https://api.github.com, or https://HOST/api/v3 of an Enterprise Server."},
    )
    auth = fields.Nested(AuthSchema, required=True, metadata={"description": "How we sign in."})
    webhook = fields.Nested(WebhookSchema, metadata={"description": "Without it the repositories are only polled."})
    limits = fields.Nested(LimitsSchema, metadata={"description": "Where GitHub grants more or less than usual."})


class SourceSchema(Declaration):
    """``from:`` on a GitHub connection."""

    makes = Source
    repositories = OneOrMany(
        Repository(),
        metadata={"description": "The repositories to follow, owner/name."},
    )
    repository = Repository(metadata={"description": "The same for one repository."})

    @validates_schema
    def _one_of_both(self, given: dict[str, Any], **_: Any) -> None:
        if ("repositories" in given) == ("repository" in given):
            message = "give either repositories or repository"
            raise ValidationError(message, "repositories")

    @post_load
    def _make(self, loaded: dict[str, Any], **_: Any) -> Source:
        return Source(loaded.get("repositories") or (loaded["repository"],))


class TargetSchema(Declaration):
    """``to:`` on a GitHub connection."""

    makes = Target
    repository = Repository(
        required=True,
        metadata={"description": "Where issues are created, owner/name."},
    )
