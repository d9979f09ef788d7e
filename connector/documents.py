"""Read YAML 1.2 text into plain values that know their lines, and refuse whatever could hurt.

The reader works on PyYAML's event stream and never constructs objects, so a tag has nothing to run.
Words follow the YAML 1.2 core schema: ``no``, ``off`` and ``yes`` are text, dates are text, and
digits with a leading zero stay text (a zip code keeps its zero).  Keys are always text.

Refused, each with its line: files above `MOST_BYTES`, nesting above `MOST_DEPTH`, more than
`MOST_NODES` values once aliases are counted as often as they are used, aliases that contain
themselves, duplicate keys, merge keys, tags, several documents, numbers no one means.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from connector.errors import Problem

MOST_BYTES: Final = 256 * 1024
MOST_DEPTH: Final = 32
MOST_NODES: Final = 50_000

Path = tuple[str | int, ...]
"""Where a value stands: keys and list indexes from the top of its file."""

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DIGITS: Final = 18

_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Document:
    """The value of a file or of a part of it, and for every path in it the place where it was written.

    ``above`` is the path of the part within its file.
    """

    value: Any
    places: Mapping[Path, Place] = field(default_factory=dict)
    above: Path = ()

    def place(self, path: Path) -> Place:
        """Return where ``path`` was written, or its nearest ancestor."""
        for length in range(len(path), -1, -1):
            found = self.places.get(path[:length])
            if found is not None:
                return found
        return Place("", 0)

    def at(self, *path: str | int) -> Document:
        """Return what stands below ``path`` as a document of its own."""
        value = self.value
        for step in path:
            value = value[step]
        size = len(path)
        places = {key[size:]: place for key, place in self.places.items() if key[:size] == path}
        return Document(value, places, (*self.above, *path))


def written(path: Path) -> str:
    """Write a path as people read it: ``messages[0].text``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a file may be, in bytes, and how many values may be in it."""

    size: int = MOST_BYTES
    nodes: int = MOST_NODES


def read(
    file: str, text: str | bytes, loader: Any = _Loader, bounds: Bounds = Bounds()
) -> tuple[Document | None, list[Problem]]:
    """Read one file; returns (document, problems), None where there is nothing usable in it."""
    if len(text) > bounds.size:
        return None, [Problem(file, 0, "", f"is larger than {bounds.size // 1024} KB")]
    try:
        words = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1 if isinstance(text, bytes) else 0
        return None, [Problem(file, line, "", "is not UTF-8 text")]
    reading = _Reading(file, bounds.nodes)
    try:
        top = reading.tree(yaml.parse(words, Loader=loader))
    except _Refused as refused:
        return None, [*reading.problems, refused.problem]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = ", ".join(part for part in (error.context, error.problem) if part)
        # libyaml 0.2.6 (PyYAML 6.0.4) counts for itself, and reads so far ahead that it is the first to notice.
        why = f"is nested deeper than {MOST_DEPTH}" if "nesting depth" in told else f"is not YAML: {told}"
        return None, [Problem(file, mark.line + 1 if mark else 0, "", why)]
    except yaml.reader.ReaderError as error:
        line = words[: error.position].count("\n") + 1
        return None, [Problem(file, line, "", "is not YAML: it holds a character that YAML does not allow")]
    if top is None:
        return Document(None, {(): Place(file, 1)}), reading.problems
    places: dict[Path, Place] = {}
    return Document(_value(top, file, (), places), places), reading.problems


def strings(value: Any, change: Callable[[str, Path], str], path: Path = ()) -> Any:
    """Return a copy of ``value`` with every string in it (keys excepted) passed through ``change``."""
    match value:
        case str():
            return change(value, path)
        case Mapping():
            return {key: strings(inner, change, (*path, key)) for key, inner in value.items()}
        case list():
            return [strings(inner, change, (*path, number)) for number, inner in enumerate(value)]
        case _:
            return value


# --- the tree of one file ------------------------------------------------------------------------
@dataclass(slots=True)
class _Node:
    """A value while it is being read; ``weight`` counts aliases as often as they are used."""

    line: int
    scalar: Any = None
    items: list[_Node] | None = None
    pairs: list[tuple[str, _Node]] | None = None
    key_lines: dict[str, int] = field(default_factory=dict)
    waiting: tuple[str, int] | None = None
    weight: int = 1
    height: int = 1
    anchor: str | None = None
    closed: bool = False


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Reading:
    """Builds the tree of one file from YAML events, without recursion."""

    def __init__(self, file: str, most: int) -> None:
        self.file, self.most = file, most
        self.problems: list[Problem] = []
        self.anchors: dict[str, _Node] = {}
        self.open: list[_Node] = []
        self.top: _Node | None = None
        self.documents = 0

    def refuse(self, line: int, message: str) -> _Refused:
        return _Refused(Problem(self.file, line, "", message))

    def tree(self, events: Iterator[Any]) -> _Node | None:
        for event in events:
            line = event.start_mark.line + 1
            match event:
                case yaml.DocumentStartEvent():
                    self.documents += 1
                    if self.documents > 1:
                        raise self.refuse(line, "holds several documents; one file holds one (remove ---)")
                case yaml.AliasEvent():
                    self.add(self.aliased(event.anchor, line))
                case yaml.ScalarEvent():
                    self.check_tag(event, line)
                    node = _Node(line, self.resolved(event, line), closed=True)
                    self.remember(event.anchor, node)
                    self.add(node, event)
                case yaml.SequenceStartEvent():
                    self.check_tag(event, line)
                    self.start(_Node(line, items=[], anchor=event.anchor))
                case yaml.MappingStartEvent():
                    self.check_tag(event, line)
                    self.start(_Node(line, pairs=[], anchor=event.anchor))
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    node = self.open.pop()
                    node.closed = True
                    self.add(node)
                case _:
                    pass  # stream and document ends carry nothing
        return self.top

    def check_tag(self, event: Any, line: int) -> None:
        if event.tag is not None:
            raise self.refuse(line, f"tags are not allowed: {event.tag}")

    def remember(self, anchor: str | None, node: _Node) -> None:
        if anchor is not None:
            self.anchors[anchor] = node

    def aliased(self, anchor: str | None, line: int) -> _Node:
        node = self.anchors.get(anchor or "")
        if node is None:
            raise self.refuse(line, f"*{anchor} refers to nothing")
        if not node.closed:
            raise self.refuse(line, f"*{anchor} contains itself")
        return node

    def start(self, node: _Node) -> None:
        if len(self.open) >= MOST_DEPTH:
            raise self.refuse(node.line, f"is nested deeper than {MOST_DEPTH}")
        self.remember(node.anchor, node)
        self.open.append(node)

    def add(self, node: _Node, event: Any = None) -> None:
        """Put a finished node into the one that is open, as key, value or item."""
        if not self.open:
            self.top = node
            return
        parent = self.open[-1]
        if parent.pairs is not None and parent.waiting is None:
            parent.waiting = (self.key(node, event), node.line)
            return
        parent.weight += node.weight
        parent.height = max(parent.height, node.height + 1)
        if parent.weight > self.most:
            raise self.refuse(node.line, f"holds more than {self.most} values once its aliases are followed")
        if parent.height > MOST_DEPTH:
            raise self.refuse(node.line, f"is nested deeper than {MOST_DEPTH}")
        if parent.items is not None:
            parent.items.append(node)
        elif parent.pairs is not None and parent.waiting is not None:
            (key, line), parent.waiting = parent.waiting, None
            if key in parent.key_lines:
                first = parent.key_lines[key]
                self.problems.append(Problem(self.file, line, key, f"stands twice; first in line {first}"))
                return
            parent.key_lines[key] = line
            parent.pairs.append((key, node))

    def key(self, node: _Node, event: Any) -> str:
        if node.items is not None or node.pairs is not None:
            raise self.refuse(node.line, "a key must be text")
        written_as = event.value if event is not None else str(node.scalar)
        if written_as == "<<":
            raise self.refuse(node.line, "merge keys (<<) are not part of YAML 1.2; use template: instead")
        return str(written_as)

    def resolved(self, event: Any, line: int) -> Any:
        """Turn a scalar into a value by the core schema; quoted ones are text."""
        text: str = event.value
        if event.style or not event.implicit[0]:
            return text
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _INT.fullmatch(text):
            if len(text) > _DIGITS:
                raise self.refuse(line, "is a number too large to be meant; quote it if it is text")
            return int(text)
        if _FLOAT.fullmatch(text) and not text.lstrip("+-").isdigit():
            number = float(text)
            if math.isinf(number):
                raise self.refuse(line, "is a number too large to be meant; quote it if it is text")
            return number
        return text


def _value(node: _Node, file: str, path: Path, places: dict[Path, Place]) -> Any:
    """Turn the tree into plain values; recursion is bounded by `MOST_DEPTH`."""
    places.setdefault(path, Place(file, node.line))
    if node.items is not None:
        return [_value(item, file, (*path, number), places) for number, item in enumerate(node.items)]
    if node.pairs is not None:
        for key in node.key_lines:
            places[*path, key] = Place(file, node.key_lines[key])
        return {key: _value(inner, file, (*path, key), places) for key, inner in node.pairs}
    return node.scalar
