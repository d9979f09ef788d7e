"""Send a system's requests over HTTP: with its credentials, within its limits and deadlines, to its own host.

What goes wrong is raised as the error that says what happens next.  ``sent`` is the fact everything else hangs on:
False only where no byte of the request can have reached the target (name, connection, TLS, our own limits and
lease), True for every time-out, reset and broken answer after that.

A refused answer is the ``__cause__`` of the error (`Refused`), redacted and short enough for an attempt log.

Not kept on purpose: cookies (a session cookie would outlive the credential it was given for) and the environment
(``HTTPS_PROXY``, ``.netrc``): only ``http.proxy`` of the connection counts.
"""

from __future__ import annotations

import re
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol

import requests
from requests import PreparedRequest
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as Late

from connector.config import Connection
from connector.errors import ConnectorError, RateLimited, Rejected, Retryable, Scope
from connector.ports import Request, Response, Reveal
from workers.addresses import Guard
from workers.logs import redact
from workers.targets import Home, foreign
from workers.unpacking import LARGEST, TooLarge, read, unpacked
from workers.wire import Adapter, Call, Hop, Prepared

VERSION: Final = "0.1.0"
HOPS: Final = 3
SNIPPET: Final = 2048
LONGEST_WAIT: Final = timedelta(days=1)
LEAST: Final = 2.0
"""Seconds of a lease below which no call is begun: it would only end as an unknown outcome."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# Ours to set: they frame the message or name the host.
_OURS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "te", "upgrade", "proxy-authorization"}
)


class Limiter(Protocol):
    """Spends the tokens of a connection, whoever else spends them too."""

    def take(self, request: Request, /) -> None:
        """Take what ``request`` costs; raises `RateLimited`, and then nothing is sent."""
        ...

    def learn(self, request: Request, response: Response | None, error: ConnectorError | None, /) -> None:
        """Hear how it went: the answer's headers, and the error where it was one."""
        ...


class Vendor(Protocol):
    """What the transport asks of a system."""

    @property
    def base_url(self) -> Callable[[Any], str]:
        """Its address, from a connection's settings."""
        ...

    @property
    def authorize(self) -> Callable[[Any, Reveal], Mapping[str, str]]:
        """The headers that carry a connection's credential."""
        ...

    @property
    def refusal(self) -> Callable[[Request, Response], ConnectorError | None]:
        """The error that a bad answer stands for; None for a good one."""
        ...


class Unlimited:
    """A limiter for doctor commands and tests: grants everything and learns nothing."""

    def take(self, request: Request, /) -> None:
        """Grant it."""

    def learn(self, request: Request, response: Response | None, error: ConnectorError | None, /) -> None:
        """Forget it."""


@dataclass(eq=False)
class Refused(Exception):
    """An answer that the system calls bad, fit to be kept with an attempt: redacted, 2 kB at most."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    snippet: str

    def __str__(self) -> str:
        return f"{self.method} {self.path} -> {self.status} {self.snippet[:200]}"

    @classmethod
    def of(cls, request: Request, response: Response) -> Refused:
        """Sum an answer up."""
        text = redact(response.body[: SNIPPET * 2].decode("utf-8", "backslashreplace"))
        kept = {
            name: redact(value)[:200]
            for name, value in response.headers.items()
            if name.startswith(("x-ratelimit", "ratelimit", "x-request-id", "x-github-request-id", "retry-after"))
            or name in {"content-type", "date", "atl-traceid", "x-arequestid", "x-seraph-loginreason", "x-slack-req-id"}
        }
        return cls(request.method, redact(request.path.partition("?")[0]), response.status, kept, text[:SNIPPET])


_BROKEN: Final = (requests.RequestException, HTTPError, OSError, zlib.error)
"""What an exchange may end in, where there is no whole answer."""


class _Local(threading.local):
    """What one thread has of a transport."""

    session: requests.Session | None = None
    adapter: Adapter | None = None
    call: Call | None = None
    deadline: float | None = None


class Transport:
    """The `connector.ports.Transport` of one connection; safe to share between threads.

    ``clock`` counts seconds and never goes back (``time.monotonic``); ``now`` is the wall clock, for dates in
    ``Retry-After``.  ``on_call(request, status, seconds, sent, received)`` is told of every exchange, with status 0
    where there was no answer, and of the bytes that left and came.
    """

    def __init__(
        self,
        system: Vendor,
        connection: Connection,
        reveal: Reveal,
        *,
        limiter: Limiter,
        guard: Guard,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_call: Callable[[Request, int, float, int, int], None] | None = None,
    ) -> None:
        self._system = system
        self._connection = connection
        self._reveal = reveal
        self._limiter = limiter
        self._guard = guard
        self._clock = clock
        self._now = now
        self._on_call = on_call
        self._total = connection.http.total.total_seconds()
        self._home = Home.of(system.base_url(connection.settings))
        # urllib3 wants some timeouts; the sockets trim them to what is left of the call.
        http = connection.http
        self._timeouts = (http.connect.total_seconds(), http.read.total_seconds())
        self._local = _Local()
        self.calls = 0

    @property
    def deadline(self) -> float | None:
        """The instant of ``clock`` by which *this thread's* calls are over or not begun; None: no lease."""
        return self._local.deadline

    @deadline.setter
    def deadline(self, instant: float | None) -> None:
        self._local.deadline = instant

    def __call__(self, request: Request, /) -> Response:
        """Send it; see `connector.ports.Transport`."""
        hop = self._home.hop(request)
        headers, body = self._message(request)
        self._end()
        self._limiter.take(request)
        began, (_, call) = self._clock(), self._mine()
        call.bytes_out = call.bytes_in = 0
        response: Response | None = None
        error: ConnectorError | None = None
        try:
            headers.update(self._credentials())
            # Taking a token may have taken time; this is the last look before bytes leave.
            end, began = self._end(), self._clock()
            response = self._follow(request, hop, headers, body, end)
            error = self._judge(request, response)
            if error is not None:
                raise error from Refused.of(request, response)
        except ConnectorError as raised:
            error = raised
            raise
        finally:
            self.calls += 1
            self._limiter.learn(request, response, error)
            if self._on_call is not None:
                status = response.status if response else 0
                self._on_call(request, status, self._clock() - began, call.bytes_out, call.bytes_in)
        return response

    def close(self) -> None:
        """Close this thread's connections; those of other threads go with their threads."""
        if self._local.session is not None:
            self._local.session.close()
            self._local.session = None

    # --- before ------------------------------------------------------------------------------------
    def _message(self, request: Request) -> tuple[dict[str, str], bytes | None]:
        headers = {"User-Agent": f"jira-connector/{VERSION}", "Accept-Encoding": "gzip", "Accept": "application/json"}
        if request.json is not None:
            headers["Content-Type"] = "application/json"
        for name, value in request.headers.items():
            usual = _USUAL_NAMES.get(name.lower(), name)
            if usual.lower() in _OURS or not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
                raise Rejected(f"a system may not send the header {name!r} with this value", cause="header")
            headers[usual] = value
        body = request.content()
        if body is not None or request.method in {"POST", "PUT", "PATCH"}:
            body = body or b""
            headers["Content-Length"] = str(len(body))
        return headers, body

    def _credentials(self) -> Mapping[str, str]:
        given = self._system.authorize(self._connection.settings, self._reveal)
        for name, value in given.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
                # The value is the credential: a stray line break of its file must not print it.
                raise Rejected(f"the credential in {name} holds characters that no header may hold", cause="credential")
        return given

    def _end(self) -> float:
        """Return when a call begun now must be over; raises `Retryable` where the lease leaves too little."""
        now, until = self._clock(), self._local.deadline
        if until is None:
            return now + self._total
        if until - now < min(LEAST, self._total):
            raise Retryable("the lease ends too soon for another call", sent=False, cause="lease")
        return min(until, now + self._total)

    # --- the exchange ------------------------------------------------------------------------------
    def _follow(
        self, request: Request, hop: Hop, headers: Mapping[str, str], body: bytes | None, end: float
    ) -> Response:
        """Exchange, and for reads follow up to three redirects: same rules, no credentials elsewhere."""
        method = request.method
        for _ in range(HOPS + 1):
            response = self._exchange(Prepared(hop, method, headers, body), end, repeat=not request.writes)
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or location is None:
                return response
            if request.writes:
                return response
            hop, before = self._home.redirected(hop, location), hop
            if hop.origin != before.origin:
                headers = foreign(headers)
            if response.status == 303 or (response.status in {301, 302} and method == "POST"):
                method, body = "GET", None
                headers = {n: v for n, v in headers.items() if n not in {"Content-Length", "Content-Type"}}
        raise Rejected(f"more than {HOPS} redirects", cause="redirects")

    def _exchange(self, prepared: Prepared, end: float, *, repeat: bool) -> Response:
        adapter, call = self._mine()
        if self._connection.http.proxy:
            self._guard.check_literal(prepared.hop.origin[1], own=prepared.hop.own)
        call.begin(end, own=prepared.hop.own)
        try:
            return self._once(adapter, prepared)
        except _BROKEN as error:
            if repeat and call.sent and call.reused and not call.overflow and call.received == 0 and not _late(error):
                # The target closed an idle connection just as we used it.  A read may simply be asked again.
                call.begin(end, own=prepared.hop.own)
                adapter.forget()
                try:
                    return self._once(adapter, prepared)
                except _BROKEN as again:
                    raise _failed(again, call, prepared) from again
            raise _failed(error, call, prepared) from error

    def _once(self, adapter: Adapter, prepared: PreparedRequest) -> Response:
        answer = adapter.send(prepared, stream=True, timeout=self._timeouts)
        raw = answer.raw
        try:
            body = unpacked(read(raw), raw.headers.get("content-encoding", ""))
        except BaseException:
            raw.close()
            raise
        raw.release_conn()
        return Response(answer.status_code, {n.lower(): v for n, v in raw.headers.items()}, body)

    def _mine(self) -> tuple[Adapter, Call]:
        local = self._local
        if local.session is None or local.adapter is None or local.call is None:
            http = self._connection.http
            local.call = Call(
                self._guard, self._clock, http.connect.total_seconds(), http.read.total_seconds(), LARGEST
            )
            local.adapter = Adapter(local.call, ca_file=http.ca_file, proxy=http.proxy)
            local.session = requests.Session()
            local.session.trust_env = False
            local.session.mount("https://", local.adapter)
            local.session.mount("http://", local.adapter)
        return local.adapter, local.call

    # --- after -------------------------------------------------------------------------------------
    def _judge(self, request: Request, response: Response) -> ConnectorError | None:
        if request.writes and response.status == 303:
            # "See other" may well follow a write that was done.
            return Retryable("the target answered a write by 303", sent=True, cause="redirect", status=303)
        if request.writes and response.status in _REDIRECTS:
            return Rejected(
                f"the target moved ({response.status}); a write does not follow: correct the connection's URL",
                cause="redirect",
                status=response.status,
            )
        error = self._system.refusal(request, response)
        if isinstance(error, RateLimited) and error.scope is Scope.ENDPOINT:
            error.endpoint = error.endpoint or request.endpoint
        if isinstance(error, Retryable) and error.retry_after is None and "retry-after" in response.headers:
            error.retry_after = retry_after(response.headers["retry-after"], self._now())
        return error


_USUAL_NAMES: Final = {name.lower(): name for name in ("User-Agent", "Accept-Encoding", "Accept", "Content-Type")}


def retry_after(value: str, now: datetime) -> timedelta | None:
    """Read ``Retry-After``: seconds or an HTTP date, a day at most; None where it is neither."""
    text = value.strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return min(timedelta(seconds=float(text)), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max(at - now, timedelta(0)), LONGEST_WAIT)


def _late(error: BaseException) -> bool:
    """Tell a time-out, however deeply requests and urllib3 wrapped it, from a cut connection."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, TimeoutError | Late | requests.Timeout):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _failed(error: Exception, call: Call, prepared: Prepared) -> ConnectorError:
    """Name an exchange without an answer."""
    where = f"{prepared.method} {prepared.hop.origin[1]}"
    if call.overflow or isinstance(error, TooLarge):
        # A write has landed whatever came back; a read would only be too large again.
        if prepared.method in {"GET", "HEAD"}:
            return Rejected(f"{where}: the answer is larger than {LARGEST} bytes", cause="too_large")
        return Retryable(f"{where}: the answer is larger than {LARGEST} bytes", sent=True, cause="too_large")
    if isinstance(error, requests.exceptions.SSLError) and not call.sent:
        unknown = any(word in str(error) for word in ("self-signed", "self signed", "local issuer"))
        hint = "; name the authority that signed it in http.ca_file" if unknown else ""
        return Retryable(f"{where}: {redact(str(error))[:500]}{hint}", sent=False, cause="tls")
    if isinstance(error, requests.exceptions.ProxyError) and not call.sent:
        return Retryable(f"{where}: {redact(str(error))[:500]}", sent=False, cause="proxy")
    if isinstance(error, zlib.error):
        return Retryable(f"{where}: the answer cannot be unpacked: {error}", sent=True, cause="garbled")
    cause = "timeout" if _late(error) else "reset"
    return Retryable(f"{where}: {redact(str(error))[:500]}", sent=call.sent, cause=cause)
