"""Turn a two-way connector round: what it is as seen from its target, or why a field cannot flow back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from connector.config import Comments, Connector, End, When
from connector.lookup import names
from connector.mapping import Direction, Rule

_PLAIN: Final = re.compile(r"[a-z_]+\Z")


def turned(
    connector: Connector,
    *,
    source: End,
    target: End,
    rules: tuple[Rule, ...],
    when: When,
    creates: bool,
) -> Connector:
    """Return the connector with its other face: ``source`` reads its target, ``target`` writes to its source."""
    comments = connector.comments if connector.comments.both else Comments()
    back = replace(
        connector,
        source=source,
        target=target,
        mapping=rules,
        when=when,
        creates=creates,
        comments=comments,
        relates=False,
        messages=(),
        references=None,
        turned=True,
    )
    ahead = tuple(rule for rule in connector.mapping if rule.direction is not Direction.FROM)
    returns = tuple(rule for rule in connector.mapping if rule.direction is Direction.FROM)
    return replace(connector, mapping=ahead, returns=returns, back=back)


def turned_rules(
    rules: Iterable[Rule],
    here: Mapping[str, str],
    there: Mapping[str, str],
    wrong: Callable[[Rule, str], None],
) -> tuple[Rule, ...]:
    """Return the rules for the way back: each writes the field of the source that the rule in its ``back`` reads.

    ``here`` and ``there`` are `Target.speaks` of the source's and of the target's system.  ``wrong(rule, why)`` is
    told of every rule that says it flows back and cannot.
    """
    found = []
    for rule in rules:
        if rule.direction is Direction.TO:
            continue
        try:
            found.append(_turned_rule(rule, here, there))
        except ValueError as error:
            wrong(rule, f"it cannot flow back: {error}; say direction: '->' where it flows one way only")
    return tuple(found)


def key_of(name: str, speaks: Mapping[str, str]) -> str:
    """Return the vocabulary key of a field as a user wrote it; "" where the vocabulary has no word for it."""
    word = _folded(name)
    return next((key for key, native in speaks.items() if word in (_folded(native), _folded(key))), "")


def _turned_rule(rule: Rule, here: Mapping[str, str], there: Mapping[str, str]) -> Rule:
    if not _PLAIN.match(rule.path) or rule.path not in here:
        message = f"{rule.path or 'what it is made of'!r} is no field that the source takes ({', '.join(sorted(here))})"
        raise ValueError(message)
    key = (rule.back.path if rule.back else "") or key_of(rule.target, there)
    if not key:
        known = ", ".join(sorted({*there, *there.values()}))
        message = f"events do not tell of {rule.target!r}; they tell of {known}"
        raise ValueError(message)
    if rule.back is not None:
        return replace(rule.back, target=here[rule.path], path=key, open=True, back=rule)
    for part, said in (("first", rule.first), ("transform", rule.steps), ("when", rule.when)):
        if said:
            message = f"nobody can tell what `{part}` made its value from"
            raise ValueError(message)
    table = _inverted(rule.table, "map") if rule.table is not None else None
    people = _inverted(rule.people, "people") if rule.people is not None else None
    # What the way back does not know leaves the source alone: it has no word for it, and nothing is wrong.
    return Rule(here[rule.path], path=key, table=table, people=people, open=True, back=rule)


def _inverted(table: Mapping[str, Any], what: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            word = next((str(value[name]) for name in ("status", "value", "name", "state") if value.get(name)), "")
        else:
            word = "" if value is None else names(value)[0]
        if not word:
            message = f"{what} cannot be turned round: {key!r} becomes nothing; say back: {{...}}"
            raise ValueError(message)
        if (other := found.get(word)) is not None and other != key:
            message = f"{what} cannot be turned round: {other!r} and {key!r} both become {word!r}; say back: {{...}}"
            raise ValueError(message)
        found[word] = key
    return found


def _folded(name: str) -> str:
    return name.casefold().replace(" ", "").replace("_", "").replace("-", "")
