"""Change one word in the text of a configuration, keep everything else of it, and prove that nothing else changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from connector.comparing import compare
from connector.config import Mode
from connector.documents import Document, Place
from connector.gathering import gathered
from connector.loading import said

_SAYS: Final = re.compile(
    r"""(?P<head>(?:^|[\s{,])(?P<key>["']?)mode(?P=key):[ \t]+)(?P<mode>["']?\w+["']?)(?=[\s,}]|$)"""
)
_NAME: Final = re.compile(r"""(?P<head>[ \t]*(?:-[ \t]+)?)["']?name["']?:[ \t]""")


class CannotEdit(Exception):
    """The text cannot be changed safely; says why, and what a person must write where."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of one line: ``before`` (empty where a line is added) becomes ``after``; ``text`` is the whole file."""

    file: str
    line: int
    before: str
    after: str
    text: bytes


def switched(
    texts: Mapping[str, bytes],
    name: str,
    mode: Mode,
    templates: Mapping[str, bytes],
    *,
    variables: Mapping[str, str],
    allowed: tuple[str, ...] = ("CONNECTOR_*",),
) -> Edit:
    """Set the mode of a connector in its text; see `loading.load` for the arguments.  Raises `CannotEdit`.

    Comments, order, quotes and line ends stay as they are.  Where the file does not say a mode (its template does, or
    nobody), a line is added below the connector's name.
    """
    found = gathered(texts, templates, variables, allowed)
    document = next(
        (one for one in found.connectors if isinstance(one.value, dict) and one.value.get("name") == name), None
    )
    if document is None:
        message = f"no file declares {name}"
        raise CannotEdit(message)
    if document.value.get("mode", Mode.LIVE.value) == mode.value:
        message = f"{document.place(('mode',)).file} says mode: {mode.value} already, but that is not in force yet"
        raise CannotEdit(message)
    edit = _replaced(texts, document, mode) if _own(texts, document, "mode") else _added(texts, document, mode)
    after = {**texts, edit.file: edit.text}
    both = [said(one, templates, variables=variables, allowed=allowed) for one in (texts, after)]
    differences = compare(*both)
    changed = [(one.name, field.path) for one in differences.connectors for field in one.fields]
    if changed != [(name, "mode")] or differences.connections or differences.instance:
        raise _by_hand(Place(edit.file, edit.line), mode, "changing that line would change more than the mode")
    if both[1].connectors[name].get("mode") != mode.value:
        raise _by_hand(Place(edit.file, edit.line), mode, "the mode does not come from there")
    return edit


def _own(texts: Mapping[str, bytes], document: Document, key: str) -> bool:
    place = document.places.get((key,))
    return place is not None and place.file in texts


def _replaced(texts: Mapping[str, bytes], document: Document, mode: Mode) -> Edit:
    place = document.places[("mode",)]
    lines = _lines(texts, place, mode)
    before = lines[place.line - 1]
    matches = list(_SAYS.finditer(before))
    if len(matches) != 1:
        raise _by_hand(place, mode, "the line says it in a way that is not changed by itself")
    word = matches[0]["mode"]
    quote = word[0] if word[0] in "\"'" else ""
    start, end = matches[0].span("mode")
    after = f"{before[:start]}{quote}{mode.value}{quote}{before[end:]}"
    return _edit(lines, place, before, after)


def _added(texts: Mapping[str, bytes], document: Document, mode: Mode) -> Edit:
    place = document.place(("name",))
    lines = _lines(texts, place, mode)
    line = lines[place.line - 1]
    match = _NAME.match(line)
    if match is None:
        raise _by_hand(place, mode, "there is no line of its own for the name, below which it would stand")
    end = "\r" if line.endswith("\r") else ""
    after = f"{' ' * len(match['head'])}mode: {mode.value}{end}"
    lines.insert(place.line, "")
    return _edit(lines, Place(place.file, place.line + 1), "", after)


def _lines(texts: Mapping[str, bytes], place: Place, mode: Mode) -> list[str]:
    try:
        lines = texts[place.file].decode().split("\n")
    except UnicodeDecodeError:
        raise _by_hand(place, mode, "the file is not UTF-8 text") from None
    if not 1 <= place.line <= len(lines):
        raise _by_hand(place, mode, "its lines do not end as usual")
    return lines


def _edit(lines: list[str], place: Place, before: str, after: str) -> Edit:
    lines[place.line - 1] = after
    return Edit(place.file, place.line, before.rstrip("\r"), after.rstrip("\r"), "\n".join(lines).encode())


def _by_hand(place: Place, mode: Mode, why: str) -> CannotEdit:
    return CannotEdit(f"{place.file}:{place.line}: {why}; write there by hand: mode: {mode.value}")
