"""Let one declaration give a schema, its checks, a JSON Schema for editors and reference docs.

A declaration is a marshmallow schema whose fields carry ``metadata={"description": ...}``; what it
loads is a frozen dataclass named by ``makes``.  Unknown keys are refused.  ``"chosen": (list, word)`` in the
metadata (`chosen_from`) says that the value is best chosen from a list of the system (`connector.listed`), and
which of a row's ``id``, ``name`` or ``key`` it is.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from connector.ports import SecretRef

NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
"""What connectors, connections, teams and instances may be called; safe in keys, queues and URLs."""

_DURATION: Final = re.compile(r"(\d{1,9})(ms|s|m|h|d)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def near(word: str, known: Iterable[str]) -> str:
    """Suggest the known word that is nearest, or list them all."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""


class Declaration(Schema):
    """A schema that refuses unknown keys and loads into the dataclass ``makes``."""

    makes: ClassVar[Callable[..., Any] | None] = None

    class Meta:
        """Refuse what is not declared: a typing error must not be a silent default."""

        unknown = RAISE

    @post_load
    def _make(self, loaded: dict[str, Any], **_: Any) -> Any:
        makes = type(self).makes
        return loaded if makes is None else makes(**loaded)

    def handle_error(self, error: ValidationError, data: Any, *, many: bool, **kwargs: Any) -> None:
        """Say in a person's words what marshmallow says in its own, and suggest what was meant."""
        del data, many, kwargs
        if isinstance(error.messages, dict):
            known = [one.data_key or name for name, one in self.load_fields.items()]
            for key, told in error.messages.items():
                unknown = f"unknown key{near(str(key), known)}"
                error.messages[key] = [unknown] if told == [_UNKNOWN] else _plain(told)


def _plain(told: Any) -> Any:
    match told:
        case str():
            return _PLAIN.get(told, told.replace("Must be ", "must be "))
        case list():
            return [_plain(one) for one in told]
        case dict():
            return {key: _plain(one) for key, one in told.items()}
        case _:
            return told


_UNKNOWN: Final = "Unknown field."
_PLAIN: Final = {
    "Missing data for required field.": "is required",
    "Field may not be null.": "must not be empty",
    "Invalid input type.": "must be a mapping (key: value)",
    "Not a valid integer.": "must be a whole number",
    "Not a valid number.": "must be a number",
    "Not a valid boolean.": "must be true or false (yes, no, on and off are words in YAML 1.2)",
    "Not a valid list.": "must be a list",
    "Not a valid mapping type.": "must be a mapping (key: value)",
    "Not a valid string.": "must be text; put it in quotes",
    "Not a valid date.": "must be a date like 2027-05-01",
}
"""Marshmallow 4's messages and ours."""


class Name(fields.String):
    """A name as `NAME` allows it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            validate=validate.Regexp(
                re.compile(rf"{NAME.pattern}\Z"),
                error="must start with a letter and hold only a-z, 0-9 and -, at most 40 characters",
            ),
            **kwargs,
        )


class Word(fields.String):
    """A string; a number or boolean in YAML is refused with a hint to quote it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kw: Any) -> str:
        if not isinstance(value, str):
            message = f"must be text; put it in quotes: {value!r}"
            raise ValidationError(message)
        return super()._deserialize(value, attr, data, **kw)


class Flag(fields.Field[bool]):
    """``true`` or ``false`` and nothing that looks like them."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool):
            message = "Not a valid boolean."
            raise ValidationError(message)
        return value


class Count(fields.Field[int]):
    """A whole number between two bounds."""

    def __init__(self, *, least: int, most: int, **kw: Any) -> None:
        super().__init__(**kw)
        self.least, self.most = least, most

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value <= self.most:
            message = f"must be a whole number between {self.least} and {self.most}"
            raise ValidationError(message)
        return value


class Table(fields.Field[Mapping[str, Any]]):
    """A mapping from text to what ``inner`` loads, of at most ``most`` entries."""

    def __init__(self, inner: fields.Field[Any], *, most: int = 10_000, **kw: Any) -> None:
        super().__init__(**kw)
        self.inner, self.most = inner, most

    def _deserialize(self, value: Any, *_: Any, **kw: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            message = "must be a mapping (key: value) with at least one entry"
            raise ValidationError(message)
        if len(value) > self.most:
            message = f"must not have more than {self.most} entries"
            raise ValidationError(message)
        loaded, wrong = {}, {}
        for key, one in value.items():
            try:
                loaded[key] = self.inner.deserialize(one, key, value, **kw)
            except ValidationError as error:
                wrong[key] = error.messages
        if wrong:
            raise ValidationError(wrong)
        return loaded


class Known(validate.OneOf):
    """One of a list of words; a near miss gets a suggestion."""

    def _format_error(self, value: Any) -> str:
        return f"there is no {value!r} here{near(str(value), map(str, self.choices))}"


def spoken(span: timedelta) -> str:
    """Write a time span as `Duration` reads it.

    >>> spoken(timedelta(hours=36)), spoken(timedelta(milliseconds=100))
    ('36h', '100ms')
    """
    left = round(span.total_seconds() * 1000)
    for unit, seconds in reversed(_UNITS.items()):
        size = round(seconds * 1000)
        if left and left % size == 0:
            return f"{left // size}{unit}"
    return "0s"


class Duration(fields.Field[timedelta]):
    """A time span such as ``90s``, ``15m``, ``24h`` or ``30d``."""

    def __init__(self, *, least: timedelta = timedelta(0), most: timedelta = timedelta(days=3660), **kw: Any) -> None:
        super().__init__(**kw)
        self.least, self.most = least, most

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> timedelta:
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            message = f"must be a time span like 90s, 15m, 24h or 30d, not {value!r}"
            raise ValidationError(message)
        span = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
        if not self.least <= span <= self.most:
            message = f"must lie between {spoken(self.least)} and {spoken(self.most)}"
            raise ValidationError(message)
        return span


class SecretField(fields.Field[SecretRef]):
    """A reference to a credential, ``env:NAME`` or ``file:/path``; never the credential itself."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> SecretRef:
        scheme, _sep, name = value.partition(":") if isinstance(value, str) else ("", "", "")
        if scheme not in {"env", "file"} or not name:
            # The value is not repeated: it may be the very credential somebody pasted here.
            message = "must be a reference, env:NAME or file:/path, never the secret itself"
            raise ValidationError(message)
        if scheme == "env" and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            message = "env: must be followed by the name of an environment variable"
            raise ValidationError(message)
        return SecretRef(scheme, name)


class OneOrMany(fields.Field[tuple[Any, ...]]):
    """One value or a list of them; loads a tuple."""

    def __init__(self, inner: fields.Field[Any], **kw: Any) -> None:
        super().__init__(**kw)
        self.inner = inner

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kw: Any) -> tuple[Any, ...]:
        many = value if isinstance(value, list) else [value]
        if not many:
            message = "must not be empty"
            raise ValidationError(message)
        loaded, wrong = [], {}
        for number, one in enumerate(many):
            try:
                loaded.append(self.inner.deserialize(one, attr, data, **kw))
            except ValidationError as error:
                wrong[number] = error.messages
        if wrong:
            raise ValidationError(wrong if isinstance(value, list) else wrong[0])
        return tuple(loaded)


def chosen_from(one: fields.Field[Any]) -> tuple[str, str] | None:
    """Return the list that a field's values are chosen from, and the word of a row that is meant; None without."""
    found = one.metadata.get("chosen") or (one.inner.metadata.get("chosen") if isinstance(one, OneOrMany) else None)
    return None if found is None else (found[0], found[1])


def flattened(
    messages: Any, value: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Flatten marshmallow's nested messages into (path, message).

    Steps that marshmallow adds and the file does not have (``_schema``, ``key`` and ``value`` of a
    mapping) are left out.
    """
    match messages:
        case dict():
            for key, inner in messages.items():
                extra = key == "_schema" or (key in {"key", "value"} and not (isinstance(value, dict) and key in value))
                if extra:
                    yield from flattened(inner, value, path)
                else:
                    yield from flattened(inner, _below(value, key), (*path, key))
        case list():
            for one in messages:
                if isinstance(one, str):
                    yield path, one
                else:
                    yield from flattened(one, value, path)
        case _:
            yield path, str(messages)


def _below(value: Any, key: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return None
