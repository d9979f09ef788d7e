"""Read the part of JQL that programs use, and refuse the rest in Jira's own words.

``project = WEB AND status in ("To Do", Done) AND updated >= "2026-11-24 09:00" ORDER BY updated ASC``
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<op>>=|<=|!=|!~|=|~|>|<|\(|\)|,)|(?P<word>[^\s=!<>~(),"']+))"""
)
_RELATIVE: Final = re.compile(r"-(\d+)([mhdw])\Z")
_UNIT: Final = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
TIMES: Final = frozenset({"updated", "created"})
_ALIAS: Final = {
    "issuekey": "key",
    "id": "key",
    "issue": "key",
    "type": "issuetype",
    "updateddate": "updated",
    "createddate": "created",
}
FIELDS: Final = frozenset(
    {"project", "key", "status", "statuscategory", "labels", "issuetype", "updated", "created", "creator",
     "reporter", "assignee", "summary", "priority", "resolution"}
)  # fmt: skip


class BadQuery(Exception):
    """A query that Jira answers with 400; the message is what it says."""


@dataclass(frozen=True, slots=True)
class Query:
    """A read query: what fits, in which order ((field, descending)...), and whether it restricts at all."""

    fits: Callable[[Any], bool]
    order: tuple[tuple[str, bool], ...]
    bounded: bool


@dataclass(frozen=True, slots=True)
class Reader:
    """What a query is read against: the time, the account's zone, and how a field of a row is read."""

    now: datetime
    zone: ZoneInfo
    me: str
    value: Callable[[Any, str], Any]


def read(jql: str, reader: Reader) -> Query:
    """Read a query; raise `BadQuery`."""
    return _Parser(jql, reader).query()


class _Parser:
    def __init__(self, jql: str, reader: Reader) -> None:
        self.reader = reader
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while jql[at:].strip():
            match = _TOKEN.match(jql, at)
            if match is None:
                raise BadQuery(f"Error in the JQL Query: unexpected character at position {at}.")
            kind = match.lastgroup or ""
            word = match[kind]
            self.tokens.append((kind, re.sub(r"\\(.)", r"\1", word[1:-1]) if kind == "text" else word))
            at = match.end()
        self.at = 0

    def query(self) -> Query:
        fits: Callable[[Any], bool] = lambda _row: True  # noqa: E731 - the query without a restriction
        bounded = bool(self.tokens) and not self._is("order")
        if bounded:
            fits = self._any()
        order = self._order()
        if self.at < len(self.tokens):
            raise BadQuery(f"Error in the JQL Query: Expecting operator but got '{self.tokens[self.at][1]}'.")
        return Query(fits, order, bounded)

    # --- tokens
    def _is(self, word: str) -> bool:
        return (
            self.at < len(self.tokens) and self.tokens[self.at][0] != "text" and self.tokens[self.at][1].lower() == word
        )

    def _eat(self, word: str) -> bool:
        found = self._is(word)
        self.at += found
        return found

    def _next(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise BadQuery("Error in the JQL Query: the query ends too early.")
        self.at += 1
        return self.tokens[self.at - 1]

    # --- grammar
    def _any(self) -> Callable[[Any], bool]:
        parts = [self._all()]
        while self._eat("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def _all(self) -> Callable[[Any], bool]:
        parts = [self._one()]
        while self._eat("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _one(self) -> Callable[[Any], bool]:
        if self._eat("not"):
            inner = self._one()
            return lambda row: not inner(row)
        if self._eat("("):
            found = self._any()
            if not self._eat(")"):
                raise BadQuery("Error in the JQL Query: Expecting ')'.")
            return found
        return self._clause()

    def _clause(self) -> Callable[[Any], bool]:
        name = self._name()
        value = self.reader.value
        if self._eat("is"):
            wanted = not self._eat("not")
            if self._next()[1].lower() not in {"empty", "null"}:
                raise BadQuery("Error in the JQL Query: 'is' takes EMPTY.")
            return lambda row: (value(row, name) in (None, [], "")) is wanted
        if self._eat("not"):
            if not self._eat("in"):
                raise BadQuery("Error in the JQL Query: Expecting 'in'.")
            listed = self._list(name)
            return lambda row: not any(_equal(value(row, name), one) for one in listed)
        if self._eat("in"):
            listed = self._list(name)
            return lambda row: any(_equal(value(row, name), one) for one in listed)
        return self._compare(name, self._next()[1])

    def _compare(self, name: str, op: str) -> Callable[[Any], bool]:
        wanted, value = self._value(name), self.reader.value
        if op == "=":
            return lambda row: _equal(value(row, name), wanted)
        if op == "!=":
            return lambda row: not _equal(value(row, name), wanted)
        if op == "~" and name == "summary":
            return lambda row: str(wanted).lower() in str(value(row, name)).lower()
        if op in {">", ">=", "<", "<="} and name in TIMES:
            return {
                ">": lambda row: value(row, name) > wanted,
                ">=": lambda row: value(row, name) >= wanted,
                "<": lambda row: value(row, name) < wanted,
                "<=": lambda row: value(row, name) <= wanted,
            }[op]
        raise BadQuery(f"The operator '{op}' is not supported by the '{name}' field.")

    def _name(self) -> str:
        _kind, word = self._next()
        name = _ALIAS.get(word.lower(), word.lower())
        if name not in FIELDS:
            raise BadQuery(f"Field '{word}' does not exist or you do not have permission to view it.")
        return name

    def _list(self, name: str) -> list[Any]:
        if not self._eat("("):
            raise BadQuery("Error in the JQL Query: Expecting '('.")
        found = [self._value(name)]
        while self._eat(","):
            found.append(self._value(name))
        if not self._eat(")"):
            raise BadQuery("Error in the JQL Query: Expecting ')'.")
        return found

    def _value(self, name: str) -> Any:
        kind, word = self._next()
        if kind != "text" and self._eat("("):
            if not self._eat(")") or word.lower() not in {"currentuser", "now"}:
                raise BadQuery(f"Unable to find JQL function '{word}()'.")
            return self.reader.me if word.lower() == "currentuser" else self.reader.now
        return self._time(word) if name in TIMES else word

    def _time(self, word: str) -> datetime:
        relative = _RELATIVE.match(word)
        if relative:
            return self.reader.now - timedelta(seconds=int(relative[1]) * _UNIT[relative[2]])
        if word.isdigit():
            return datetime.fromtimestamp(int(word) / 1000, self.reader.zone)
        for form in ("%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y-%m-%d", "%Y/%m/%d"):
            try:
                return datetime.strptime(word, form).replace(tzinfo=self.reader.zone)
            except ValueError:
                continue
        raise BadQuery(
            f"Date value '{word}' for field 'updated' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', "
            "'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'."
        )

    def _order(self) -> tuple[tuple[str, bool], ...]:
        if not self._eat("order"):
            return ()
        if not self._eat("by"):
            raise BadQuery("Error in the JQL Query: Expecting 'by'.")
        found: list[tuple[str, bool]] = []
        while True:
            name = self._name()
            down = self._eat("desc")
            if not down:
                self._eat("asc")
            found.append((name, down))
            if not self._eat(","):
                return tuple(found)


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, list | tuple | set | frozenset):
        return any(_equal(one, wanted) for one in found)
    if isinstance(found, str) and isinstance(wanted, str):
        return found.casefold() == wanted.casefold()
    return bool(found == wanted)
