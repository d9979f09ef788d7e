"""Turn the fields of an event into the wanted values of a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""The source did not say; different from None, which says *empty*."""


@dataclass(frozen=True, slots=True)
class Step:
    """One named pure transform with its arguments, as in ``transform: [{truncate: {length: 200}}]``."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """How one target field is fed: read (``path``, JMESPath, or ``template``), transform, look up, default.

    ``table`` is a closed lookup: a value it lacks is an error unless ``default`` is given.  ``first``
    picks the first of a list's values that it knows.  ``people`` maps a person of the source (id,
    login or e-mail) to one of the target.  ``when`` is a JMESPath condition: false leaves the field
    alone.
    """

    target: str
    path: str = ""
    template: str = ""
    steps: tuple[Step, ...] = ()
    table: Mapping[str, Any] | None = None
    first: Mapping[str, Any] | None = None
    people: Mapping[str, str] | None = None
    default: Any = MISSING
    when: str = ""


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a mapping made of an event.

    ``values`` are the wanted target fields (JSON, or `event.Text`); ``absent`` tells per field why it
    is left alone; ``losses`` what could not be carried.
    """

    values: Mapping[str, Any]
    absent: Mapping[str, str] = field(default_factory=dict)
    losses: tuple[str, ...] = ()
