"""Tell from a connector alone what it will need of its target.

Nothing is asked here: what the target really offers is judged by its system (`Target.examine`).  Of a two-way
connector each face has needs of its own (`connector.facing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from connector.config import Connector
from connector.errors import Rejected
from connector.event import Text
from connector.examining import Fed, Finding, Gives, Level, Named, Needs, Path
from connector.mapping import MISSING, Direction, Rule, Step
from connector.ports import Site
from connector.system import Target

_GIVES: Final[Mapping[str, Gives]] = {
    **dict.fromkeys(("title", "branch"), Gives.LINE),
    **dict.fromkeys(("body", "comment.body"), Gives.TEXT),
    **dict.fromkeys(("state", "state_category", "state_reason", "priority", "type", "milestone"), Gives.WORD),
    **dict.fromkeys(("project", "key", "kind", "entity.key", "entity.scope"), Gives.WORD),
    **dict.fromkeys(("assignee.name", "assignee.login", "assignee.email", "reporter.name"), Gives.WORD),
    **dict.fromkeys(("reporter.login", "reporter.email", "actor.name", "actor.login"), Gives.WORD),
    **dict.fromkeys(("url", "entity.url", "comment.url"), Gives.ADDRESS),
    **dict.fromkeys(("assignee", "reporter", "actor", "comment.author"), Gives.PERSON),
    **dict.fromkeys(("created", "updated", "at"), Gives.TIME),
    **dict.fromkeys(("merged", "draft"), Gives.FLAG),
    "labels": Gives.WORDS,
    "assignees": Gives.PEOPLE,
    "number": Gives.NUMBER,
    "due": Gives.DATE,
}
"""What the vocabulary of `connector.event` holds under a path; any other path is `Gives.ANYTHING`."""

_ALWAYS: Final = frozenset({"title", "key", "url", "kind", "at", "state", "created", "updated", "entity.key"})
"""Paths that every event of an item fills."""

_ITEM_OF: Final = {Gives.WORDS: Gives.WORD, Gives.PEOPLE: Gives.PERSON}
_KEEPS: Final = frozenset({"lower", "upper", "title", "strip", "prefix", "suffix", "default_if_empty"})
_LISTS: Final = frozenset({"concat", "unique", "sort", "keep", "drop"})
_FLAT: Final = frozenset({Gives.WORD, Gives.WORDS, Gives.LINE})


def needs_of(connector: Connector) -> Needs:
    """Say everything that a connector will want to do in its target."""
    rules, comments = connector.mapping, connector.comments
    references = connector.references
    statuses = references.status if references is not None else {}
    return Needs(
        fields=tuple(fed_of(connector, rule) for rule in rules),
        creates=connector.creates,
        updates=bool(rules),
        comments=comments.copied or bool(connector.messages),
        edits=comments.copied and comments.edits,
        deletes=comments.copied and comments.deletes,
        relates=connector.relates or references is not None,
        statuses=tuple(Named(("references", "status", word), status) for word, status in statuses.items()),
    )


def remembering(needs: Needs, known: Mapping[Path, str]) -> Needs:
    """Return needs that tell of each value what it stood for when it was last looked at."""

    def recalled(named: tuple[Named, ...]) -> tuple[Named, ...]:
        return tuple(replace(one, was=known.get(one.path, "")) for one in named)

    fields = tuple(replace(one, named=recalled(one.named)) for one in needs.fields)
    return replace(needs, fields=fields, statuses=recalled(needs.statuses))


def fed_of(connector: Connector, rule: Rule) -> Fed:
    """Say how one field of a connector is fed; of a turned one at the place of the rule that was turned round."""
    if connector.turned:
        path = ("mapping", rule.back.target if rule.back is not None else rule.target)
        found = fed(rule)
        here = tuple(Named(path, one.value) for one in found.named)
        return replace(found, path=path, named=here, people=tuple(Named(path, one.value) for one in found.people))
    returns = connector.back is not None and rule.direction is Direction.BOTH and rule.back is None
    return fed(rule, both_ways=returns)


def fed(rule: Rule, *, both_ways: bool = False) -> Fed:
    """Say how one field is fed."""
    path = ("mapping", rule.target)
    people = tuple(Named((*path, "people", who), there) for who, there in (rule.people or {}).items())
    return Fed(
        name=rule.target,
        path=path,
        gives=_given(rule),
        named=tuple(_named(rule, path)),
        closed=_closed(rule),
        always=_always(rule),
        cut=_cut(rule.steps),
        people=people,
        both_ways=both_ways,
    )


def _named(rule: Rule, path: tuple[str, ...]) -> Iterator[Named]:
    if rule.default is not MISSING:
        yield Named((*path, "default"), rule.default)
    if rule.steps:
        return  # what the steps make of the others is not said in the file
    if rule.value is not MISSING:
        yield Named((*path, "value"), rule.value)
    for word, table in (("map", rule.table), ("first", rule.first)):
        for key, value in (table or {}).items():
            yield Named((*path, word, key), value)


def _closed(rule: Rule) -> bool:
    return not rule.steps and (rule.value is not MISSING or rule.table is not None or rule.first is not None)


def _always(rule: Rule) -> bool:
    if rule.when:
        return False
    if rule.default is not MISSING or rule.value is not MISSING:
        return rule.default is not None if rule.default is not MISSING else rule.value is not None
    if rule.first is not None or rule.people is not None:
        return False
    return bool(rule.template) or rule.path in _ALWAYS


def _given(rule: Rule) -> Gives:
    found = _read(rule)
    for step in rule.steps:
        found = _after(found, step)
    return found


def _read(rule: Rule) -> Gives:
    if rule.template:
        return Gives.WORDING
    if rule.people is not None:
        return Gives.PEOPLE if _GIVES.get(rule.path) is Gives.PEOPLE else Gives.PERSON
    if rule.value is not MISSING or rule.table is not None or rule.first is not None:
        return Gives.ANYTHING
    return _GIVES.get(rule.path, Gives.ANYTHING)


def _after(found: Gives, step: Step) -> Gives:
    """Say what a step makes of something; of a step that is not known here nothing is claimed."""
    name = step.name
    if name == "truncate":
        return found if found in _FLAT else Gives.LINE
    if name in _KEEPS:
        return Gives.LINE if found in {Gives.TEXT, Gives.WORDING} and name != "default_if_empty" else found
    if name in _LISTS:
        return found if found in {Gives.PEOPLE, Gives.ANYTHING} else Gives.WORDS
    if name in {"first", "last"}:
        return _ITEM_OF.get(found, Gives.ANYTHING)
    if name == "date":
        form = step.arguments.get("to", step.arguments.get("", "iso"))
        return {"iso": Gives.TIME, "date": Gives.DATE}.get(str(form), Gives.LINE)
    return {
        "number": Gives.NUMBER,
        "split": Gives.WORDS,
        "join": Gives.LINE,
        "yes_no": Gives.WORD,
        "slug": Gives.WORD,
        "plain": Gives.TEXT,
        "markdown": Gives.TEXT,
    }.get(name, Gives.ANYTHING)


def _cut(steps: Sequence[Step]) -> int | None:
    lengths = [step.arguments.get("length", step.arguments.get("")) for step in steps if step.name == "truncate"]
    whole = [length for length in lengths if isinstance(length, int)]
    return min(whole, default=None)


# --- for a system that examines nothing itself --------------------------------------------------------------
_GUESSES: Final[tuple[Any, ...]] = (None, Text(format="plain", content="sample"), [], True)
"""Values for a field whose value only an event can tell."""


def by_shape(target: Target, site: Site, settings: Any, needs: Needs) -> list[Finding]:
    """Examine a target by shaping values for it; raises what the target answers when it is asked."""
    found = []
    for field in needs.fields:
        wrong = list(_refusals(site, target, settings, field))
        found += wrong or [Finding(Level.OK, field.path, "exists")]
    return found


def _refusals(site: Site, target: Target, settings: Any, field: Fed) -> Iterator[Finding]:
    def refused(value: Any) -> str:
        try:
            target.shape(site, settings, {field.name: value}, None)
        except Rejected as error:
            if error.status is not None:
                raise
            return error.fields.get(field.name) or next(iter(error.fields.values()), str(error))
        return ""

    if field.named:
        for one in field.named:
            if text := refused(one.value):
                yield Finding(Level.PROBLEM, one.path, text, cause="value")
        return
    said = [refused(guess) for guess in _GUESSES]
    # What is said whatever the value is about the field itself.
    if said[0] and len(set(said)) == 1:
        yield Finding(Level.PROBLEM, field.path, said[0], cause="field")
