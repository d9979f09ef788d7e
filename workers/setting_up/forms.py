"""Turn a system's own declarations into what is asked for: a form, whatever the system.

The members that a form has are those of an example (`System.ways`, `System.example`); what each is for, how it is
checked and which list it is chosen from stands in the schema that loads it.  So a new system needs no code here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from connector.declare import Flag, OneOrMany, SecretField, chosen_from

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Blank:
    """One thing to fill in; ``path`` leads to it, such as ("auth", "token").

    ``variable`` is the environment variable of a credential, "" for anything else.  ``group`` is the optional
    member that it belongs to, "" where it is needed.
    """

    path: Path
    field: fields.Field[Any]
    example: Any
    variable: str = ""
    group: str = ""

    @property
    def name(self) -> str:
        """What the configuration calls it."""
        return ".".join(self.path)

    @property
    def meaning(self) -> str:
        """What it is for, in a sentence."""
        return str(self.field.metadata.get("description", ""))

    @property
    def many(self) -> bool:
        """Whether it may hold several values."""
        return isinstance(self.field, OneOrMany)

    @property
    def chosen(self) -> tuple[str, str] | None:
        """The list that it is chosen from and the word of a row that is meant; None where it is typed."""
        return chosen_from(self.field)

    def objection(self, text: str) -> str:
        """Say what is wrong with an answer, "" where nothing is."""
        if not text:
            return "" if self.group else "is needed"
        return "" if self.variable else objection(self.field, text)


def blanks(schema: type[Schema], example: Mapping[str, Any], *, name: str, system: str) -> Iterator[Blank]:
    """Yield what is to be filled in for the members of an example; ``name`` is that of the connection.

    A value out of a closed vocabulary is no question: the example decides it.
    """
    for path, field, value, group in _leaves(schema(), example):
        if not _closed(field):
            variable = ""
            if isinstance(value, str) and value.startswith("env:") and _is_secret(field):
                variable = variable_for(value.removeprefix("env:"), name, system)
            yield Blank(path, field, value, variable, group)


def _leaves(
    schema: Schema, example: Mapping[str, Any], above: Path = (), group: str = ""
) -> Iterator[tuple[Path, fields.Field[Any], Any, str]]:
    for key, value in example.items():
        field = member(schema, key)
        if isinstance(field, fields.Nested) and isinstance(value, Mapping):
            yield from _leaves(field.schema, value, (*above, key), group or ("" if field.required else key))
        elif field is not None:
            yield (*above, key), field, value, group


def settled(schema: type[Schema], example: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an example says of closed vocabularies: it is written as it stands."""
    made = schema()
    found = {key: (member(made, key), value) for key, value in example.items()}
    return {key: value for key, (field, value) in found.items() if field is not None and _closed(field)}


def variable_for(variable: str, name: str, system: str) -> str:
    """Name the variable of a credential after its connection.

    >>> variable_for("JIRA_TOKEN", "jira-eu", "jira"), variable_for("JIRA_TOKEN", "jira", "jira")
    ('JIRA_EU_TOKEN', 'JIRA_TOKEN')
    """
    upper = system.upper().replace("-", "_")
    rest = variable.removeprefix(f"{upper}_")
    return variable if name == system else f"{re.sub('[^A-Z0-9]', '_', name.upper())}_{rest}"


def member(schema: Schema, key: str) -> fields.Field[Any] | None:
    """Return the field that loads a key."""
    return next((one for name, one in schema.load_fields.items() if (one.data_key or name) == key), None)


def field_at(schemas: tuple[type[Schema], ...], path: Path) -> fields.Field[Any] | None:
    """Return the field that a path leads to in one of several schemas that share a mapping; None where none does."""
    for schema in schemas:
        at: Schema | None = schema()
        found: fields.Field[Any] | None = None
        for key in path:
            found = member(at, key) if at is not None else None
            at = found.schema if isinstance(found, fields.Nested) else None
        if found is not None and at is None:
            return found
    return None


def objection(field: fields.Field[Any], text: str) -> str:
    """Say what a field has against a text, "" where nothing."""
    try:
        field.deserialize(value_of(field, text))
    except ValidationError as error:
        return "; ".join(_words(error.messages))
    except ValueError as error:
        return str(error)
    return ""


def value_of(field: fields.Field[Any], text: str) -> Any:
    """Return what a text stands for in YAML, for a field; raises ValueError."""
    if isinstance(field, OneOrMany):
        return [value_of(field.inner, one.strip()) for one in text.split(",") if one.strip()]
    if isinstance(field, fields.Integer):
        return int(text) if re.fullmatch(r"-?\d{1,18}", text) else text
    if isinstance(field, fields.Boolean | Flag):
        return {"true": True, "false": False}.get(text.lower(), text)
    return text


def _closed(field: fields.Field[Any]) -> bool:
    return isinstance(field, fields.Enum) or any(isinstance(one, validate.OneOf) for one in field.validators)


def _is_secret(field: fields.Field[Any]) -> bool:
    return isinstance(field.inner if isinstance(field, OneOrMany) else field, SecretField)


def _words(messages: Any) -> Iterator[str]:
    match messages:
        case str():
            yield messages
        case Mapping():
            for one in messages.values():
                yield from _words(one)
        case list():
            for one in messages:
                yield from _words(one)


# --- documents -------------------------------------------------------------------------------------------------
def put(document: dict[str, Any], path: Path, value: Any) -> None:
    """Put a value into a document, below the mappings that lead there."""
    *above, last = path
    at = document
    for key in above:
        at = at.setdefault(key, {})
    at[last] = value


def got(document: Mapping[str, Any], path: Path) -> Any:
    """Return what stands at a path of a document, None where nothing does."""
    at: Any = document
    for key in path:
        at = at.get(key) if isinstance(at, Mapping) else None
    return at
