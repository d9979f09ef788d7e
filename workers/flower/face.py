"""Be what every page of ours is made of: who asks, may they, is it really them, and nothing leaks on errors."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NoReturn, ParamSpec, TypeVar

import tornado.web
from flower.views import BaseHandler

from connector.config import Config, Connector
from workers.desk import Desk
from workers.operating.acting import Actor
from workers.roles import Person, Role, person
from workers.stores.scripts import StoreError

log = logging.getLogger("connector.flower")

TOLD: Final = {
    403: "You may not do this; or the form is too old: open the page anew and try again.",
    404: "There is no such page.",
    405: "That cannot be done here.",
    500: "A bug of ours. It is in Flower's log; nothing is lost.",
}

P = ParamSpec("P")
T = TypeVar("T")

HEADERS: Final = {
    # Scripts and styles come from this server only; nothing inline, nothing framed.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Face(BaseHandler):  # type: ignore[misc]  # Flower has no types
    """A handler of ours.  ``self.application.settings["connector"]`` holds the `install.Parts`."""

    current_user: str | None
    tab = ""
    """The link of the navigation bar that the page belongs to."""

    @property
    def parts(self) -> Any:
        """What our pages work with."""
        return self.application.settings["connector"]

    @property
    def desk(self) -> Desk:
        """What an operator works with."""
        desk: Desk = self.parts.desk()
        return desk

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.desk.config()

    # --- who ----------------------------------------------------------------------------------------------
    def set_default_headers(self) -> None:
        """Put the same strict headers on every answer, errors included."""
        super().set_default_headers()
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def get_current_user(self) -> str | None:
        """Return the name of whoever asks, also under basic auth, where Flower itself only says *somebody*."""
        options = self.application.options
        if not (options.basic_auth or options.auth):
            return None  # Flower would let anybody in
        user: object = super().get_current_user()
        if not user:
            return None
        if user is True:
            return _basic_name(self.request.headers.get("Authorization", ""))
        return str(user)

    def prepare(self) -> None:
        """Let nobody in who is not known, or who may see nothing; look whether the configuration has changed."""
        if not self.parts.process.source.remote:
            self.parts.process.source.follow()
        if not self.current_user:
            self.refuse_stranger()
        self.person: Person = person(self.parts.rules, self.current_user)
        if not self.person.anywhere:
            raise tornado.web.HTTPError(403, f"{self.current_user} may not see anything here; ask for a role")

    def refuse_stranger(self) -> NoReturn:
        """Send a person to the login, everybody else away."""
        if self.application.options.auth and self.request.method == "GET":
            self.redirect(self.get_login_url())
            raise tornado.web.Finish
        raise tornado.web.HTTPError(401)

    def check_xsrf_cookie(self) -> None:
        """Demand the token, and the same origin, of every form: also under basic auth, where Flower does not."""
        super().check_xsrf_cookie()
        tornado.web.RequestHandler.check_xsrf_cookie(self)

    @property
    def by(self) -> Actor:
        """Whoever acts, for the audit."""
        return Actor(self.person.name, str(self.request.remote_ip))

    # --- may ----------------------------------------------------------------------------------------------
    def connectors(self, role: Role = Role.VIEWER) -> list[Connector]:
        """Return the connectors for which whoever asks holds a role, by name."""
        found = self.person.sees(self.config.connectors.values(), role)
        return sorted(found, key=lambda one: one.name)

    def connector_named(self, name: str, role: Role = Role.VIEWER) -> Connector:
        """Return a connector; 404 where there is none that may be seen, 403 where it may only be seen."""
        found = self.config.called(name)
        if found is None or not self.person.may(Role.VIEWER, found):
            raise tornado.web.HTTPError(404, f"there is no connector {name}")
        if not self.person.may(role, found):
            raise tornado.web.HTTPError(403, f"{self.person.name} is no {role.name.lower()} of {name}")
        return found

    # --- say ----------------------------------------------------------------------------------------------
    def say(self, sentence: str) -> None:
        """Tell whoever acts, on the next page, what was done; signed, so that no link can put words there."""
        self.set_secure_cookie("connector_said", sentence, expires_days=None, samesite="Strict")

    def render(self, *args: Any, **kwargs: Any) -> None:
        """Render a page with what every page of ours shows."""
        said = self.get_secure_cookie("connector_said", max_age_days=1)
        if said:
            self.clear_cookie("connector_said", samesite="Strict", httponly=True)
        person_ = getattr(self, "person", None)
        super().render(
            *args,
            tab=self.tab,
            said=said.decode() if said else "",
            who=person_.name if person_ is not None else "",
            **kwargs,
        )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say what is wrong; never a traceback, never what this process is made of."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        told = said_of(error)
        if not hasattr(self, "_current_user"):
            self.current_user = None
        self.set_status(status_code)
        if status_code == 401:
            self.set_header("WWW-Authenticate", 'Basic realm="flower", charset="UTF-8"')
            self.finish("Access denied")
            return
        self.render("failure.html", status=status_code, told=told or TOLD.get(status_code, "Something went wrong."))

    # --- work ----------------------------------------------------------------------------------------------
    async def ask(self, look: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what talks to the store or to a system, away from the event loop."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self.application.executor, partial(look, *args, **kwargs))
        except StoreError as error:
            log.warning("the store does not answer: %s", error)
            raise tornado.web.HTTPError(503, "the store does not answer; nothing is lost, try again") from error

    def word(self, name: str, default: str = "") -> str:
        """Return a parameter as it was sent; templates escape."""
        value = self.get_argument(name, default, escape=False)
        return value if isinstance(value, str) else default

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """Return a parameter as a number within bounds; 400 otherwise."""
        text = self.word(name) or str(default)
        try:
            value = float(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise tornado.web.HTTPError(400, f"{name} must be a number from {least:g} to {most:g}")
        return value


def said_of(error: BaseException | None) -> str:
    """Return what one of our handlers said is wrong; "" where it was not one of them, whose words are for its log."""
    told = error.log_message if isinstance(error, tornado.web.HTTPError) else None
    return told if told and "_xsrf" not in told and "XSRF" not in told else ""


def _basic_name(header: str) -> str | None:
    # Flower has compared name and password; the header is therefore well formed.
    _, _, credentials = header.partition(" ")
    name, _, _ = b64decode(credentials.encode()).decode().partition(":")
    return name or None
