"""Say what loading a configuration needs of a system."""

from __future__ import annotations

from typing import Any, Protocol

from marshmallow import Schema

from connector.event import Kind


class Speaks(Protocol):
    """What loading needs of a system; `connector.system.System` is one."""

    @property
    def title(self) -> str:
        """Its name for people."""
        ...

    @property
    def kinds(self) -> frozenset[Kind]:
        """What it emits."""
        ...

    @property
    def connection(self) -> type[Schema]:
        """The schema of a connection's own keys."""
        ...

    @property
    def source(self) -> type[Schema] | None:
        """The schema of ``from:``."""
        ...

    @property
    def target_schema(self) -> type[Schema] | None:
        """The schema of ``to:``."""
        ...

    @property
    def target(self) -> Any:
        """How it is written to (`connector.system.Target`); None where it is not."""
        ...

    @property
    def matches(self) -> Any:
        """How it answers queries in its own language (``when.jql``); None where it has none."""
        ...

    @property
    def tell(self) -> Any:
        """How people are told things there (``owner.alert``); None where they cannot be."""
        ...

    @property
    def places(self) -> Any:
        """What teams may be kept to (`connector.system.Places`); None where there is nothing of the kind."""
        ...
