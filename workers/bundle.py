"""Pack the documents of a configuration, so that every process reads the same ones wherever it runs.

With the files go the ready-made connectors that they may start from and the values of the ``${CONNECTOR_…}`` that
they name: what a published version says must not depend on which version of the product, or whose environment, reads
it.  Credentials are references, so that none goes along; text that looks like one is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import zstandard

from connector.comparing import Said
from connector.config import Config
from connector.errors import ConfigError, Problem
from connector.loading import load, said
from connector.registry import SYSTEMS
from connector.speaks import Speaks
from connector.transforms import TRANSFORMS
from workers.stores.records import UnknownFormat, compress, expand

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of a packed bundle: fifty versions of the largest must leave the store room."""

_NAMED: Final = re.compile(r"\$\{(CONNECTOR_[A-Za-z0-9_]*)\}")
_CREDENTIAL: Final = re.compile(
    r"\b(?:gh[a-z]_|github_pat_|xox[a-z]-)[A-Za-z0-9_-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^\s/@:\"'{}]+:[^\s/@\"'{}]+@"
)
"""Tokens by the beginnings that GitHub and Slack give theirs, private keys, and passwords in addresses.

A net for what was pasted into a comment; where a credential belongs the grammar takes references only.
"""


@dataclass(frozen=True, slots=True)
class Bundle:
    """The documents of one configuration: ``files`` and ``templates`` by name, ``variables`` that files name."""

    files: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Mapping[str, bytes], environment: Mapping[str, str], templates: Mapping[str, bytes]) -> Bundle:
        """Gather one; raises `ConfigError` where a file is no text."""
        texts = dict(_decoded(files))
        wanted = {name for text in texts.values() for name in _NAMED.findall(text)}
        return cls(
            texts,
            {name: environment[name] for name in sorted(wanted) if name in environment},
            {name: text.decode() for name, text in templates.items()},
        )

    def load(self, systems: Mapping[str, Speaks] | None = None) -> Config:
        """Load it; raises `ConfigError` with all problems."""
        known: Mapping[str, Speaks] = SYSTEMS if systems is None else systems
        return load(self.files, known, TRANSFORMS, self.templates, variables=self.variables)

    def said(self) -> Said:
        """Return what it says, for a comparison."""
        return said(self.files, self.templates, variables=self.variables)

    def credentials(self) -> tuple[Problem, ...]:
        """Return every line that looks as if it held a credential, comments included; never the credential."""
        told = "looks like a credential; a configuration refers to them (env:NAME, file:/path), so take it out"
        texts = {**self.files, **{f"${{{name}}}": value for name, value in self.variables.items()}}
        return tuple(
            Problem(name, number, "", told)
            for name, text in texts.items()
            for number, line in enumerate(text.splitlines(), 1)
            if _CREDENTIAL.search(line)
        )

    def pack(self) -> bytes:
        """Return it as bytes; raises `ConfigError` where it holds what looks like a credential, or is too large."""
        if problems := self.credentials():
            raise ConfigError(problems)
        document = {"v": 1, "files": self.files, "variables": self.variables, "templates": self.templates}
        packed = compress(orjson.dumps(document, option=orjson.OPT_SORT_KEYS))
        if len(packed) > LARGEST:
            told = f"all files together are {len(packed) // 1024} KB packed; at most {LARGEST // 1024} KB are published"
            raise ConfigError((Problem("", 0, "", told),))
        return packed

    @classmethod
    def unpack(cls, packed: bytes) -> Bundle:
        """Undo `pack`; raises `UnknownFormat`, also where it is damaged."""
        try:
            got: Any = orjson.loads(expand(packed))
            if got["v"] == 1:
                return cls(got["files"], got["variables"], got["templates"])
        except (ValueError, KeyError, TypeError, zstandard.ZstdError) as error:
            message = f"published documents that cannot be read: {type(error).__name__}"
            raise UnknownFormat(message) from error
        message = f"published documents of format {got['v']!r}, which only a newer version of the product knows"
        raise UnknownFormat(message)


def _decoded(files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    wrong = []
    for name, content in files.items():
        try:
            yield name, content.decode("utf-8-sig")
        except UnicodeDecodeError:
            wrong.append(Problem(name, 0, "", "is not UTF-8 text"))
    if wrong:
        raise ConfigError(tuple(wrong))
