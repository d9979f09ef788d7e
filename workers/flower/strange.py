"""Show payloads that our code could not read, and read them again; for admins, as they are nobody's."""

from __future__ import annotations

import tornado.web

from workers.flower.face import Face
from workers.flower.show import redacted, when
from workers.operating.acting import noted
from workers.roles import Role
from workers.unread import Unread, read_again, unread


class Strange(Face):
    """The list, and what can be done."""

    tab = "dead"

    async def get(self) -> None:
        """Show it."""
        self._admins_only()
        found = await self.ask(lambda: list(unread(self.parts.inbox(), self.config)))
        self.render("strange.html", found=found, when=when, redacted=redacted)

    async def post(self) -> None:
        """Read all of them again, or give one up."""
        self._admins_only()
        match self.word("do"):
            case "reread":
                read, left = await self.ask(self._reread)
                self.say(f"{read} could be read now; {left} still cannot.")
            case "drop":
                connection, name = self.word("connection"), self.word("id")
                if connection not in self.config.connections:
                    raise tornado.web.HTTPError(404, f"there is no connection {connection}")
                gone = await self.ask(self.parts.inbox().envelopes.drop_unread, connection, [name])
                noted(self.desk, self.by, "drop unread", connection=connection, payload=name)
                self.say("It is given up." if gone else "It was gone already.")
            case other:
                raise tornado.web.HTTPError(400, f"there is no action {other!r}")
        self.redirect(self.reverse_url("strange"), status=303)

    def _admins_only(self) -> None:
        if not self.person.may(Role.ADMIN):
            raise tornado.web.HTTPError(403, "payloads that belong to no connector are for admins")

    def _reread(self) -> tuple[int, int]:
        inbox, config = self.parts.inbox(), self.config
        found: list[Unread] = list(unread(inbox, config))
        left = sum(1 for one in found if read_again(inbox, config, self.desk.systems, one))
        noted(self.desk, self.by, "reread", payloads=len(found))
        return len(found) - left, left


ROUTES = [tornado.web.url(r"/dead-letters/unread", Strange, name="strange")]
