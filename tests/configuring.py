"""Build configurations for tests out of two small made-up systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, fields

from connector.config import Config, Connector
from connector.declare import Declaration, Flag, OneOrMany, SecretField, Word
from connector.errors import ConfigError
from connector.event import Kind
from connector.loading import load
from connector.ports import SecretRef
from connector.system import Places
from connector.transforms import TRANSFORMS

TEMPLATES = {
    path.stem: path.read_bytes()
    for path in (Path(__file__).parent.parent / "connector" / "templates").glob("*.yaml")
    if not path.name.endswith(".test.yaml")
}


@dataclass(frozen=True, slots=True)
class Account:
    token: SecretRef
    url: str = "https://acme.example"


@dataclass(frozen=True, slots=True)
class Place:
    spaces: tuple[str, ...]
    quiet: bool = False


class AccountSchema(Declaration):
    """A connection to a tracker."""

    makes = Account
    token = SecretField(required=True, metadata={"description": "Who we are."})
    url = Word(metadata={"description": "Where it is."})


class PlaceSchema(Declaration):
    """A place in a tracker."""

    makes = Place
    spaces = OneOrMany(Word(), required=True, metadata={"description": "Which spaces."})
    quiet = Flag(metadata={"description": "Whether nobody is told."})


class LooseSchema(Declaration):
    """A connection that says nothing but a mapping of numbers."""

    token = SecretField(required=True)
    limits = fields.Dict(keys=fields.String(), values=fields.Integer())


@dataclass(frozen=True, slots=True)
class Tracker:
    title: str = "Tracker"
    kinds: frozenset[Kind] = frozenset({Kind.ISSUE_CREATED, Kind.ISSUE_UPDATED, Kind.COMMENT_CREATED})
    connection: type[Schema] = AccountSchema
    source: type[Schema] | None = PlaceSchema
    target_schema: type[Schema] | None = PlaceSchema
    target: Any = None
    matches: Any = None
    tell: Any = None
    places: Any = None


SYSTEMS: Mapping[str, Tracker] = {
    "tracker": Tracker(
        places=Places("spaces", source=lambda place: place.spaces, target=lambda place: place.spaces),
    ),
    "querying": Tracker(title="Querying", matches=lambda *_: True),
    "chat": Tracker(title="Chat", tell=lambda *_: None),
    "sink": Tracker(title="Sink", kinds=frozenset(), connection=LooseSchema, source=None),
    "well": Tracker(title="Well", target_schema=None),
}

CONNECTIONS = """\
version: 1
instance: prod
connections:
  here: {system: tracker, token: env:HERE}
  there: {system: tracker, token: file:/run/secrets/there, url: https://there.example}
"""

CONNECTOR = """\
version: 1
name: bugs
from: {connection: here, spaces: WEB}
to: {connection: there, spaces: [API]}
"""


@dataclass(slots=True)
class Files:
    """A configuration to be loaded; ``more`` are other files by name."""

    connections: str = CONNECTIONS
    connector: str = CONNECTOR
    more: Mapping[str, str | bytes] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str | bytes] = field(default_factory=lambda: TEMPLATES)

    @property
    def texts(self) -> dict[str, str | bytes]:
        return {"connections/prod.yaml": self.connections, "connectors/web/bugs.yaml": self.connector, **self.more}

    def load(self) -> Config:
        return load(self.texts, SYSTEMS, TRANSFORMS, self.templates, variables=self.variables)


def loaded(connector: str = "", **more: Any) -> Connector:
    """Load a connector with these lines added."""
    return Files(connector=CONNECTOR + connector, **more).load().connectors["bugs"]


def problems(files: Files) -> list[str]:
    """Load what must be refused and return its problems."""
    with pytest.raises(ConfigError) as caught:
        files.load()
    assert caught.value.problems
    return [str(problem) for problem in caught.value.problems]


def refused(connector: str, **more: Any) -> str:
    """Return the problems of a connector with these lines added, one a line."""
    return "\n".join(problems(Files(connector=CONNECTOR + connector, **more)))
