"""Declare what users write: every key once, for checks, editors and the reference alike.

What these schemas load is close to `connector.config`, but names are not yet resolved: a connection
is a word here, and what a system says about its own part (``from:``, ``to:``, a connection's own keys)
is loaded by that system's schemas in `connector.loading`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from connector.config import Audience, Brake, Comments, Http, Message, Mode, Owner, References, When
from connector.declare import Count, Declaration, Duration, Flag, Known, Name, OneOrMany, Table, Word
from connector.grammar_fields import (
    Addresses,
    EndField,
    Expression,
    Kinds,
    MaintenanceSchema,
    Pattern,
    Poll,
    Teams,
    Version,
    WindowSchema,
    Wording,
    Words,
)
from connector.grammar_mapping import Rules
from connector.mapping import NAMES, Policy
from connector.schedule import Cron

VOCABULARY: Final = NAMES - {"kind", "at", "actor", "entity", "change", "raw", "connector"}
"""Keys that may change: those of `connector.event.Data`."""

_PROXY: Final = re.compile(r"https?://[^/\s@?#]+/?\Z")
_REQUEST_SPAN: Final = {"least": timedelta(milliseconds=100), "most": timedelta(minutes=10)}


def _says(description: str) -> dict[str, str]:
    return {"description": description}


# --- the parts of a connector ------------------------------------------------------------------------
class WhenSchema(Declaration):
    """``when:``: which events the connector wants."""

    makes = When
    events = Kinds(metadata=_says("Kinds of events; all that the source emits where it is left out."))
    labels = Words(metadata=_says("At least one of these labels must be on the entity."))
    changed = Words(only=VOCABULARY, metadata=_says("At least one of these must have changed (asked of updates)."))
    condition = Expression(metadata=_says("A JMESPath condition over the event."))
    jql = Word(validate=validate.Length(1, 2_000), metadata=_says("Asked of Jira when the delivery is planned."))


class MessageSchema(Declaration):
    """``messages:``: what is added to the target for each event, such as a reply in a thread."""

    makes = Message
    on = Kinds(required=True, metadata=_says("Kinds of events that it is added for."))
    changed = Words(only=VOCABULARY, metadata=_says("Only where at least one of these has changed."))
    when = Expression(metadata=_says("Only where this JMESPath condition is true."))
    text = Wording(required=True, metadata=_says("A Jinja template of Markdown."))
    digest = Duration(
        least=timedelta(seconds=1),
        most=timedelta(days=1),
        metadata=_says("At most one message per entity in this time, listing what happened; its events wait."),
    )


class CommentsSchema(Declaration):
    """``comments:``: whether and how comments are copied (``true`` is all defaults)."""

    direction = Word(
        validate=Known(("to", "both")),
        metadata=_says("`to`: from the source to the target; `both` in a two-way connector, where it is the default."),
    )
    audience = fields.Enum(Audience, by_value=True, metadata=_says("`public` copies public comments only; or `all`."))
    edits = Flag(metadata=_says("Whether an edited comment is edited in the target (default true)."))
    deletes = Flag(metadata=_says("Whether a deleted comment is deleted in the target (default false)."))
    text = Wording(metadata=_says("A Jinja template around the comment."))

    @post_load
    def _make(self, loaded: dict[str, Any], **_: Any) -> Comments:
        return Comments(copied=True, both=loaded.pop("direction", "both") == "both", **loaded)


class CommentsField(fields.Nested):
    """``true``, ``false`` or a mapping."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(CommentsSchema, **kw)

    def _deserialize(self, value: Any, *args: Any, **kw: Any) -> Any:
        return (
            Comments(copied=value, both=value) if isinstance(value, bool) else super()._deserialize(value, *args, **kw)
        )


class BrakeSchema(Declaration):
    """``brake:``: how many creations a connector may make when it is new, until a person confirms."""

    makes = Brake
    creations = Count(least=1, most=100_000, metadata=_says("Creations until it waits for a person (default 50)."))
    within = Duration(
        least=timedelta(minutes=1),
        most=timedelta(days=30),
        metadata=_says("How long after its first creation they are counted (default 1h)."),
    )


class BrakeField(fields.Nested):
    """A mapping, or ``off``."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(BrakeSchema, **kw)

    def _deserialize(self, value: Any, *args: Any, **kw: Any) -> Any:
        return None if value == "off" else super()._deserialize(value, *args, **kw)


class ReferencesSchema(Declaration):
    """``references:``: what a pull request does to the issues whose keys it names."""

    makes = References
    fields_ = Words(
        only=frozenset({"title", "branch", "body"}),
        data_key="fields",
        attribute="fields",
        metadata=_says("Where keys are looked for (default: title, branch and body)."),
    )
    pattern = Pattern(metadata=_says("An RE2 pattern of a key (default: WEB-12 and the like)."))
    status = Table(
        Word(),
        metadata=_says("The status wanted when it is `created`, `merged` or `closed`."),
        validate=lambda table: _only(table, ("created", "merged", "closed")),
    )

    @post_load
    def _make(self, loaded: dict[str, Any], **_: Any) -> References:
        if "fields" in loaded:
            loaded["fields"] = tuple(name for name in ("title", "branch", "body") if name in loaded["fields"])
        return References(**loaded)


def _only(table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    wrong: dict[Any, Any] = {key: [f"must be one of: {', '.join(known)}"] for key in table if key not in known}
    if wrong:
        raise ValidationError(wrong)


_ALERT_PLACE: Final = (
    r"(?:(?!https?:|mailto:)[a-z][a-z0-9-]*:(?:[a-z0-9][a-z0-9-]*/)?[#\w.-]{1,100}"
    r"|mailto:[^\s@,;<>]+@[\w.-]+|https://[^\s@]+)"
)
"""A place in a system (which ones can be told things, loading knows), a mail address, or a hook."""
_ALERT: Final = rf"{_ALERT_PLACE}(?: +{_ALERT_PLACE})*\Z"


class OwnerSchema(Declaration):
    """``owner:``: who answers for the connector."""

    makes = Owner
    team = Name(metadata=_says("The team; must be one of the connections' `teams` where they name any."))
    alert = Word(
        validate=validate.Regexp(
            _ALERT, error="must be slack:#channel, slack:CONNECTION/#channel, mailto:ADDRESS or https://…"
        ),
        metadata=_says(
            "Where alerts go when something needs a person: slack:#channel, slack:CONNECTION/#channel, "
            "mailto:ADDRESS or https://… (JSON is posted); several separated by spaces."
        ),
    )


class HttpSchema(Declaration):
    """``http:`` of a connection: how it is called."""

    makes = Http
    proxy = Word(
        validate=validate.Regexp(_PROXY, error="must be an http(s) URL without a user or path"),
        metadata=_says("A proxy, http://host:port."),
    )
    ca_file = Word(validate=validate.Length(1, 500), metadata=_says("A file of CA certificates to trust instead."))
    connect = Duration(**_REQUEST_SPAN, metadata=_says("Until a connection stands (default 5s)."))
    read = Duration(**_REQUEST_SPAN, metadata=_says("Between two pieces of an answer (default 20s)."))
    total = Duration(**_REQUEST_SPAN, metadata=_says("For a call as a whole (default 30s)."))
    private_addresses = Addresses(
        metadata=_says("Private networks that this connection may reach, such as 10.1.0.0/16; none by default.")
    )

    @validates_schema
    def _total_is_longest(self, given: Mapping[str, Any], **_: Any) -> None:
        if given.get("total", timedelta(seconds=30)) < given.get("connect", timedelta(seconds=5)):
            message = "must not be shorter than connect"
            raise ValidationError(message, "total")


class BackSchema(Declaration):
    """``back:``: how a two-way connector looks from its target."""

    source = fields.Dict(
        required=True, data_key="from", metadata=_says("What of the target is read, as `from:` of a connector says it.")
    )
    target = fields.Dict(
        required=True,
        data_key="to",
        metadata=_says("Where at the source new items go, as `to:` of a connector says it."),
    )
    create = Flag(attribute="creates", metadata=_says("Whether items born at the target are created at the source."))
    when = fields.Nested(WhenSchema, metadata=_says("Which of them."))


@dataclass(frozen=True, slots=True)
class Declared:
    """A connector as it is written; ``source`` and ``target`` are not yet loaded by their systems."""

    name: str
    source: Mapping[str, Any]
    target: Mapping[str, Any]
    parts: Mapping[str, Any] = field(default_factory=dict)
    renamed_from: tuple[str, ...] = ()
    back: Mapping[str, Any] | None = None


class ConnectorSchema(Declaration):
    """A connector: a file below ``connectors/``, or an entry of ``connectors:``."""

    version = Version(metadata=_says("Always 1."))
    name = Name(required=True, metadata=_says("Its name; also that of its queue."))
    description = Word(validate=validate.Length(max=1_000), metadata=_says("For people."))
    renamed_from = OneOrMany(Name(), metadata=_says("Earlier names, the first one first: keeps links and cursors."))
    owner = fields.Nested(OwnerSchema, metadata=_says("Who answers for it."))
    template = Name(metadata=_says("A ready-made connector that this one differs from."))
    mode = fields.Enum(
        Mode, by_value=True, metadata=_says("`live` (default), `shadow`: all but the write, or `paused`.")
    )
    start = Word(
        validate=validate.Equal("now", error="only `now` is known; history comes by `connector sync`"),
        metadata=_says("`now`: events before the start are not taken; `connector sync` brings history."),
    )
    source = EndField(required=True, data_key="from", metadata=_says("Where events come from."))
    target = EndField(required=True, data_key="to", metadata=_says("Where changes go."))
    direction = Word(
        validate=Known(("to", "two-way")),
        metadata=_says("`to` (default), or `two-way`: what people change at the target comes back."),
    )
    back = fields.Nested(BackSchema, metadata=_says("How a two-way connector looks from its target."))
    policy = fields.Enum(
        Policy,
        by_value=True,
        data_key="conflicts",
        metadata=_says(
            "Where both sides changed a field: `from` or `to` wins, `newest`, `union` (lists), or `ask` (default)."
        ),
    )
    initial = fields.Enum(
        Policy,
        by_value=True,
        metadata=_says("The same where it is not known that both sides were ever equal (default `ask`)."),
    )
    when = fields.Nested(WhenSchema, metadata=_says("Which events it wants."))
    mapping = Rules(metadata=_says("Target field: what feeds it."))
    create = Flag(attribute="creates", metadata=_says("Whether it creates what is not linked yet (default true)."))
    brake = BrakeField(
        metadata=_says(
            "How many creations it may make when it is new, until a person confirms by `connector resume`; or `off`."
        )
    )
    relate = Flag(attribute="relates", metadata=_says("Whether the target shows a link to the source (default true)."))
    messages = OneOrMany(fields.Nested(MessageSchema), metadata=_says("Messages added to the target."))
    comments = CommentsField(metadata=_says("Whether and how comments are copied (default false)."))
    references = fields.Nested(ReferencesSchema, metadata=_says("What pull requests do to issues they name."))
    expire = Table(
        Duration(least=timedelta(seconds=1), most=timedelta(days=366)),
        validate=lambda table: _only(table, ("message", "comment")),
        metadata=_says("A message or comment older than this is skipped: {message: 24h}."),
    )
    poll_every = Poll(
        least=timedelta(seconds=10),
        most=timedelta(days=1),
        data_key="poll",
        metadata=_says(
            "How often the source is polled beside its webhooks (default 5m), `off`, or when: "
            '{cron: "*/10 8-18 * * mon-fri", zone: Europe/Berlin}.'
        ),
    )
    quiet = OneOrMany(
        fields.Nested(WindowSchema),
        metadata=_says("When nothing is delivered: events are taken in, and wait until it is over."),
    )
    concurrency = Count(least=1, most=64, metadata=_says("Entities worked on at once (default 4)."))
    weight = Count(
        least=1, most=100, metadata=_says("Its share of a connection's limits against other connectors (default 1).")
    )
    attempts = Count(least=1, most=50, metadata=_says("Attempts before a dead letter (default 8)."))
    on_dead = Word(
        validate=Known(("continue", "block")),
        metadata=_says("Whether an entity's later events go on after a dead letter, or wait for a person."),
    )

    @validates_schema(pass_original=True)
    def _whole(self, given: Mapping[str, Any], written: Any, **_: Any) -> None:
        two_way = given.get("direction") == "two-way"
        if two_way and "back" not in given:
            raise ValidationError("a two-way connector needs back: {from: {...}, to: {...}}", "back")
        comments = written.get("comments")
        if not two_way and isinstance(comments, dict) and comments.get("direction") == "both":
            raise ValidationError("both is for two-way connectors: say direction: two-way", "comments")
        if not two_way:
            for key in ("back", "conflicts", "initial"):
                if {"conflicts": "policy"}.get(key, key) in given:
                    raise ValidationError("is for two-way connectors: say direction: two-way", key)

    @post_load
    def _make(self, loaded: dict[str, Any], **_: Any) -> Declared:
        for key in ("version", "description", "start", "direction"):
            loaded.pop(key, None)
        if isinstance(loaded.get("poll_every"), Cron):
            loaded["poll_at"] = loaded.pop("poll_every")
        loaded.setdefault("brake", Brake())
        return Declared(
            name=loaded.pop("name"),
            source=loaded.pop("source"),
            target=loaded.pop("target"),
            renamed_from=loaded.pop("renamed_from", ()),
            back=loaded.pop("back", None),
            parts=loaded,
        )


class AnyConnectionSchema(Declaration):
    """What every connection may say, whatever its system."""

    system = Word(required=True, metadata=_says("The system that it is a site or account of."))
    http = fields.Nested(HttpSchema, metadata=_says("Proxy, certificates, timeouts, private networks."))
    teams = Teams(
        metadata=_says(
            "Who may use it; anybody where it is left out. As a mapping also what of it: "
            "{payments: {repositories: [acme/pay-*]}, web: {}}."
        )
    )
    maintenance = OneOrMany(
        fields.Nested(MaintenanceSchema),
        metadata=_says("When it is not called: what needs it waits, polls too, and nothing fails."),
    )


class FileSchema(Declaration):
    """A file with ``connections:``, ``connectors:`` or both."""

    version = Version(required=True, metadata=_says("Always 1."))
    instance = Name(metadata=_says("Goes into every mark: staging never adopts what production wrote."))
    connections = fields.Dict(metadata=_says("Connections by name."))
    connectors = fields.List(fields.Dict(), metadata=_says("Connectors, where they have no files of their own."))
