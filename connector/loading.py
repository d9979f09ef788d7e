"""Turn the text of configuration files into one immutable `Config`, or into all of its problems.

Order: every file is read on its own, ``${VAR}`` filled in, templates merged, tables of people put in,
then declarations checked, then what only the whole can tell (names, teams, kinds, collisions).  A
problem in one place never hides another, except where the first makes the second meaningless.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields

from connector import arguments
from connector.comparing import Said
from connector.config import Config, Connection, Connector, End, Http, When
from connector.declare import NAME, flattened, near
from connector.documents import Document, Path, Place, written
from connector.errors import ConfigError, Problem
from connector.event import Kind
from connector.facing import turned, turned_rules
from connector.gathering import Gathered, gathered
from connector.grammar import AnyConnectionSchema, ConnectorSchema, Declared
from connector.grammar_fields import Kinds, Steps
from connector.speaks import Speaks
from connector.teams import not_for, unknown_places
from connector.versions import plain, version_of

MOST_CONNECTORS: Final = 2_000


def load(
    texts: Mapping[str, str | bytes],
    systems: Mapping[str, Speaks],
    transforms: Mapping[str, arguments.Transform],
    templates: Mapping[str, str | bytes] | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    allowed: tuple[str, ...] = ("CONNECTOR_*",),
) -> Config:
    """Load a configuration; raises `ConfigError` with all of its problems.

    ``texts`` maps file names (relative, with ``/``) to their text; ``templates`` maps the name of a
    ready-made connector to its text.  ``variables`` are filled in for ``${NAME}`` where ``allowed``
    names them (a trailing ``*`` stands for any ending).
    """
    found = gathered(texts, templates or {}, variables or {}, allowed)
    loading = _Loading(found, systems, transforms)
    config = loading.config()
    errors = [problem for problem in loading.problems if problem.severity == "error"]
    if errors:
        raise ConfigError(tuple(sorted(errors, key=lambda one: (one.file, one.line, one.path))))
    return config


def resolved(
    texts: Mapping[str, str | bytes],
    name: str,
    templates: Mapping[str, str | bytes] | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    allowed: tuple[str, ...] = ("CONNECTOR_*",),
) -> dict[str, Any]:
    """Return a connector as it is once its template is merged in; raises `ConfigError` where there is none."""
    found = gathered(texts, templates or {}, variables or {}, allowed)
    for one in found.connectors:
        if isinstance(one.value, dict) and one.value.get("name") == name:
            whole: dict[str, Any] = plain(one.value)
            return whole
    names = [one.value["name"] for one in found.connectors if isinstance(one.value, dict) and "name" in one.value]
    problems = found.problems or [Problem("", 0, "", f"there is no connector {name!r}{near(name, map(str, names))}")]
    raise ConfigError(tuple(problems))


def documents(
    texts: Mapping[str, str | bytes],
    templates: Mapping[str, str | bytes] | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    allowed: tuple[str, ...] = ("CONNECTOR_*",),
) -> dict[str, Document]:
    """Return each connector with the place of every value, so that what is found later is told with its line."""
    found = gathered(texts, templates or {}, variables or {}, allowed)
    return {
        str(one.value["name"]): one for one in found.connectors if isinstance(one.value, dict) and "name" in one.value
    }


def said(
    texts: Mapping[str, str | bytes],
    templates: Mapping[str, str | bytes] | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    allowed: tuple[str, ...] = ("CONNECTOR_*",),
) -> Said:
    """Return what a configuration says, word by word; what cannot be read in it is left out, `load` tells of that."""
    found = gathered(texts, templates or {}, variables or {}, allowed)
    named = [one.value for one in found.connectors if isinstance(one.value, dict)]
    return Said(
        found.instance,
        {name: document.value for name, document in found.connections.items()},
        {str(value["name"]): value for value in named if "name" in value},
    )


@dataclass(slots=True)
class _Loading:
    """One load: what was found, and what is wrong with it."""

    found: Gathered
    systems: Mapping[str, Speaks]
    transforms: Mapping[str, arguments.Transform]
    problems: list[Problem] = field(default_factory=list)
    connections: dict[str, Connection] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Connections that are declared but wrong: what refers to them is not blamed for it."""

    def config(self) -> Config:
        self.problems.extend(self.found.problems)
        for name, document in self.found.connections.items():
            self.load_connection(name, document)
        connectors: dict[str, tuple[Connector, Document]] = {}
        if len(self.found.connectors) > MOST_CONNECTORS:
            self.problems.append(Problem("", 0, "", f"there are more than {MOST_CONNECTORS} connectors"))
        for document in self.found.connectors:
            self.load_connector(document, connectors)
        self.check_uids(connectors)
        return Config(
            instance=self.found.instance,
            connections=dict(self.connections),
            connectors={name: connector for name, (connector, _) in connectors.items()},
            hash=_digest(self.found),
            warnings=tuple(str(problem) for problem in self.problems if problem.severity == "warning"),
        )

    def wrong(self, document: Document, path: Path, message: str) -> None:
        place = document.place(path)
        self.problems.append(Problem(place.file, place.line, written((*document.above, *path)), message))

    def checked(self, schema: Schema, document: Document, path: Path, value: Any) -> Any:
        """Load a value by a schema; returns None after noting what is wrong."""
        try:
            return schema.load(value)
        except ValidationError as error:
            for inner, message in flattened(error.messages, value):
                self.wrong(document, (*path, *inner), message)
            return None

    # --- connections -----------------------------------------------------------------------------
    def load_connection(self, name: str, document: Document) -> None:
        self.broken.add(name)
        if not NAME.fullmatch(name):
            self.wrong(document, (), "a name starts with a letter and holds only a-z, 0-9 and -, at most 40 characters")
        if not isinstance(document.value, dict):
            self.wrong(document, (), "must be a mapping (key: value)")
            return
        before = len(self.problems)
        own = {key: value for key, value in document.value.items() if key not in _SHARED}
        common = {key: value for key, value in document.value.items() if key in _SHARED}
        general = self.checked(AnyConnectionSchema(), document, (), common)
        system = self.systems.get(str(common.get("system")))
        if system is None:
            if isinstance(common.get("system"), str):
                message = f"there is no system {common['system']!r}{near(common['system'], self.systems)}"
                self.wrong(document, ("system",), message)
            return
        settings = self.checked(system.connection(), document, (), own)
        teams: Mapping[str, Mapping[str, tuple[str, ...]]] = (general or {}).get("teams", {})
        for path, message in unknown_places(teams, system.title, system.places):
            self.wrong(document, path, message)
        if len(self.problems) == before:
            self.broken.discard(name)
            self.connections[name] = Connection(
                name,
                common["system"],
                settings,
                general.get("http", Http()),
                {team: tuple(one for names in kept.values() for one in names) for team, kept in teams.items()},
                general.get("maintenance", ()),
            )

    # --- connectors ------------------------------------------------------------------------------
    def load_connector(self, document: Document, connectors: dict[str, tuple[Connector, Document]]) -> None:
        value = document.value
        if not isinstance(value, dict):
            self.wrong(document, (), "must be a mapping (key: value)")
            return
        before = len(self.problems)
        declared: Declared | None = self.checked(ConnectorSchema(), document, (), value)
        # Ends are looked at even where something else is wrong, so that all problems come at once.
        source = self.load_end(document, "from", value.get("from"))
        target = self.load_end(document, "to", value.get("to"))
        name = value.get("name")
        if isinstance(name, str) and name in connectors:
            first = connectors[name][1].place(("name",))
            self.wrong(document, ("name",), f"is used twice; first in {first.file}:{first.line}")
        self.check_steps(document, value.get("mapping"))
        self.check_kinds(document, value)
        self.check_teams(document, value, {"from": source, "to": target})
        self.check_alert(document, value)
        if declared is None or source is None or target is None or len(self.problems) > before:
            return
        place: Place = document.place(())
        connector = Connector(
            name=declared.name,
            uid=declared.renamed_from[0] if declared.renamed_from else declared.name,
            formerly=declared.renamed_from,
            source=source,
            target=target,
            file=place.file,
            made_by=version_of(value),
            document=value,
            **declared.parts,
        )
        if declared.back is not None:
            connector = self.load_back(document, connector, declared.back)
        elif one_way := [rule.target for rule in connector.mapping if rule.back or rule.policy]:
            self.wrong(document, ("mapping", one_way[0]), "back and conflict are for two-way connectors")
        connectors[declared.name] = (connector, document)

    def load_back(self, document: Document, connector: Connector, back: Mapping[str, Any]) -> Connector:
        """Give a two-way connector its other face; notes what cannot flow back."""
        here, there = connector.source.connection, connector.target.connection
        if here == there:
            self.wrong(document, ("to", "connection"), "a two-way connector ties two connections")
        source = self.load_end(document, "from", {"connection": there, **back["source"]}, under=("back",))
        target = self.load_end(document, "to", {"connection": here, **back["target"]}, under=("back",))
        for key, end in (("from", source), ("to", target)):
            connection = self.connections[here if key == "to" else there]
            # Whether the connection is for the team at all has been told of the way there.
            if end is not None and connector.owner.team in connection.teams:
                places = self.systems[connection.system].places
                if found := not_for(connection, connector.owner.team, key, end, places):
                    self.wrong(document, ("back", *found[0]), found[1])
        if source is None or target is None:
            return connector
        ends = [self.systems[self.connections[name].system].target for name in (here, there)]
        rules = turned_rules(
            connector.mapping,
            ends[0].speaks,
            ends[1].speaks,
            lambda rule, why: self.wrong(document, ("mapping", rule.target), why),
        )
        when = back.get("when", When())
        return turned(
            connector, source=source, target=target, rules=rules, when=when, creates=back.get("creates", False)
        )

    def load_end(self, document: Document, key: str, value: Any, *, under: Path = ()) -> End | None:
        if not isinstance(value, dict) or not isinstance(value.get("connection"), str):
            return None  # the declaration has said so
        name = value["connection"]
        connection = self.connections.get(name)
        if connection is None:
            if name not in self.broken and not self.found.unread:
                message = f"there is no connection {name!r}{near(name, {*self.connections, *self.broken})}"
                self.wrong(document, (*under, key, "connection"), message)
            return None
        system = self.systems[connection.system]
        schema = system.source if key == "from" else system.target_schema
        if schema is None:
            what = "a source" if key == "from" else "a target"
            self.wrong(document, under or (key, "connection"), f"{system.title} cannot be {what}")
            return None
        own = {inner: one for inner, one in value.items() if inner != "connection"}
        before = len(self.problems)
        settings = self.checked(schema(), document, (*under, key), own)
        return End(name, settings) if len(self.problems) == before else None

    def check_steps(self, document: Document, mapping: Any) -> None:
        """Make every transform once, which is how it refuses its arguments."""
        if not isinstance(mapping, dict):
            return
        for target, rule in mapping.items():
            given = rule.get("transform") if isinstance(rule, dict) else None
            for number, step in enumerate(_loaded(Steps(), given) or ()):
                try:
                    arguments.made(step.name, step.arguments, self.transforms)
                except ValueError as error:
                    at = ("mapping", target, "transform", *((number,) if isinstance(given, list) else ()))
                    self.wrong(document, at, str(error))

    def check_kinds(self, document: Document, value: Mapping[str, Any]) -> None:
        """Refuse to wait for what the source never emits."""
        source, when, messages = value.get("from"), value.get("when"), value.get("messages")
        connection = self.connections.get(str(source.get("connection"))) if isinstance(source, dict) else None
        if connection is None:
            return
        system = self.systems[connection.system]
        asked: list[tuple[Path, Any]] = []
        if isinstance(when, dict):
            asked.append((("when", "events"), when.get("events")))
            if "jql" in when and system.matches is None:
                self.wrong(document, ("when", "jql"), f"{system.title} knows no JQL")
        for number, message in enumerate(messages if isinstance(messages, list) else [messages]):
            if isinstance(message, dict):
                place = (number,) if isinstance(messages, list) else ()
                asked.append((("messages", *place, "on"), message.get("on")))
        for path, given in asked:
            kinds: frozenset[Kind] | None = _loaded(Kinds(), given)
            if kinds and not kinds & system.kinds:
                known = ", ".join(sorted(kind.value for kind in system.kinds))
                self.wrong(document, path, f"{system.title} emits none of these; it emits {known}")

    def check_teams(self, document: Document, value: Mapping[str, Any], ends: Mapping[str, End | None]) -> None:
        """Refuse connections that are not for the connector's team, and what of them is not."""
        owner = value.get("owner")
        team = owner.get("team") if isinstance(owner, dict) else None
        for key, loaded in ends.items():
            end = value.get(key)
            connection = self.connections.get(str(end.get("connection"))) if isinstance(end, dict) else None
            if connection is not None:
                found = not_for(connection, team, key, loaded, self.systems[connection.system].places)
                if found is not None:
                    self.wrong(document, *found)

    def check_alert(self, document: Document, value: Mapping[str, Any]) -> None:
        """Refuse an alert for a system that cannot be told things, or that does not say by which connection."""
        owner = value.get("owner")
        given = owner.get("alert") if isinstance(owner, dict) else None
        for place in given.split() if isinstance(given, str) else ():
            kind, _, rest = place.partition(":")
            if kind in {"mailto", "http", "https"}:
                continue
            named, _, _ = rest.rpartition("/")
            known = [name for name, one in self.connections.items() if one.system == kind]
            if kind not in self.systems or self.systems[kind].tell is None:
                can = ", ".join(sorted(name for name, one in self.systems.items() if one.tell))
                self.wrong(document, ("owner", "alert"), f"{kind!r} is no system that can be told things; {can} can")
            elif (named and named not in known) or (not named and len(known) != 1):
                which = ", ".join(sorted(known)) or "none"
                say = f"say by which connection, as in {kind}:CONNECTION/PLACE; of {kind} there are: {which}"
                self.wrong(document, ("owner", "alert"), say)

    def check_uids(self, connectors: Mapping[str, tuple[Connector, Document]]) -> None:
        """Refuse two connectors that would share links, cursors and marks."""
        owners: dict[str, str] = {}
        for name, (connector, document) in connectors.items():
            other = owners.setdefault(connector.uid, name)
            if other != name:
                message = f"would share the state of {other!r}, whose first name was {connector.uid!r} too"
                self.wrong(document, ("renamed_from",) if connector.uid != name else ("name",), message)


def _loaded(one: fields.Field[Any], given: Any) -> Any:
    """Load a part whose own problems have been told already; None where it has any."""
    try:
        return one.deserialize(given)
    except ValidationError:
        return None


_SHARED: Final = frozenset(AnyConnectionSchema().fields)


def _digest(found: Gathered) -> str:
    """Name what the files say, whatever their names, order and comments."""
    said = {
        "instance": found.instance,
        "connections": {name: document.value for name, document in found.connections.items()},
        "connectors": sorted(
            (document.value for document in found.connectors),
            key=lambda value: json.dumps(value, sort_keys=True, default=str),
        ),
    }
    canonical = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:12]
