"""Turn the fields of an event into the wanted values of a target.

Order within a rule: ``when``, then what is read (``path``, ``template`` or ``value``), then what it
is looked up in (``people``, ``table`` or ``first``), then the transforms, then ``default``.

Two kinds of nothing: what the source *did not say* leaves the target's field alone, what it *knows
to be empty* clears it.  ``default`` stands in for both.  All values that cannot be are collected, so
that a person mends a mapping once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from connector import arguments
from connector.errors import Rejected
from connector.event import Event, Text
from connector.expression import MISSING, Read, compile_condition, compile_read
from connector.lookup import Known, Left, Part, Run, looking_up, looking_up_people, taking_first

__all__ = [
    "MISSING",
    "NAMES",
    "Direction",
    "Mapped",
    "Policy",
    "Render",
    "Rule",
    "Step",
    "apply",
    "compile_rules",
    "spoken_of",
    "view",
]

NAMES: Final = frozenset(
    {
        *("title", "body", "state", "state_category", "state_reason", "labels", "assignee", "assignees"),
        *("reporter", "priority", "type", "milestone", "project", "key", "number", "url", "created"),
        *("updated", "merged", "draft", "branch", "due", "comment"),
        *("kind", "at", "actor", "entity", "change", "raw", "connector"),
    }
)
"""What expressions and templates may speak of: the vocabulary of `connector.event` and what `view` adds."""

_WORD: Final = re.compile(r"[a-z_]+")

Render = Callable[[str, Mapping[str, Any]], Any]
"""Renders a template over a view into a `Text`; raises `Rejected`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One named pure transform with its arguments, as in ``transform: [{truncate: {length: 200}}]``."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Direction(StrEnum):
    """Which way a field flows in a two-way connector; ``from:`` is on the left, ``to:`` on the right."""

    TO = "->"
    FROM = "<-"
    BOTH = "<->"


class Policy(StrEnum):
    """What happens where both sides changed a field: a side wins, the newer one, both (lists), or a person decides."""

    FROM = "from"
    TO = "to"
    NEWEST = "newest"
    UNION = "union"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Rule:
    """How one target field is fed: read (``path``, JMESPath, or ``template``), transform, look up, default.

    ``table`` is a closed lookup: a value it lacks is an error unless ``default`` is given.  ``first``
    takes the first of *its* entries that the source's list holds, so the order written is the order of
    precedence.  ``people`` maps a person of the source (id, login or e-mail) to one of the target; an
    unknown person leaves the field alone and is reported.  ``when`` is a JMESPath condition: false
    leaves the field alone.  ``value`` is a literal.

    ``direction``, ``policy`` and ``back`` are for two-way connectors: which way the field flows, what decides a
    conflict (None: as the connector says), and the rule for the way back where this one cannot be turned round.
    A value that the table of an ``open`` rule lacks leaves the field alone.
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
    value: Any = MISSING
    direction: Direction = Direction.BOTH
    policy: Policy | None = None
    back: Rule | None = None
    open: bool = False


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a mapping made of an event.

    ``values`` are the wanted target fields (JSON, or `event.Text`); ``absent`` tells per field why it
    is left alone; ``losses`` what could not be carried.
    """

    values: Mapping[str, Any]
    absent: Mapping[str, str] = field(default_factory=dict)
    losses: tuple[str, ...] = ()


_UNSAID: Final = Left("the source does not say")
_UNMET: Final = Left("its condition is not met")

Compiled = Callable[[Mapping[str, Any]], Mapped]


@dataclass(frozen=True, slots=True)
class Tools:
    """The machinery of mappings, handed in so that planning stays a matter of values.

    ``view`` gives the names an expression can use; ``apply`` runs a mapping on a view; ``render`` a
    template; ``holds`` a JMESPath condition.
    """

    view: Callable[[Event], Mapping[str, Any]]
    apply: Callable[[tuple[Rule, ...], Mapping[str, Any]], Mapped]
    render: Callable[[str, Mapping[str, Any]], Text]
    holds: Callable[[str, Mapping[str, Any]], bool]


def spoken_of(rules: Iterable[Rule], names: Iterable[str]) -> frozenset[str]:
    """Return the target fields whose rules read one of ``names``, or what is told of it besides.

    ``state_category`` and ``state_reason`` are told of ``state``.  Judged by the words of a rule, so rather
    one too many than one too few.
    """
    changed = tuple(names)
    found = set()
    for rule in rules:
        words = _WORD.findall(f"{rule.path} {rule.template} {rule.when}")
        if any(
            word == name or word.startswith(f"{name}_") or name.startswith(f"{word}_")
            for word in words
            for name in changed
        ):
            found.add(rule.target)
    return frozenset(found)


def view(event: Event, **more: Any) -> dict[str, Any]:
    """Show an event to expressions and templates: its vocabulary, and what is known around it.

    On top of the vocabulary stand ``kind``, ``at`` (ISO 8601), ``actor``, ``entity`` {type, id, key,
    url, scope}, ``change``, ``raw``, and ``more`` (``connector``).  ``key`` and ``url`` fall back to
    the entity's.
    """
    entity = event.entity
    shown: dict[str, Any] = {
        "key": entity.key,
        "url": entity.url,
        **event.data,
        "kind": event.kind.value,
        "at": event.at.isoformat(),
        "entity": {
            "type": entity.type,
            "id": entity.id,
            "key": entity.key,
            "url": entity.url,
            "scope": entity.scope,
        },
        "change": event.change,
        "raw": event.raw,
        **more,
    }
    if event.actor is not None:
        shown["actor"] = event.actor
    return shown


def apply(
    rules: Sequence[Rule],
    seen: Mapping[str, Any],
    transforms: Mapping[str, arguments.Transform],
    render: Render,
) -> Mapped:
    """Map a view; raises `Rejected` whose ``fields`` name every value that cannot be.

    Rules are compiled at their first use and remembered by identity, which is what a loaded
    configuration keeps; use `compile_rules` to hold the compiled form yourself.
    """
    known = _REMEMBERED.get(id(rules))
    if known is None or known[1] is not transforms or known[2] is not render:
        if len(_REMEMBERED) >= _MOST_REMEMBERED:
            _REMEMBERED.clear()
        known = _REMEMBERED[id(rules)] = (rules, transforms, render, compile_rules(rules, transforms, render))
    return known[3](seen)


_MOST_REMEMBERED: Final = 4_096
_REMEMBERED: Final[dict[int, tuple[Sequence[Rule], Mapping[str, arguments.Transform], Render, Compiled]]] = {}
"""Keeps the rules beside what they compile to, so that an id cannot be reused while it is a key."""


def compile_rules(rules: Iterable[Rule], transforms: Mapping[str, arguments.Transform], render: Render) -> Compiled:
    """Compile a mapping once; raises ValueError for a rule that cannot be (loading reports it earlier)."""
    runs = tuple((rule.target, _compiled(rule, transforms, render)) for rule in rules)

    def mapped(seen: Mapping[str, Any]) -> Mapped:
        values: dict[str, Any] = {}
        absent: dict[str, str] = {}
        wrong: dict[str, str] = {}
        losses: list[str] = []
        for target, run in runs:
            try:
                found = run(seen)
            except Rejected as rejected:
                wrong[target] = str(rejected)
                continue
            if found is MISSING:
                found = _UNSAID
            if type(found) is Left:
                absent[target] = found.why
                if found.loss:
                    losses.append(f"{target}: {found.loss}")
            elif type(found) is Part:
                values[target] = found.kept
                losses.extend(f"{target}: {loss}" for loss in found.losses)
            else:
                values[target] = found
        if wrong:
            told = "; ".join(f"{target}: {why}" for target, why in wrong.items())
            raise Rejected(f"cannot be mapped: {told}", fields=wrong, cause=f"mapping:{next(iter(wrong))}")
        return Mapped(values, absent, tuple(losses))

    return mapped


def _compiled(rule: Rule, transforms: Mapping[str, arguments.Transform], render: Render) -> Run:
    """Build the run of one rule out of only the parts that it has."""
    run = _reading(rule, render)
    if rule.people is not None:
        run = looking_up_people(run, rule.people, rule.default)
    elif rule.table is not None:
        run = looking_up(run, rule.table, rule.default, open_=rule.open)
    elif rule.first is not None:
        run = taking_first(run, rule.first)
    if rule.steps:
        run = _transforming(run, [arguments.made(step.name, step.arguments, transforms) for step in rule.steps])
    if rule.default is not MISSING:
        run = _defaulting(run, rule.default)
    if rule.when:
        run = _asking(run, compile_condition(rule.when))
    return run


def _reading(rule: Rule, render: Render) -> Run:
    if rule.template:
        template = rule.template
        return lambda seen: render(template, seen)
    if rule.value is not MISSING:
        value = rule.value
        return lambda _seen: value
    read: Read = compile_read(rule.path)
    return read


def _asking(run: Run, true: Callable[[Mapping[str, Any]], bool]) -> Run:
    return lambda seen: run(seen) if true(seen) else _UNMET


def _defaulting(run: Run, default: Any) -> Run:
    def defaulted(seen: Mapping[str, Any]) -> Any:
        found = run(seen)
        if type(found) is Known:
            return found.value
        return default if found is MISSING or found is None or found in ("", []) or type(found) is Left else found

    return defaulted


def _transforming(run: Run, steps: Sequence[Callable[[Any], Any]]) -> Run:
    def transformed(seen: Mapping[str, Any]) -> Any:
        found = run(seen)
        if found is MISSING or type(found) in (Left, Known):
            return found
        losses: tuple[str, ...] = ()
        if type(found) is Part:
            found, losses = found.kept, found.losses
        for step in steps:
            found = step(found)
        return Part(found, losses) if losses else found

    return transformed
