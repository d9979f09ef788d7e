"""Suggest a line of ``mapping:`` for a field: right in form and in the names of its options, to be edited.

What the source says is guessed from the field's name; a choice that nothing in the vocabulary stands for is made
by labels.  A person's account is never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from connector.listed import Listed, Takes

MOST_OPTIONS: Final = 12
"""More than these are not written into a line."""

_FEEDS: Final = {
    "summary": "title",
    "title": "title",
    "description": "body",
    "body": "body",
    "text": "body",
    "labels": "labels",
    "assignee": "assignee",
    "assignees": "assignees",
    "reporter": "reporter",
    "priority": "priority",
    "duedate": "due",
    "milestone": "milestone",
    "statereason": "state_reason",
}
"""A field's name or id, folded -> the key of the vocabulary that feeds it."""

_BY_KIND: Final[Mapping[Takes, Any]] = {
    Takes.LINE: {"template": "{{ title }}"},
    Takes.TEXT: "body",
    Takes.NUMBER: {"value": 1},
    Takes.DATE: "due",
    Takes.TIME: "created",
    Takes.LINK: "url",
    Takes.FLAG: {"value": True},
    Takes.LABELS: "labels",
    Takes.PERSON: "assignee",
    Takes.PEOPLE: "assignees",
}
_NEAREST: Final = {"new": ("new", "active", "done"), "active": ("active", "new", "done"), "done": ("done",)}


class _Dumper(yaml.SafeDumper):
    """Quotes also what only YAML 1.2 takes for a number, such as ``1e3``."""

    def represent_word(self, word: str) -> Any:
        """Write a text."""
        number = set(word) <= set("+-.0123456789eE")
        return self.represent_scalar("tag:yaml.org,2002:str", word, style="'" if number else None)


_Dumper.add_representer(str, _Dumper.represent_word)


def lines(rows: Iterable[Listed]) -> dict[str, str]:
    """Return a line of ``mapping:`` per field id, "" where there is nothing to suggest.

    A name that several fields have is no name to map by: their ids are written then.
    """
    fields = list(rows)
    names = Counter(one.name.casefold() for one in fields)
    return {one.id: _line(one, one.name if names[one.name.casefold()] == 1 else one.id) for one in fields}


def _line(field: Listed, name: str) -> str:
    rule = _rule(field)
    if rule is None:
        return ""
    written: str = yaml.dump(
        {name: rule}, Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=9999
    )
    return written.strip()[1:-1]


def _rule(field: Listed) -> Any:
    takes = Takes(field.facts.get("takes", Takes.ANY))
    path = next((_FEEDS[word] for word in (_folded(field.name), _folded(field.id)) if word in _FEEDS), "")
    options = field.facts.get("options") or []
    match takes:
        case Takes.OPTION | Takes.OPTIONS | Takes.LEVELS if options:
            return _choice(takes, path, options)
        case Takes.OPTION | Takes.OPTIONS | Takes.LEVELS | Takes.ANY:
            return path or None
        case Takes.PERSON | Takes.PEOPLE:
            return {"from": path or _BY_KIND[takes], "people": {"their-login": "our-account"}}
        case _:
            return path or _BY_KIND[takes]


def _choice(takes: Takes, path: str, options: list[Mapping[str, Any]]) -> Any:
    names = [str(one["name"]) for one in options[:MOST_OPTIONS]]
    if any("category" in one for one in options):
        return {"from": "state_category", "map": _by_category(options)}
    match takes:
        case Takes.OPTIONS:
            return {"value": names[:1]}
        case Takes.LEVELS:
            below = options[0].get("below") or []
            return {"value": " / ".join([names[0], *(str(one["name"]) for one in below[:1])])}
        case _ if path:
            return {"from": path, "map": dict(zip(names, names, strict=True))}
        case _:
            return {"from": "labels", "first": {_folded(name) or name: name for name in names}}


def _by_category(options: list[Mapping[str, Any]]) -> dict[str, str]:
    """Take the first status of each category, or of the nearest one that has any."""
    first: dict[str, str] = {}
    for one in options:
        first.setdefault(str(one.get("category")), str(one["name"]))
    return {word: first[near[0]] for word, some in _NEAREST.items() if (near := [one for one in some if one in first])}


def _folded(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
