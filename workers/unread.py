"""Deal with payloads that our code could not read: show them, and read them again after an upgrade.

They are kept raw under their connection and counted as dead letters of the pseudo-connector
``@<connection>``; the source got its 2xx, so that a bug of ours never makes it switch its webhook off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connector.config import Config
from connector.errors import Unreadable
from connector.system import Inbound, System, Trust
from workers.inbox import Inbox


@dataclass(frozen=True, slots=True)
class Unread:
    """One such payload; ``at`` is seconds since 1970."""

    id: str
    connection: str
    at: float
    why: str
    headers: Mapping[str, str]
    body: str


def unread(inbox: Inbox, config: Config) -> Iterator[Unread]:
    """Yield what could not be read, connection by connection."""
    for name in config.connections:
        for key, row in inbox.envelopes.unread(name).items():
            yield Unread(key, name, float(row["at"]), str(row["why"]), row["headers"], str(row["body"]))


def read_again(inbox: Inbox, config: Config, systems: Mapping[str, System], one: Unread) -> str:
    """Try a payload once more; returns "" when its events are accepted, else why it still cannot be read.

    It was verified when it came in, but its signature is not kept: its values are taken as hints.
    """
    connection = config.connections[one.connection]
    system = systems[connection.system]
    body = one.body.encode("utf-8", "surrogatepass")
    try:
        got = system.receive(connection.name, connection.settings, Inbound(one.headers, body), Trust.HINT)
    except Unreadable as error:
        return str(error)
    inbox.accept(got.events, revive=True)
    inbox.envelopes.drop_unread(one.connection, [one.id])
    return ""
