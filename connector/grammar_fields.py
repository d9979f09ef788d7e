"""Load the small values of the grammar: kinds, expressions, templates, patterns, transforms, ends."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar

from marshmallow import ValidationError, fields, post_load, validate

from connector.declare import Declaration, Duration, Known, Name, OneOrMany, Table, Word, near
from connector.event import Kind
from connector.expression import compile_read, heads
from connector.mapping import NAMES, Rule, Step
from connector.schedule import (
    Cron,
    Span,
    Window,
    check_cron,
    check_zone,
    clock_of,
    days_of,
    is_moment,
    moment_of,
)
from connector.transforms.steps import pattern_of
from connector.wording import compile_wording

_GROUPS: Final = {f"{kind.value.partition('.')[0]}.*" for kind in Kind if kind is not Kind.OTHER}


def _checked(check: Callable[[str], object]) -> Callable[[str], None]:
    """Make a marshmallow validator of a function that raises ValueError."""

    def validated(text: str) -> None:
        try:
            check(text)
        except ValueError as error:
            raise ValidationError(str(error)) from error

    return validated


class Expression(Word):
    """A path (``raw.issue.milestone.title``) or any other JMESPath expression over the event."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(validate=_checked(_check_expression), **kw)


def _check_expression(text: str) -> None:
    """Refuse also what nobody fills: ``titel`` would leave its field alone for ever, and say nothing."""
    compile_read(text)
    for name in sorted(heads(text) - NAMES):
        raise ValueError(f"there is no {name!r}{near(name, NAMES)} (fields of the vendor are below raw)")


class Wording(Word):
    """A Jinja template of Markdown."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(validate=_checked(compile_wording), **kw)


class Pattern(Word):
    """A pattern of RE2."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(validate=_checked(pattern_of), **kw)


class Kinds(OneOrMany):
    """Kinds of events: ``issue.updated``, or ``issue.*`` for all of a group."""

    def __init__(self, **kw: Any) -> None:
        words = sorted({kind.value for kind in Kind if kind is not Kind.OTHER} | _GROUPS)
        super().__init__(Word(validate=Known(words)), **kw)

    def _deserialize(self, *args: Any, **kw: Any) -> Any:
        chosen: set[Kind] = set()
        for word in super()._deserialize(*args, **kw):
            group, _, rest = word.partition(".")
            chosen |= {
                kind for kind in Kind if kind.value == word or (rest == "*" and kind.value.startswith(f"{group}."))
            }
        return frozenset(chosen)


class Words(OneOrMany):
    """One word or several, as a set."""

    def __init__(self, *, only: frozenset[str] = frozenset(), **kw: Any) -> None:
        self.only = only
        check = Known(sorted(only)) if only else validate.Length(1, 255)
        super().__init__(Word(validate=check), **kw)

    def _deserialize(self, *args: Any, **kw: Any) -> Any:
        return frozenset(super()._deserialize(*args, **kw))


class Addresses(OneOrMany):
    """Networks like ``10.0.0.0/8``."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(Word(validate=_checked(ipaddress.ip_network)), **kw)


class Anything(fields.Field[Any]):
    """Any JSON value, null included."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(allow_none=True, **kw)


class Steps(OneOrMany):
    """Transforms in order: ``lower``, ``{truncate: {length: 80}}`` or ``{join: ", "}``."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(_StepField(), **kw)


class _StepField(fields.Field[Step]):
    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Step:
        match value:
            case str():
                return Step(value)
            case {**one} if len(one) == 1:
                name, given = next(iter(one.items()))
                return Step(str(name), given if isinstance(given, dict) else {"": given})
        message = "must be a name (lower), or one name with its arguments ({truncate: {length: 80}})"
        raise ValidationError(message)


class CronSchema(Declaration):
    """``poll: {cron: "*/10 8-18 * * mon-fri", zone: Europe/Berlin}``."""

    makes = Cron
    text = Word(
        required=True,
        data_key="cron",
        validate=_checked(check_cron),
        metadata={"description": "Minute, hour, day, month and day of the week, as Debian's cron reads them."},
    )
    zone = Word(validate=_checked(check_zone), metadata={"description": "Whose time it is (default UTC)."})


class Poll(Duration):
    """A time span, ``off``, or a cron expression with its zone."""

    def _deserialize(self, value: Any, *args: Any, **kw: Any) -> Any:
        if isinstance(value, dict):
            return CronSchema().load(value)
        return timedelta(0) if value == "off" else super()._deserialize(value, *args, **kw)


class WindowSchema(Declaration):
    """``quiet:``: a part of the day that comes back."""

    start = Word(required=True, data_key="from", metadata={"description": "When it begins: 22:00."})
    end = Word(required=True, data_key="to", metadata={"description": "When it ends: 06:00 (the next day), or 24:00."})
    zone = Word(validate=_checked(check_zone), metadata={"description": "Whose time it is (default UTC)."})
    days = OneOrMany(Word(), metadata={"description": "The days on which it begins: mon-fri, sat (default: all)."})

    @post_load
    def _make(self, loaded: dict[str, Any], **_: Any) -> Window | Span:
        return _window(loaded)


def _window(loaded: Mapping[str, Any]) -> Window:
    start, end = (_read("from", clock_of, loaded["start"]), _read("to", clock_of, loaded["end"]))
    if start == end:
        message = "must differ from `from`; a whole day is 00:00 to 24:00"
        raise ValidationError(message, "to")
    if start >= timedelta(hours=24):
        message = "must be before 24:00"
        raise ValidationError(message, "from")
    more = {"days": _read("days", days_of, loaded["days"])} if "days" in loaded else {}
    return Window(start, end, loaded.get("zone", "UTC"), **more)


class MaintenanceSchema(WindowSchema):
    """``maintenance:``: a part of the day that comes back, or one that comes once."""

    start = Word(
        required=True, data_key="from", metadata={"description": "When it begins: 22:00, or once: 2027-01-16 22:00."}
    )
    end = Word(
        required=True, data_key="to", metadata={"description": "When it ends: 04:00, or once: 2027-01-17 04:00."}
    )

    @post_load
    def _make(self, loaded: dict[str, Any], **_: Any) -> Window | Span:
        once = [is_moment(loaded[key]) for key in ("start", "end")]
        if not any(once):
            return _window(loaded)
        if not all(once):
            message = "must be written like `from`: both with a day, or both without"
            raise ValidationError(message, "to")
        if "days" in loaded:
            message = "cannot be given where `from` and `to` name a day"
            raise ValidationError(message, "days")
        zone = loaded.get("zone", "UTC")
        start, end = (_read(key, lambda text: moment_of(text, zone), loaded[at]) for key, at in _ENDS)
        if end <= start:
            message = "must be after `from`"
            raise ValidationError(message, "to")
        return Span(start, end)


_Read = TypeVar("_Read")
_ENDS: Final = (("from", "start"), ("to", "end"))


def _read(key: str, read: Callable[[Any], _Read], text: Any) -> _Read:
    try:
        return read(text)
    except ValueError as error:
        raise ValidationError(str(error), key) from error


class Teams(fields.Field[Mapping[str, Mapping[str, tuple[str, ...]]]]):
    """Names of teams, or a mapping from them to what each may use: ``{payments: {projects: [PAY]}, web: {}}``."""

    def _deserialize(self, value: Any, *args: Any, **kw: Any) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        if not isinstance(value, dict):
            names: tuple[str, ...] = OneOrMany(Name()).deserialize(value, *args, **kw)
            return {name: {} for name in names}
        OneOrMany(Name()).deserialize(list(value), *args, **kw)
        return Table(_Allowed()).deserialize(value, *args, **kw) or {}


class _Allowed(fields.Field[Mapping[str, tuple[str, ...]]]):
    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Mapping[str, tuple[str, ...]]:
        if value == {}:
            return {}
        if not isinstance(value, dict):
            message = "must be a mapping ({projects: [PAY]}), or {} for all of the connection"
            raise ValidationError(message)
        names = OneOrMany(Word(validate=validate.Length(1, 255)))
        return Table(names).deserialize(value) or {}


class Version(fields.Field[int]):
    """The version of the grammar: 1."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if value != 1 or isinstance(value, bool):
            message = "must be 1, the only version there is"
            raise ValidationError(message)
        return 1


class BackRule(fields.Field[Rule]):
    """The way back of a rule: a table of the target's values, or {from: what is read of the target, map or people}."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> Rule:
        if not isinstance(value, dict) or "from" not in value:
            return Rule("", table=Table(Anything()).deserialize(value))
        if unknown := sorted(value.keys() - {"from", "map", "people"}):
            raise ValidationError({str(name): ["Unknown field."] for name in unknown})
        if {"map", "people"} <= value.keys():
            message = "give only one of map and people"
            raise ValidationError(message)
        path = str(Expression().deserialize(value["from"], attr, data, **kw))
        table = Table(Anything()).deserialize(value["map"]) if "map" in value else None
        people = Table(Word()).deserialize(value["people"]) if "people" in value else None
        return Rule("", path=path, table=table, people=people)


class EndField(fields.Field[Mapping[str, Any]]):
    """``from:`` or ``to:``: a connection, and what its system wants to know."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict) or not isinstance(value.get("connection"), str):
            message = "must name a connection: {connection: NAME, ...}"
            raise ValidationError(message)
        return value
