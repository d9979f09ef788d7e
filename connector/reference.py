"""Describe the grammar for editors (JSON Schema) and for people (Markdown), from the declarations alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from marshmallow import Schema, fields, missing, validate

from connector import grammar, grammar_fields, grammar_mapping
from connector.declare import NAME, Count, Duration, Flag, Name, OneOrMany, SecretField, Table
from connector.speaks import Speaks

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_SPAN: Final = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"}
_NAME: Final = {"type": "string", "pattern": f"^{NAME.pattern}$"}


def json_schema(systems: Mapping[str, Speaks]) -> dict[str, Any]:
    """Return a JSON Schema of any configuration file, for editors.

    It is a little wider than `loading.load`: an end of a connector may hold what any system allows,
    because which one it is stands in another file, and required keys may come from a template.
    """
    connection = [_connection(name, system) for name, system in systems.items()]
    connector = _object(grammar.ConnectorSchema(), required=False)
    connector["properties"]["from"] = _end([system.source for system in systems.values()])
    connector["properties"]["to"] = _end([system.target_schema for system in systems.values()])
    connector["required"] = ["name"]
    return {
        "$schema": DIALECT,
        "title": "Jira Connector configuration",
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "version": {"const": 1},
                    "instance": _NAME,
                    "connections": {
                        "type": "object",
                        "propertyNames": _NAME,
                        "additionalProperties": {"anyOf": connection},
                    },
                    "connectors": {"type": "array", "items": {"$ref": "#/$defs/connector"}},
                },
                "required": ["version"],
                "anyOf": [{"required": ["connections"]}, {"required": ["connectors"]}],
                "additionalProperties": False,
            },
            {"allOf": [{"$ref": "#/$defs/connector"}, {"required": ["version"]}]},
        ],
        "$defs": {"connector": connector},
    }


def reference(systems: Mapping[str, Speaks]) -> str:
    """Return the reference of every key, as Markdown."""
    parts = ["# Configuration reference\n\nGenerated from the declarations; do not edit.\n"]
    parts.extend(_section("A connector", grammar.ConnectorSchema()))
    parts.extend(_section("A field of `mapping:`", grammar_mapping.RuleSchema()))
    parts.extend(_section("A connection", grammar.AnyConnectionSchema()))
    for system in systems.values():
        parts.extend(_system(system))
    return "\n".join(parts)


def system_reference(system: Speaks) -> str:
    """Return the part of the reference that is about one system."""
    return "\n".join(_system(system))


def _system(system: Speaks) -> Iterator[str]:
    yield from _section(f"A connection to {system.title}", system.connection())
    if system.source is not None:
        yield from _section(f"`from:` on {system.title}", system.source())
    if system.target_schema is not None:
        yield from _section(f"`to:` on {system.title}", system.target_schema())


# --- JSON Schema -------------------------------------------------------------------------------------
def _connection(name: str, system: Speaks) -> dict[str, Any]:
    common = _object(grammar.AnyConnectionSchema())
    own = _object(system.connection())
    properties = {**common["properties"], **own["properties"], "system": {"const": name}}
    return {
        "type": "object",
        "properties": properties,
        "required": ["system", *own.get("required", [])],
        "additionalProperties": False,
    }


def _end(schemas: list[type[Schema] | None]) -> dict[str, Any]:
    word = {"connection": {"type": "string"}}
    ends = []
    for schema in schemas:
        if schema is not None:
            end = _object(schema(), required=False)
            ends.append({**end, "properties": {**word, **end["properties"]}})
    return {"anyOf": ends} if ends else {"type": "object"}


def _object(schema: Schema, *, required: bool = True) -> dict[str, Any]:
    properties = {}
    for key, one in _keys(schema):
        described = {"description": one.metadata["description"]} if "description" in one.metadata else {}
        shape = _shape(one)
        if not required and not isinstance(one, grammar_fields.Version):
            shape = {"anyOf": [shape, {"type": "null"}]}  # null takes away what the template says
        properties[key] = {**shape, **described}
    needed = [key for key, one in _keys(schema) if one.required]
    made: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required and needed:
        made["required"] = needed
    return made


def _keys(schema: Schema) -> Iterator[tuple[str, fields.Field[Any]]]:
    for name, one in schema.fields.items():
        yield one.data_key or name, one


def _shape(one: fields.Field[Any]) -> dict[str, Any]:
    """Say in JSON Schema what a field takes."""
    match one:
        case grammar_fields.Version():
            return {"const": 1}
        case grammar_mapping.Rules():
            rule = {"anyOf": [{"type": "string"}, _object(grammar_mapping.RuleSchema()), {"type": "null"}]}
            return {"type": "object", "additionalProperties": rule}
        case grammar_fields.Steps():
            step = {"anyOf": [{"type": "string"}, {"type": "object", "minProperties": 1, "maxProperties": 1}]}
            return {"anyOf": [step, {"type": "array", "items": step, "minItems": 1}]}
        case grammar_fields.EndField():
            return {"type": "object", "required": ["connection"]}
        case grammar_fields.BackRule():
            return {"type": "object", "minProperties": 1}
        case grammar.CommentsField():
            return {"anyOf": [{"type": "boolean"}, _object(grammar.CommentsSchema())]}
        case grammar.BrakeField():
            return {"anyOf": [_object(grammar.BrakeSchema()), {"const": "off"}]}
        case grammar_fields.Poll():
            return {"anyOf": [_SPAN, {"const": "off"}, _object(grammar_fields.CronSchema())]}
        case grammar_fields.Teams():
            names = _shape(OneOrMany(Name()))["anyOf"]
            places = {"type": "object", "additionalProperties": _shape(OneOrMany(fields.String()))}
            return {"anyOf": [*names, {"type": "object", "additionalProperties": places, "minProperties": 1}]}
        case Table():
            table = {"type": "object", "additionalProperties": _shape(one.inner), "minProperties": 1}
            return {"anyOf": [table, {"type": "string", "pattern": "\\.csv$"}]} if one.name == "people" else table
        case OneOrMany():
            inner = _shape(one.inner)
            return {"anyOf": [inner, {"type": "array", "items": inner, "minItems": 1}]}
        case Name():
            return dict(_NAME)
        case Duration():
            return dict(_SPAN)
        case SecretField():
            return {"type": "string", "pattern": "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"}
        case Flag() | fields.Boolean():
            return {"type": "boolean"}
        case Count():
            return {"type": "integer", "minimum": one.least, "maximum": one.most}
        case fields.Nested():
            return _object(one.schema)
        case fields.Enum():
            return {"enum": [member.value for member in one.enum]}
        case fields.List():
            return {"type": "array", "items": _shape(one.inner)}
        case fields.Mapping():
            return {"type": "object"}
        case fields.Integer():
            return {"type": "integer", **_bounds(one)}
        case fields.Float() | fields.Decimal():
            return {"type": "number", **_bounds(one)}
        case fields.Date():
            return {"type": "string", "format": "date"}
        case fields.String():
            return {"type": "string", **_choices(one)}
        case _:
            return {}


def _bounds(one: fields.Field[Any]) -> dict[str, Any]:
    found = {}
    for check in one.validators:
        if isinstance(check, validate.Range):
            found.update({"minimum": check.min} if check.min is not None else {})
            found.update({"maximum": check.max} if check.max is not None else {})
    return found


def _choices(one: fields.Field[Any]) -> dict[str, Any]:
    for check in one.validators:
        if isinstance(check, validate.OneOf):
            return {"enum": list(check.choices)}
        if isinstance(check, validate.Equal):
            return {"const": check.comparable}
    return {}


# --- Markdown ----------------------------------------------------------------------------------------
def _section(title: str, schema: Schema, above: str = "") -> Iterator[str]:
    """Write a table of a schema's keys, then those of what is nested in it."""
    first = (type(schema).__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ")
    yield f"\n## {title}\n" if not above else f"\n### `{above}`\n"
    if first and not above:
        yield f"{first}\n"
    yield "| key | value | meaning |\n|---|---|---|"
    nested: list[tuple[str, Schema]] = []
    for key, one in _keys(schema):
        inner = _nested(one)
        if inner is not None:
            nested.append((f"{above}.{key}" if above else key, inner))
        needed = " **Required.**" if one.required else ""
        meaning = str(one.metadata.get("description", "")).replace("|", "\\|")
        default = f" Default: `{one.load_default}`." if one.load_default is not missing else ""
        yield f"| `{key}` | {_kind(one)} | {meaning}{default}{needed} |"
    for path, inner in nested:
        yield from _section(path, inner, path)


def _nested(one: fields.Field[Any]) -> Schema | None:
    if isinstance(one, OneOrMany):
        return _nested(one.inner)
    return one.schema if isinstance(one, fields.Nested) else None


def _kind(one: fields.Field[Any]) -> str:
    """Name what a field takes in a word or two."""
    match one:
        case OneOrMany():
            return f"{_kind(one.inner)}, or a list"
        case grammar_fields.Expression():
            return "path or JMESPath"
        case grammar_fields.Wording():
            return "template"
        case grammar.CommentsField():
            return "true, false or mapping"
        case grammar.BrakeField():
            return "mapping or `off`"
        case grammar_fields.Poll():
            return "time span, `off`, or mapping with `cron`"
        case grammar_fields.Teams():
            return "name, a list, or mapping"
        case Duration():
            return "time span"
        case SecretField():
            return "`env:NAME` or `file:/path`"
        case grammar_fields.Version():
            return "1"
        case Flag() | fields.Boolean():
            return "true or false"
        case Count():
            return f"{one.least} to {one.most}"
        case fields.Enum():
            return " or ".join(f"`{member.value}`" for member in one.enum)
        case Table() | fields.Nested() | fields.Mapping() | grammar_fields.EndField() | grammar_fields.BackRule():
            return "mapping"
        case fields.Integer():
            return "whole number"
        case fields.Float():
            return "number"
        case fields.Date():
            return "date"
        case fields.List():
            return "list"
        case Name():
            return "name"
        case fields.String():
            choices = _choices(one).get("enum")
            return " or ".join(f"`{choice}`" for choice in choices) if choices else "text"
        case _:
            return "any value"
