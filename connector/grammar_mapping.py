"""Declare one field of a mapping: every key once, for checks, editors and the reference alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_load, validates_schema

from connector.declare import Declaration, Table, Word
from connector.expression import MISSING
from connector.grammar_fields import Anything, BackRule, Expression, Steps, Wording
from connector.mapping import Direction, Policy, Rule


class Rules(Table):
    """``mapping:``, target field by target field."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(_RuleField(), most=500, **kw)

    def _deserialize(self, *args: Any, **kw: Any) -> Any:
        loaded: Mapping[str, dict[str, Any]] = super()._deserialize(*args, **kw)
        wrong: dict[Any, Any] = {
            target: ["a target field is a name of 1 to 255 printable characters"]
            for target in loaded
            if not target.strip() or len(target) > 255 or not target.isprintable() or target.startswith("__")
        }
        if wrong:
            raise ValidationError(wrong)
        return tuple(Rule(target=target, **parts) for target, parts in loaded.items())


class _RuleField(fields.Field[Any]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> Any:
        if isinstance(value, str):
            path: str = Expression().deserialize(value, attr, data, **kw)
            return {"path": path}
        if not isinstance(value, dict):
            message = "must be a path (Summary: title) or a mapping ({value: ...} for a fixed value)"
            raise ValidationError(message)
        return RuleSchema().load(value)


def _says(description: str) -> dict[str, str]:
    return {"description": description}


class RuleSchema(Declaration):
    """One field of ``mapping:`` in its full form."""

    path = Expression(data_key="from", metadata=_says("What is read from the event: a path, or JMESPath."))
    template = Wording(metadata=_says("Instead of `from`: a Jinja template of Markdown."))
    value = Anything(metadata=_says("Instead of `from`: a fixed value."))
    steps = Steps(data_key="transform", metadata=_says("Transforms, in order."))
    table = Table(
        Anything(),
        data_key="map",
        metadata=_says("A closed table: a value that it lacks is an error unless `default` is given."),
    )
    first = Table(
        Anything(),
        metadata=_says("Takes the first of these entries that the source's list holds: order is precedence."),
    )
    people = Table(
        Word(),
        metadata=_says("Persons of the source (id, login or e-mail) and of the target; or a CSV file of both."),
    )
    default = Anything(metadata=_says("Stands in for what is absent, empty or unknown; null clears the field."))
    when = Expression(metadata=_says("A JMESPath condition; false leaves the field alone."))
    direction = fields.Enum(
        Direction,
        by_value=True,
        metadata=_says("In a two-way connector: `->` to the target only, `<-` back only, `<->` both (default)."),
    )
    policy = fields.Enum(
        Policy, by_value=True, data_key="conflict", metadata=_says("Instead of the connector's `conflicts`.")
    )
    back = BackRule(
        metadata=_says("The way back where this rule cannot be turned round: a table, or {from: ..., map: ...}.")
    )

    @validates_schema
    def _one_source(self, given: Mapping[str, Any], **_: Any) -> None:
        sources = [key for key in ("path", "template", "value") if key in given]
        if len(sources) != 1:
            message = "give one of from, template and value"
            raise ValidationError(message)
        if sum(key in given for key in ("table", "first", "people")) > 1:
            message = "give only one of map, first and people"
            raise ValidationError(message)
        if given.get("value", 0) is MISSING:
            message = "must be JSON"
            raise ValidationError(message, "value")

    @post_load
    def _make(self, loaded: dict[str, Any], **_: Any) -> dict[str, Any]:
        return loaded
