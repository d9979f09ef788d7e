"""Gather what the files of a configuration say: variables filled in, templates and tables of people merged.

Nothing is judged here beyond what merging needs; `connector.loading` does that.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from connector.declare import near
from connector.documents import Document, Path, Place, read, strings, written
from connector.errors import Problem
from connector.versions import People

TESTS: Final = (".test.yaml", ".test.yml")
"""How the name of a file of mapping tests ends."""

MOST_FILES: Final = 3_000
MOST_PEOPLE_BYTES: Final = 2 * 1024 * 1024
MOST_PEOPLE: Final = 10_000

_VARIABLE: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE_KEYS: Final = ("version", "instance", "connections", "connectors")


@dataclass(slots=True)
class Gathered:
    """Everything the files say, with the place of each value."""

    instance: str = "default"
    instance_place: Place | None = None
    connections: dict[str, Document] = field(default_factory=dict)
    connectors: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unread: bool = False
    """True where a file could not be read, so that what others refer to may be declared there."""


def gathered(
    texts: Mapping[str, str | bytes],
    templates: Mapping[str, str | bytes],
    variables: Mapping[str, str],
    allowed: tuple[str, ...],
) -> Gathered:
    """Read all files; see `loading.load` for the arguments."""
    return _Gathering(texts, templates, variables, allowed).run()


def merged(below: Document, above: Document) -> Document:
    """Lay one document over another: mappings key by key, null takes a key away, all else replaces.

    An empty mapping replaces too, so that ``mapping: {}`` is a way to say *none*.
    """
    places = dict(below.places)
    value = _laid(below.value, above.value, (), places, above.places)
    return Document(value, places, above.above)


def _laid(below: Any, above: Any, path: Path, places: dict[Path, Place], new: Mapping[Path, Place]) -> Any:
    if path in new:
        places[path] = new[path]
    if not (isinstance(below, dict) and isinstance(above, dict) and above):
        for old in [one for one in places if one[: len(path)] == path and len(one) > len(path)]:
            del places[old]
        places.update({one: place for one, place in new.items() if one[: len(path)] == path})
        return above
    laid = dict(below)
    for key, value in above.items():
        if value is None and key in below:
            del laid[key]
        else:
            laid[key] = _laid(below.get(key), value, (*path, key), places, new)
    return laid


class _Gathering:
    def __init__(
        self,
        texts: Mapping[str, str | bytes],
        templates: Mapping[str, str | bytes],
        variables: Mapping[str, str],
        allowed: tuple[str, ...],
    ) -> None:
        self.texts, self.templates = texts, templates
        self.variables, self.allowed = variables, allowed
        self.found = Gathered()
        self.tables: dict[str, dict[str, str]] = {}

    def run(self) -> Gathered:
        # What tests a mapping stands beside it and is no part of the configuration.
        names = sorted(name for name in self.texts if name.endswith((".yaml", ".yml")) and not name.endswith(TESTS))
        if len(self.texts) > MOST_FILES:
            self.problem(Place("", 0), "", f"there are more than {MOST_FILES} files")
            return self.found
        if not names:
            self.problem(Place("", 0), "", "there is no configuration: no .yaml file was found")
        for name in names:
            document = self.document(name, self.texts[name])
            if document is not None:
                self.file(document)
        return self.found

    def problem(self, place: Place, path: str, message: str, severity: str = "error") -> None:
        self.found.problems.append(Problem(place.file, place.line, path, message, severity))

    def document(self, name: str, text: str | bytes) -> Document | None:
        document, problems = read(name, text)
        self.found.problems.extend(problems)
        if document is None:
            self.found.unread = True
            return None
        if document.value is None:
            self.problem(Place(name, 1), "", "holds nothing", "warning")
            return None
        if not isinstance(document.value, dict):
            self.problem(Place(name, 1), "", "must be a mapping (key: value)")
            return None
        filled = strings(document.value, lambda text, path: self.filled(document, text, path))
        return replace(document, value=filled)

    # --- variables -------------------------------------------------------------------------------
    def filled(self, document: Document, text: str, path: Path) -> str:
        """Fill variables in; ``$${`` is a literal ``${``."""
        if "${" not in text:
            return text

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name is None:
                return "${"
            place = document.place(path)
            if not found[0].endswith("}") or not _VARIABLE_NAME.fullmatch(name):
                self.problem(place, written(path), "${ must be followed by a name and }; write $${ for the signs")
            elif not self.is_allowed(name):
                # The value is never looked at: a file must not be able to print a process's secrets.
                told = f"${{{name}}} is not allowed; allowed are {', '.join(self.allowed)} (credentials: env:{name})"
                self.problem(place, written(path), told)
            elif name not in self.variables:
                self.problem(place, written(path), f"${{{name}}} is not set")
            else:
                return self.variables[name]
            return found[0]

        return _VARIABLE.sub(value, text)

    def is_allowed(self, name: str) -> bool:
        return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in self.allowed)

    # --- files -----------------------------------------------------------------------------------
    def file(self, document: Document) -> None:
        value: dict[str, Any] = document.value
        if value.get("version") != 1 or isinstance(value.get("version"), bool):
            said = "must be 1, the only version there is" if "version" in value else "is required: version: 1"
            self.problem(document.place(("version",)), "version", said)
        if "connections" not in value and "connectors" not in value:
            if "instance" in value or not ({"name", "from", "to", "template"} & value.keys()):
                self.problem(
                    document.place(()), "", "holds neither connections: nor connectors: nor a connector's name:"
                )
                return
            self.connector(document)
            return
        for key in value:
            if key not in _FILE_KEYS:
                self.problem(document.place((key,)), key, f"unknown key{near(key, _FILE_KEYS)}")
        if "instance" in value:
            self.instance(document)
        self.connections(document)
        self.connectors(document)

    def instance(self, document: Document) -> None:
        place, said = document.place(("instance",)), document.value["instance"]
        first = self.found.instance_place
        if not isinstance(said, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", said):
            self.problem(place, "instance", "starts with a letter and holds only a-z, 0-9 and -, at most 40 characters")
        elif first is not None and said != self.found.instance:
            self.problem(place, "instance", f"is {self.found.instance!r} in {first.file}:{first.line}")
        else:
            self.found.instance, self.found.instance_place = said, place

    def connections(self, document: Document) -> None:
        given = document.value.get("connections", {})
        if not isinstance(given, dict):
            self.problem(document.place(("connections",)), "connections", "must be a mapping (name: connection)")
            return
        for name in given:
            one = document.at("connections", name)
            if name in self.found.connections:
                first = self.found.connections[name].place(())
                told = f"is declared twice; first in {first.file}:{first.line}"
                self.problem(one.place(()), f"connections.{name}", told)
            else:
                self.found.connections[name] = one

    def connectors(self, document: Document) -> None:
        given = document.value.get("connectors", [])
        if not isinstance(given, list):
            self.problem(document.place(("connectors",)), "connectors", "must be a list of connectors")
            return
        for number in range(len(given)):
            self.connector(document.at("connectors", number))

    # --- one connector ---------------------------------------------------------------------------
    def connector(self, document: Document) -> None:
        if isinstance(document.value, dict):
            document = self.with_people(self.with_template(document))
        self.found.connectors.append(document)

    def with_template(self, document: Document) -> Document:
        name = document.value.get("template")
        if name is None or not isinstance(name, str):
            return document
        text = self.templates.get(name)
        if text is None:
            told = f"there is no template {name!r}{near(name, self.templates)}"
            self.problem(document.place(("template",)), written((*document.above, "template")), told)
            return document
        template = self.document(f"template {name}", text)
        if template is None:
            return document
        # What the template's file says of itself is not said of the connector.
        plain = {key: value for key, value in template.value.items() if key != "description"}
        return merged(replace(template, value=plain), document)

    def with_people(self, document: Document) -> Document:
        """Put tables of people in for the names of their files."""
        mapping = document.value.get("mapping")
        if not isinstance(mapping, dict):
            return document
        fresh = dict(mapping)
        for target, rule in mapping.items():
            if isinstance(rule, dict) and isinstance(rule.get("people"), str):
                path = ("mapping", target, "people")
                table = self.people(document.place(path), written((*document.above, *path)), rule["people"])
                fresh[target] = {**rule, "people": People(table or {"": ""}, rule["people"])}
        return replace(document, value={**document.value, "mapping": fresh})

    def people(self, place: Place, path: str, name: str) -> dict[str, str]:
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(place.file), name))
        chosen = next((one for one in (beside, posixpath.normpath(name)) if one in self.texts), None)
        if chosen is None or not chosen.endswith(".csv"):
            tables = [one for one in self.texts if one.endswith(".csv")]
            self.problem(place, path, f"there is no file {name!r}{near(name, tables)}")
            return {}
        if chosen not in self.tables:
            self.tables[chosen] = self.table(chosen, self.texts[chosen])
        return self.tables[chosen]

    def table(self, name: str, text: str | bytes) -> dict[str, str]:
        """Read a CSV file of two columns, ``from`` and ``to``."""
        found: dict[str, str] = {}
        if len(text) > MOST_PEOPLE_BYTES:
            self.problem(Place(name, 0), "", f"is larger than {MOST_PEOPLE_BYTES // 1024} KB")
            return found
        try:
            words = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
            rows = csv.reader(io.StringIO(words, newline=""), strict=True)
            head = [cell.strip().casefold() for cell in next(rows, [])]
            if head != ["from", "to"]:
                self.problem(Place(name, 1), "", "must begin with the line from,to")
                return found
            for row in rows:
                self.row(Place(name, rows.line_num), row, found)
        except UnicodeDecodeError:
            self.problem(Place(name, 0), "", "is not UTF-8 text")
        except csv.Error as error:
            self.problem(Place(name, 0), "", f"is not CSV: {error}")
        if not found:
            self.problem(Place(name, 1), "", "names nobody")
        return found

    def row(self, place: Place, row: list[str], found: dict[str, str]) -> None:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            return
        if len(cells) != 2 or not all(cells):
            self.problem(place, "", "must have two columns, both filled")
        elif cells[0] in found:
            self.problem(place, "", f"{cells[0]!r} stands twice")
        elif len(found) >= MOST_PEOPLE:
            if len(found) == MOST_PEOPLE:
                self.problem(place, "", f"names more than {MOST_PEOPLE} people")
        else:
            found[cells[0]] = cells[1]
