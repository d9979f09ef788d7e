"""Write one JSON object a line that no payload can forge and no credential can reach.

Every record carries the connector, delivery, entity, configuration and turn it speaks of (`about`), so that a
story is found by one search.  Texts of users end up in messages: line breaks, control characters and bidirectional
overrides are escaped.  Credentials are hidden by *value*: whoever reveals one registers it (`revealing`), and
whatever is written afterwards is searched for it, plain, URL-encoded, JSON-escaped and inside base64 at any
offset (``Basic`` credentials).  Headers and parameters that carry credentials are hidden by *name* as well, for
values never seen before.  Weakness: a credential of fewer than six characters is not hidden by value, it would
blot out words.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO
from urllib.parse import quote, quote_plus

from connector.ports import Reveal, Secret, SecretRef

HIDDEN: Final = "[redacted]"
FIELDS: Final = ("connector", "delivery", "entity", "config", "turn")
SHORTEST: Final = 6
"""Characters below which a credential is not searched for."""

SENSITIVE_HEADERS: Final = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "x-api-key",
        "x-gitlab-token",
        "private-token",
        "x-hub-signature",
        "x-hub-signature-256",
        "x-slack-signature",
        "webhook-signature",
        "x-amz-security-token",
    }
)

_SENSITIVE: Final = re.compile(
    r"authoriz|cookie|token|secret|passw|signature|api[-_]?key|credential|private[-_]?key", re.IGNORECASE
)
# name, separator and quotes as in headers, JSON, reprs and query strings; then the value to its end.
_NAMED: Final = re.compile(
    r"""(?ix)
    ( \b (?: (?:proxy-)?authorization | (?:set-)?cookie | x-api-key | api[-_]?key | sig
           | [a-z0-9_-]* (?: token | secret | passw(?:or)?d | signature (?: -256 )? ) )
      \\?["']? \s* (?: [:=] | ,\ (?=["']) ) \s* \\?["']? )
    ( (?: (?:basic|bearer|token|hmac) \s+ )? [^\s"'\\,;&<>)}\]]+ )
    """,
)
_IN_URL: Final = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://)[^\s/@\"']*:[^\s/@\"']*@")
# JSON escapes control characters below 0x20 by itself; these it would let through.
_FORGING: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
_ESCAPED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def is_sensitive(name: str) -> bool:
    """Tell whether a header, parameter or member of this name may carry a credential."""
    return name.lower() in SENSITIVE_HEADERS or _SENSITIVE.search(name) is not None


class Redactor:
    """Hides the credentials it was told of, in any text."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._shapes: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def remember(self, value: str) -> None:
        """Search for ``value`` from now on."""
        if value in self._known or len(value) < SHORTEST:
            return
        with self._lock:
            self._known.add(value)
            self._shapes |= _shapes(value)
            # The longest first: a shape may be part of another.
            longest_first = sorted(self._shapes, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def __call__(self, text: str) -> str:
        """Return ``text`` without credentials."""
        if self._pattern is not None:
            text = self._pattern.sub(HIDDEN, text)
        text = _IN_URL.sub(rf"\1{HIDDEN}@", text)
        return _NAMED.sub(rf"\1{HIDDEN}", text)


def _shapes(value: str) -> set[str]:
    raw = value.encode("utf-8", "surrogatepass")
    found = {value, quote(value), quote(value, safe=""), quote_plus(value), repr(value)[1:-1], json.dumps(value)[1:-1]}
    for lead in range(3):
        # Inside base64 a value looks different at each of three offsets; its edges depend on its neighbours.
        encoded = base64.b64encode(b"\0" * lead + raw)
        whole = (len(raw) + lead) // 3 * 4
        core = encoded[4 if lead else 0 : whole].decode()
        found |= {core, core.replace("+", "-").replace("/", "_")}
    return {shape for shape in found if len(shape) >= SHORTEST}


redact: Final = Redactor()
"""The redactor of this process: a credential that any part reveals is hidden everywhere."""


def revealing(reveal: Reveal, redactor: Redactor = redact) -> Reveal:
    """Wrap a `Reveal` so that whatever it reveals is hidden from then on."""

    def remembered(ref: SecretRef) -> Secret:
        secret = reveal(ref)
        redactor.remember(secret.reveal())
        return secret

    return remembered


_ABOUT: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039 - the default is never mutated


@contextlib.contextmanager
def about(**fields: str) -> Iterator[None]:
    """Put ``fields`` (of `FIELDS`) on every record logged inside."""
    unknown = fields.keys() - set(FIELDS)
    if unknown:
        raise TypeError(f"not a field of a log record: {', '.join(sorted(unknown))}")
    token = _ABOUT.set({**_ABOUT.get(), **fields})
    try:
        yield
    finally:
        _ABOUT.reset(token)


def spoken_of() -> Mapping[str, str]:
    """Return the fields that records logged here would carry."""
    return _ABOUT.get()


def one_line(text: str) -> str:
    """Escape what could break a line, hide text or reverse it, in a way that JSON reads back."""
    return _FORGING.sub(lambda found: _ESCAPED.get(found[0]) or f"\\u{ord(found[0]):04x}", text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, what it is about, the traceback."""

    def __init__(self, redactor: Redactor = redact) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_ABOUT.get(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        trace = _trace(self, record)
        if trace:
            line["trace"] = trace
        # Values are hidden one by one and before quoting: no escape can split one, and a message that ends
        # with the word "token" does not make the next member look like its value.
        hidden = {name: self._redactor(str(value)) for name, value in line.items()}
        return one_line(json.dumps(hidden, ensure_ascii=False))


class TextFormatter(logging.Formatter):
    """The same for a person at a terminal: ``12:30:01 warning workers.delivery message (connector=...)``."""

    def __init__(self, redactor: Redactor = redact) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows on lines of its own, indented."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = " ".join(f"{name}={value}" for name, value in _ABOUT.get().items())
        message = f"{at} {record.levelname.lower():7} {record.name} {record.getMessage()}{fields and f' ({fields})'}"
        lines = [message, *(f"    {line}" for line in _trace(self, record).splitlines())]
        return "\n".join(self._redactor(one_line(line)) for line in lines)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = [formatter.formatException(record.exc_info)] if record.exc_info else [record.exc_text or ""]
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(part for part in parts if part)


def start(level: str = "INFO", *, form: str = "json", stream: TextIO | None = None) -> None:
    """Send every logger of the process to one handler on ``stream`` (standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # urllib3 logs each request's target at DEBUG; with it go query strings.
    logging.getLogger("urllib3").setLevel(logging.INFO)
