"""Serve our pages over a desk of tests: Flower's own templates and rules, no broker, one request at a time."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import urllib.parse
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import flower.urls
import tornado.httpclient
import tornado.httpserver
import tornado.netutil
import tornado.web

from workers.desk import Desk
from workers.flower.install import Templates, routes
from workers.inbox import Inbox
from workers.roles import read_rules


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    text: str
    headers: Any

    @property
    def words(self) -> str:
        """The page without its markup, as one line."""
        return " ".join(re.sub(r"<[^>]+>", " ", self.text.partition("<main")[2]).split())

    def json(self) -> Any:
        """Return the document."""
        return json.loads(self.text)


class Faces:
    """All pages; everybody's password is ``secret``, ``roles`` say who may what."""

    def __init__(self, desk: Desk, inbox: Inbox, roles: str) -> None:
        parts = SimpleNamespace(
            process=SimpleNamespace(source=SimpleNamespace(remote=True), settings=SimpleNamespace(sentry_url="")),
            rules=read_rules(roles),
            desk=lambda: desk,
            inbox=lambda: inbox,
        )
        names = [one.partition("=")[0].strip() for one in roles.split(",")]
        settings = {**flower.urls.settings, "template_loader": Templates(Path(flower.urls.settings["template_path"]))}
        self._app = tornado.web.Application(
            [*routes(), *flower.urls.handlers],
            **{**settings, "cookie_secret": "secret", "xsrf_cookies": True, "connector": parts},
        )
        self._app.options = SimpleNamespace(  # type: ignore[attr-defined]  # Flower's application has these
            basic_auth=[f"{name}:secret" for name in names], auth="", url_prefix="", debug=False
        )
        self._app.executor = ThreadPoolExecutor(1)  # type: ignore[attr-defined]  # the same
        self._jars: dict[str, SimpleCookie] = {}

    def ask(self, path: str, who: str, *, body: bytes | None = None, **headers: str) -> Answer:
        """Ask as somebody, with the cookies they have; redirects are not followed."""
        jar = self._jars.setdefault(who, SimpleCookie())
        given = {
            "Authorization": "Basic " + base64.b64encode(f"{who}:secret".encode()).decode(),
            "Cookie": "; ".join(f"{name}={one.coded_value}" for name, one in jar.items()),
            **headers,
        }
        answer = asyncio.run(self._fetch(path, given, body))
        for line in answer.headers.get_list("Set-Cookie"):
            jar.load(line)
        return answer

    async def _fetch(self, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        server = tornado.httpserver.HTTPServer(self._app)
        (socket,) = tornado.netutil.bind_sockets(0, "127.0.0.1")
        server.add_socket(socket)
        try:
            got = await tornado.httpclient.AsyncHTTPClient().fetch(
                f"http://127.0.0.1:{socket.getsockname()[1]}{path}",
                method="GET" if body is None else "POST",
                headers=dict(headers),
                body=body,
                follow_redirects=False,
                raise_error=False,
            )
        finally:
            server.stop()
        return Answer(got.code, got.body.decode(), got.headers)

    def send(self, path: str, who: str, **fields: str) -> Answer:
        """Send the form of a page, with every hidden field that it holds."""
        page = self.ask(path, who).text
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        return self.ask(path, who, body=urllib.parse.urlencode({**hidden, **fields}).encode())

    def call(self, path: str, who: str, document: Mapping[str, Any]) -> Answer:
        """Call the API as a script does."""
        self.ask("/connectors", who)
        token = self._jars[who]["_xsrf"].value
        headers = {"X-XSRFToken": token, "Content-Type": "application/json"}
        return self.ask(path, who, body=json.dumps(dict(document)).encode(), **headers)
