"""Read the environment once, whole and typed, or refuse to start with all of its problems.

Nothing else reads ``os.environ`` for a setting; credentials that a configuration names as ``env:NAME`` are
revealed where they are used and are not settings.  One declaration per variable gives the field, its default,
its check and its line in the reference (`DOCUMENTED`).
"""
# ruff: noqa: RUF009 - _variable makes a dataclass field, which is meant to be made once

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from connector.errors import ConfigError, Problem
from connector.ports import Secret
from workers.roles import Rule, read_rules
from workers.variables import (
    OFF,
    Network,
    Variable,
    basic_auth,
    dsn,
    mail_server,
    networks,
    page,
    server,
    span,
    span_or_off,
    whole,
    word,
)

SOURCE: Final = "environment"
"""What stands as the file in a `Problem` about a variable."""

_VARIABLE: Final = "variable"


class ConfigSource(StrEnum):
    """Where processes find the configuration that they follow."""

    FOLDER = "folder"
    STORE = "store"


class LogFormat(StrEnum):
    """How log lines are written: for machines or for a terminal."""

    JSON = "json"
    TEXT = "text"


class LogLevel(StrEnum):
    """The least severe record that is written."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


def _variable(name: str, default: str, meaning: str, read: Callable[[str], Any], *, secret: bool = False) -> Any:
    return field(default=read(default), metadata={_VARIABLE: Variable(name, default, meaning, read, secret)})


_SECOND: Final = timedelta(seconds=1)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process was told by its environment; `from_environment` is the only way that checks."""

    broker_url: Secret | None = _variable(
        "BROKER_URL",
        "",
        "Redis or Valkey that carries doorbells (AOF everysec); empty starts an embedded one.",
        server,
        secret=True,
    )
    store_url: Secret | None = _variable(
        "STORE_URL",
        "",
        "Redis or Valkey that holds all state (appendfsync always, noeviction); empty starts an embedded one.",
        server,
        secret=True,
    )
    home: Path = _variable(
        "CONNECTOR_HOME",
        ".",
        "Folder for what an embedded server writes, under .connector/; the working directory by default.",
        Path,
    )
    config: Path = _variable(
        "CONNECTOR_CONFIG",
        ".",
        "Folder with connections/ and connectors/, relative to CONNECTOR_HOME.",
        Path,
    )
    config_source: ConfigSource = _variable(
        "CONNECTOR_CONFIG_SOURCE",
        "folder",
        "folder: processes follow the files of CONNECTOR_CONFIG; store: they follow what `connector apply` publishes.",
        word(of=ConfigSource),
    )
    sentry_dsn: Secret | None = _variable("SENTRY_DSN", "", "Sentry project; empty reports nothing.", dsn, secret=True)
    log_level: LogLevel = _variable("LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR.", word(of=LogLevel))
    log_format: LogFormat = _variable(
        "LOG_FORMAT",
        "json",
        "json (one object a line) or text (for a terminal).",
        word(of=LogFormat),
    )
    receiver_host: str = _variable("RECEIVER_HOST", "127.0.0.1", "Address that webhooks are received on.", str)
    receiver_port: int = _variable("RECEIVER_PORT", "8787", "Port that webhooks are received on.", whole(1, 65535))
    public_url: str = _variable(
        "PUBLIC_URL",
        "",
        "Address that the receiver is reached at from outside; webhooks are installed for it and looked after daily.",
        page,
    )
    receiver_proxies: tuple[Network, ...] = _variable(
        "RECEIVER_PROXIES",
        "",
        "Proxies whose X-Forwarded-For is believed: addresses or networks, separated by commas.",
        networks,
    )
    flower_address: str = _variable("FLOWER_ADDRESS", "127.0.0.1", "Address that Flower is served on.", str)
    flower_port: int = _variable("FLOWER_PORT", "5555", "Port that Flower is served on.", whole(1, 65535))
    flower_basic_auth: Secret | None = _variable(
        "FLOWER_BASIC_AUTH",
        "",
        "name:password of who may open Flower, several separated by commas; Flower does not start without.",
        basic_auth,
        secret=True,
    )
    flower_roles: tuple[Rule, ...] = _variable(
        "FLOWER_ROLES",
        "",
        "Who may do what in Flower: name=role or name=role/team, several separated by commas; a name may be an "
        "e-mail address, *@domain or *; roles are viewer, operator, admin. Empty: whoever gets in may do everything.",
        read_rules,
    )
    flower_url: str = _variable(
        "FLOWER_URL", "", "Address that people open Flower at, for links in alerts; empty leaves links out.", page
    )
    smtp_url: Secret | None = _variable(
        "SMTP_URL",
        "",
        "Mail server for alerts: smtp://user:password@host:587 (STARTTLS is demanded) or smtps://user:password@host:465.",
        mail_server,
        secret=True,
    )
    sentry_url: str = _variable(
        "SENTRY_URL",
        "",
        "Address that people open Sentry's project at, for links on the pages; empty leaves them out.",
        page,
    )
    health_host: str = _variable("HEALTH_HOST", "127.0.0.1", "Address of a worker's /healthz and /readyz.", str)
    health_port: int = _variable(
        "HEALTH_PORT",
        "0",
        "Port of /healthz and /readyz of a worker, the schedule or Flower; 0 serves none.",
        whole(0, 65535),
    )
    worker_threads: int = _variable("WORKER_THREADS", "16", "Threads of one worker process.", whole(1, 256))
    turn: timedelta = _variable(
        "TURN_SECONDS",
        "10",
        "How long a worker drains one connector before it gives the thread back.",
        span(_SECOND, 1, 300),
    )
    call: timedelta = _variable(
        "CALL_SECONDS",
        "30",
        "Longest that a single outbound call may take, whatever its connection allows.",
        span(_SECOND, 1, 300),
    )
    slot: timedelta = _variable(
        "SLOT_SECONDS",
        "15",
        "How long a turn lives without a sign of life of its worker: how soon a killed worker's work goes on.",
        span(_SECOND, 2, 900),
    )
    crashes: int = _variable(
        "CRASHES",
        "5",
        "How often a delivery may end the process that tries it alone before it is a dead letter.",
        whole(1, 100),
    )
    ring: timedelta = _variable(
        "RING_SECONDS",
        "20",
        "How long a doorbell may go unanswered before it is rung again.",
        span(_SECOND, 1, 600),
    )
    probe: timedelta = _variable(
        "PROBE_SECONDS",
        "30",
        "How often a paused connection's credential is read again and tried.",
        span(_SECOND, 1, 3600),
    )
    backoff: timedelta = _variable(
        "BACKOFF_SECONDS",
        "5",
        "First wait after a failure; the later ones (30 s, 2 min ... 12 h) shrink and grow with it.",
        span(_SECOND, 1, 300),
    )
    hold_entities: int = _variable(
        "HOLD_ENTITIES",
        "5",
        "How many entities of a connector must fail with one cause until it is held for that cause.",
        whole(2, 100),
    )
    hold_window: timedelta = _variable(
        "HOLD_WINDOW_SECONDS",
        "600",
        "Within how long they must fail, with no success of the same kind between them.",
        span(_SECOND, 1, 86_400),
    )
    canary: timedelta = _variable(
        "CANARY_SECONDS",
        "60",
        "When the first of what is held is let through, to see whether the cause is mended; the wait then doubles.",
        span(_SECOND, 1, 3600),
    )
    canary_longest: timedelta = _variable(
        "CANARY_LONGEST_SECONDS",
        "900",
        "The longest wait between two such trials.",
        span(_SECOND, 1, 86_400),
    )
    examine: timedelta = _variable(
        "EXAMINE_HOURS",
        "24",
        "How often every connector is held against its target, to warn before deliveries fail; or off.",
        span_or_off(timedelta(hours=1), 1, 720),
    )
    scan: timedelta = _variable(
        "SCAN_MILLISECONDS",
        "200",
        "How often a worker looks for what is due; more often costs CPU, less often delays retries.",
        span(_MILLISECOND, 20, 10_000),
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, cwd: Path | None = None) -> Settings:
        """Read all variables; raises `ConfigError` with every problem at once."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, variable in _BY_FIELD.items():
            try:
                values[name] = variable.read(variable.given(environment))
            except ValueError as error:
                problems.append(_problem(variable.name, str(error)))
        problems += _contradictions(values, environment)
        if problems:
            raise ConfigError(tuple(problems))
        home = ((cwd or Path.cwd()) / values.pop("home")).resolve()
        config = (home / values.pop("config")).resolve()
        return cls(**values, home=home, config=config)


_BY_FIELD: Final[Mapping[str, Variable]] = {one.name: one.metadata[_VARIABLE] for one in fields(Settings)}

DOCUMENTED: Final[tuple[Variable, ...]] = tuple(_BY_FIELD.values())
"""Every variable with its default and meaning, in the order of the reference."""


def _problem(name: str, message: str) -> Problem:
    return Problem(file=SOURCE, line=0, path=name, message=message)


def _contradictions(values: Mapping[str, Any], environment: Mapping[str, str]) -> list[Problem]:
    """Find what is wrong with variables together; one that is wrong by itself is absent from ``values``."""
    problems = []
    if "broker_url" in values and "store_url" in values:
        problems += _unfit_pair(values["broker_url"], values["store_url"])
    if "slot" in values and "scan" in values and values["slot"] < 3 * values["scan"]:
        problems.append(_problem("SLOT_SECONDS", "must be three times SCAN_MILLISECONDS: a scan renews the leases"))
    if environment.get("FLOWER_UNAUTHENTICATED_API", "").strip().lower() not in OFF:
        problems.append(_problem("FLOWER_UNAUTHENTICATED_API", "must not be set: any web page could then run tasks"))
    return problems


def _unfit_pair(broker: Secret | None, store: Secret | None) -> list[Problem]:
    if (broker is None) != (store is None):
        name = "BROKER_URL" if broker is None else "STORE_URL"
        return [_problem(name, "must be set too: broker and store are both embedded, or both given")]
    if broker and store and _place(broker) == _place(store):
        return [
            _problem("STORE_URL", "is the server of BROKER_URL: they need two, a full broker must not stop the store")
        ]
    return []


def _place(url: Secret) -> tuple[str | None, int]:
    parts = urlsplit(url.reveal())
    return parts.hostname, parts.port or 6379
