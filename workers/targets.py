"""Decide where a request of a system may go: to its connection's own origin, and as a redirected read little further.

A path is built from keys and ids that came with events, so it is checked as hostile: it may not climb (``..``), split
the request (line breaks) or name another host.  A read may be redirected to another host (downloads); that host must
be public, speak https on port 443, and sees none of the credential (`foreign`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, quote, urlencode, urljoin, urlsplit

from connector.errors import Rejected
from connector.ports import Request
from workers.wire import USUAL_PORTS, Hop

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN: Final = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:@%?\[\]-]*")
_QUOTED_AS_IS: Final = "/._~!$&'()*+,;=:@%?[]-"
_CLIMBS: Final = re.compile(r"(?i)(?:^|/|%2f)(?:\.|%2e){1,2}(?:/|%2f|[;?#]|$)")
# All that a host which is not the connection's own gets to see.
_FOREIGN: Final = frozenset({"user-agent", "accept-encoding", "accept", "range", "if-none-match", "if-modified-since"})


@dataclass(frozen=True, slots=True)
class Home:
    """A connection's base URL; ``base.target`` ends in a slash."""

    base: Hop

    @classmethod
    def of(cls, url: str) -> Home:
        """Read a base URL; raises `Rejected`."""
        parts = urlsplit(url)
        if parts.scheme not in USUAL_PORTS or not parts.hostname or parts.username is not None:
            raise Rejected("a base URL must be http(s)://host, without credentials", cause="url")
        prefix = parts.path.strip("/")
        target = f"/{prefix}/" if prefix else "/"
        return cls(Hop((parts.scheme, parts.hostname, parts.port or USUAL_PORTS[parts.scheme]), target, own=True))

    def hop(self, request: Request) -> Hop:
        """Return where a request goes; raises `Rejected` where it may not."""
        path = request.path
        if _CONTROL.search(path):
            raise Rejected("a request path holds control characters", cause="path")
        if request.query:
            path += ("&" if "?" in path else "?") + urlencode(request.query, doseq=True)
        if "://" in path[:9]:
            hop = self._read(urlsplit(path))
            if not hop.own:
                raise Rejected(f"{hop.origin[1]} is not the host of this connection", cause="host")
            return hop
        return Hop(self.base.origin, self.base.target + _safe(path.lstrip("/")), own=True)

    def redirected(self, hop: Hop, location: str) -> Hop:
        """Return where an answer from ``hop`` sends a read; raises `Rejected` where it may not go."""
        if _CONTROL.search(location):
            raise Rejected("a redirect holds control characters", cause="redirect")
        try:
            url = urlsplit(urljoin(hop.url, location))
        except ValueError as error:
            raise Rejected("a redirect leads to no URL", cause="redirect") from error
        if hop.origin[0] == "https" and url.scheme == "http":
            raise Rejected("a redirect from https to http is refused", cause="redirect")
        return self._read(url)

    def _read(self, url: SplitResult) -> Hop:
        if url.scheme not in USUAL_PORTS or not url.hostname:
            raise Rejected(f"{url.scheme or 'this'} is no scheme to call", cause="url")
        if url.username is not None or url.password is not None:
            raise Rejected("a URL must hold no credentials", cause="url")
        host = url.hostname
        if not host.isascii() or "%" in host:
            raise Rejected("a host must be spelt in ASCII (xn--)", cause="url")
        try:
            port = url.port or USUAL_PORTS[url.scheme]
        except ValueError as error:
            raise Rejected("a URL holds no valid port", cause="url") from error
        origin = (url.scheme, host, port)
        own = origin == self.base.origin
        if not own and (url.scheme, port) != ("https", 443):
            raise Rejected(f"only https on port 443 may be called on other hosts, not {host}:{port}", cause="url")
        return Hop(origin, "/" + _safe(url.path.lstrip("/") + (f"?{url.query}" if url.query else "")), own)


def foreign(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what of these headers another origin may see."""
    return {name: value for name, value in headers.items() if name.lower() in _FOREIGN}


def _safe(path: str) -> str:
    """Return a path (without its leading slash) that stays in its place; quotes what must be quoted."""
    if "." in path or "%" in path or "\\" in path:
        before, _, _ = path.partition("?")
        if "\\" in before or _CLIMBS.search(before):
            raise Rejected("a request path may not climb", cause="path")
    return path if _PLAIN.fullmatch(path) else quote(path, safe=_QUOTED_AS_IS)
