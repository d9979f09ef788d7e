"""Turn the text of one environment variable into a checked value, or say what is wrong with it.

A variable that is set but empty counts as not set, because that is what compose files and unit files make of an
unset one.  A secret may also be handed in as a file, ``BROKER_URL_FILE=/run/secrets/broker_url``: the environment
of a process shows in ``docker inspect`` and in ``/proc``.  Messages name the variable and never repeat its value.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from connector.ports import Secret

OFF: Final = frozenset({"", "0", "false", "no", "off"})
"""What switches something off, in lower case."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable; ``read`` turns its text into the value and raises ValueError with the reason."""

    name: str
    default: str
    meaning: str
    read: Callable[[str], Any]
    secret: bool = False

    def given(self, environment: Mapping[str, str]) -> str:
        """Return the text that is set, from the variable or from the file it names; else the default."""
        text = environment.get(self.name, "").strip()
        path = environment.get(f"{self.name}_FILE", "").strip() if self.secret else ""
        if text and path:
            message = f"is set twice, directly and by {self.name}_FILE"
            raise ValueError(message)
        if path:
            text = self._kept_in(Path(path))
        return text or self.default

    def _kept_in(self, path: Path) -> str:
        try:
            text = path.read_text(encoding="utf-8").strip()
        except UnicodeDecodeError as error:
            message = f"{self.name}_FILE: {path} is not text"
            raise ValueError(message) from error
        except OSError as error:
            message = f"{self.name}_FILE: cannot read {path}: {error.strerror}"
            raise ValueError(message) from error
        if not text:
            message = f"{self.name}_FILE: {path} is empty"
            raise ValueError(message)
        return text


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers within bounds."""

    def read(text: str) -> int:
        # int() alone would also take "1_0" and digits of other scripts.
        if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
            message = f"must be a whole number from {least} to {most}"
            raise ValueError(message)
        return int(text)

    return read


def span(unit: timedelta, least: int, most: int) -> Callable[[str], timedelta]:
    """Return a reader of a time span, given as a whole number of ``unit``."""
    number = whole(least, most)
    return lambda text: number(text) * unit


def span_or_off(unit: timedelta, least: int, most: int) -> Callable[[str], timedelta]:
    """Return a reader of a time span as `span` reads it, or of ``off``, which is none at all."""
    given = span(unit, least, most)

    def read(text: str) -> timedelta:
        try:
            return timedelta(0) if text.lower() in OFF else given(text)
        except ValueError as error:
            message = f"{error}, or off"
            raise ValueError(message) from error

    return read


def word(*, of: type[StrEnum]) -> Callable[[str], StrEnum]:
    """Return a reader of a closed vocabulary, in any case."""

    def read(text: str) -> StrEnum:
        known = {one.value.lower(): one for one in of}
        if text.lower() not in known:
            message = f"must be one of {', '.join(one.value for one in of)}"
            raise ValueError(message)
        return known[text.lower()]

    return read


def hidden(text: str) -> Secret | None:
    """Keep a credential so that it cannot be printed."""
    return Secret(text) if text else None


def dsn(text: str) -> Secret | None:
    """Read the address of a Sentry project."""
    parts = urlsplit(text)
    if text and not (
        parts.scheme in {"http", "https"}
        and parts.username
        and parts.hostname
        and parts.path.rpartition("/")[2].isdigit()
    ):
        message = "must be the DSN of a Sentry project, like https://KEY@HOST/NUMBER"
        raise ValueError(message)
    return hidden(text)


def basic_auth(text: str) -> Secret | None:
    """Read ``name:password`` pairs as Flower takes them."""
    pairs = text.split(",") if text else []
    if not all(name.strip() and password for name, _, password in (pair.partition(":") for pair in pairs)):
        message = "must be name:password, several separated by commas"
        raise ValueError(message)
    return hidden(text)


def mail_server(text: str) -> Secret | None:
    """Read the address of a mail server."""
    parts = urlsplit(text)
    if text and (parts.scheme not in {"smtp", "smtps"} or not parts.hostname):
        message = "must be smtp://user:password@host:587 (STARTTLS) or smtps://…:465"
        raise ValueError(message)
    return hidden(text)


def page(text: str) -> str:
    """Read the address of a page that people open; "" where there is none."""
    parts = urlsplit(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment):
        message = "must be an http(s) address such as https://flower.acme.example"
        raise ValueError(message)
    return text.rstrip("/")


def networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks."""
    try:
        return tuple(ipaddress.ip_network(one.strip()) for one in text.split(",") if one.strip())
    except ValueError as error:
        message = "must be addresses or networks like 10.0.0.0/8, separated by commas"
        raise ValueError(message) from error


def server(text: str) -> Secret | None:
    """Read the address of a Redis-protocol server; "" stands for the embedded one."""
    if not text:
        return None
    problem = _wrong_with(text)
    if problem:
        raise ValueError(problem)
    return Secret(text)


_UNREADABLE: Final = "is no URL of a server: special characters of a password must be percent-encoded"


def _wrong_with(text: str) -> str:
    try:
        url = urlsplit(text)
        if "cluster" in url.scheme or _is_cluster(url):
            return "a cluster cannot be used (Celery's Redis transport has none): name one server"
        port = url.port
    except ValueError:
        return _UNREADABLE
    if url.fragment or "@" in url.query:
        # A raw '#' or '?' in a password ends the host early: what is left may still look like a good URL.
        return _UNREADABLE
    if url.scheme not in {"redis", "rediss"}:
        return "must begin with redis:// or rediss:// (TLS)"
    if not url.hostname or port == 0:
        return "must name a host, and a port that is not 0"
    if url.path.strip("/") and not url.path.strip("/").isdigit():
        return "the path must be the number of a database, like /0"
    return _weakened(url)


def _is_cluster(url: SplitResult) -> bool:
    # Lists of nodes come as redis://a:1,b:2 or as redis://a:1;redis://b:2; user and password may hold commas.
    return any(mark in url.netloc.rpartition("@")[2] for mark in ",;")


def _weakened(url: SplitResult) -> str:
    """Say which query parameter would switch the check of a certificate off."""
    query = {name.lower(): values for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    asked = {value.lower().removeprefix("cert_") for value in query.get("ssl_cert_reqs", [])}
    if asked - {"required"}:
        return "ssl_cert_reqs must stay 'required': a server that is not verified may be anybody"
    if any(value.lower() in OFF for value in query.get("ssl_check_hostname", [])):
        return "ssl_check_hostname must stay on: a server that is not verified may be anybody"
    return ""
