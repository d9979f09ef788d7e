"""Check the arguments that a user gives to a transform against its signature, before any event."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, Final, Literal

from connector.declare import near

Transform = Callable[..., Callable[[Any], Any]]

MOST_ARGUMENT: Final = 1_000
"""Characters of one argument: nothing a person writes into a mapping is longer."""

FIRST: Final = ""
"""The name under which ``{join: ", "}`` gives the first argument without naming it."""


def made(name: str, given: Mapping[str, Any], transforms: Mapping[str, Transform]) -> Callable[[Any], Any]:
    """Make the step that ``name`` and its arguments ask for; raises ValueError that says what is wrong."""
    transform = transforms.get(name)
    if transform is None:
        raise ValueError(f"there is no transform {name!r}{near(name, transforms)}")
    parameters = inspect.signature(transform).parameters
    types = typing.get_type_hints(transform)
    wanted = dict(given)
    if FIRST in wanted:
        if not parameters:
            raise ValueError(f"{name} takes no arguments")
        wanted[next(iter(parameters))] = wanted.pop(FIRST)
    for key, value in wanted.items():
        if key not in parameters:
            raise ValueError(f"{name} has no argument {key!r}{near(key, parameters)}")
        _check(f"{name}: {key}", value, types[key])
    lacking = [key for key, one in parameters.items() if one.default is one.empty and key not in wanted]
    if lacking:
        raise ValueError(f"{name} needs {', '.join(lacking)}")
    try:
        return transform(**wanted)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def described(kind: Any) -> str:
    """Name a type as people do."""
    if typing.get_origin(kind) is Literal:
        return " or ".join(str(word) for word in typing.get_args(kind))
    names = {str: "text", int: "a whole number", bool: "true or false"}
    origin = typing.get_origin(kind) or kind
    if origin is Sequence:
        return "a list"
    return "a mapping" if origin is Mapping else names.get(kind, "any value")


def _check(what: str, value: Any, kind: Any) -> None:
    if not _fits(value, kind):
        raise ValueError(f"{what} must be {described(kind)}, not {_short(value)}")
    if isinstance(value, str) and len(value) > MOST_ARGUMENT:
        raise ValueError(f"{what} is longer than {MOST_ARGUMENT} characters")


def _fits(value: Any, kind: Any) -> bool:
    if kind is Any:
        return isinstance(value, str | int | float | bool | NoneType | list | Mapping)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return value in inner
    if origin is Sequence:
        return isinstance(value, list | tuple) and all(_fits(item, inner[0]) for item in value)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(item, inner[1]) for item in value.values())
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _short(value: Any) -> str:
    return repr(value)[:60]
