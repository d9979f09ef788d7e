"""A town of two for two-way connectors: GitHub's and Jira's own code, one connector between them, people on both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from fakeredis import FakeRedis, FakeServer

from connector.event import Event
from connector.loading import load
from connector.ports import Request, Response, Site
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from tests.systems.jira.places import Someone
from tests.workers.street import Street
from workers.delivery import run_turn
from workers.scanner import scan
from workers.stores.deliveries import Deliveries
from workers.turns import Turns

TEXT: Final = """
version: 1
instance: test
connections:
  git: {system: github, auth: {token: "env:T"}}
  jira: {system: jira, url: "https://acme.atlassian.net", auth: {email: a@b.example, token: "env:T"}}
connectors:
- version: 1
  name: pair
  from: {connection: git, repositories: [acme/web]}
  to: {connection: jira, project: WEB, type: Bug}
  direction: two-way
  comments: {text: "{{ comment.body }}"}
  back: {from: {project: WEB}, to: {repository: acme/web}, create: true}
  mapping:
    Summary: title
    Description: body
    Labels: {from: labels, conflict: union}
    Status:
      from: state
      map: {open: To Do, closed: Done}
      back: {from: state_category, map: {new: open, active: open, done: closed}}
"""


class Killed(BaseException):
    """The process is gone: a dead one does nothing more, not even in a finally."""


class Pairs(Street):
    """GitHub issues and Jira issues that one connector keeps equal."""

    def __init__(self, text: str = TEXT) -> None:
        self.fuse = -1
        """After how many calls to the store or to a system the process dies; -1: never."""
        self.dead = False
        self.meanwhile: list[Callable[[], None]] = []
        """What people do, one thing at each call of ours to a system: just before it is made."""
        self.told: Callable[[str, Request], None] = lambda _name, _request: None
        """Is told of every write of ours, just before it is made."""
        self.done: Callable[[str, Request], None] = lambda _name, _request: None
        """Is told of every write of ours, as soon as the system has taken it."""
        super().__init__(FakeRedis(server=FakeServer(server_type="valkey")))
        self.declare(load({"a.yaml": text}, SYSTEMS, TRANSFORMS, {}).connectors["pair"])
        self.ada = Someone(self.benches["jira"])

    # --- a process that may die -----------------------------------------------------------------------------
    def point(self) -> None:
        """Come to a point where the process may die."""
        if self.dead:
            raise Killed
        if self.fuse == 0:
            self.dead = True
            raise Killed
        self.fuse -= self.fuse > 0

    def books(self, connector: Any) -> Deliveries:
        made = super().books(connector)
        run = made._run

        def fused(name: str, *arguments: Any) -> Any:
            self.point()
            got = run(name, *arguments)
            self.point()
            return got

        made._run = fused  # type: ignore[method-assign]  # a process that may die before or after each script
        return made

    def site(self, connection: str, until: float) -> Site:
        plain = super().site(connection, until)

        def send(request: Request, /) -> Response:
            self.point()
            if self.meanwhile:
                self.meanwhile.pop(0)()
            if request.writes:
                self.told(connection, request)
            answer = plain.send(request)
            if request.writes:
                self.done(connection, request)
            self.point()
            return answer

        return replace(plain, send=send)

    def die_after(self, points: int) -> None:
        """Answer bells until so many points were passed, then die; the lease is left to expire."""
        self.fuse = points
        try:
            while self.bells:
                run_turn(self.desk, *self.bells.pop(0))
        except Killed:
            pass
        finally:
            self.fuse, self.dead = -1, False
        self.desk.turns = Turns()
        self.clock.move(self.pace.slot + 1000)
        scan(self.desk)

    # --- what there is ------------------------------------------------------------------------------------------
    @property
    def book(self) -> Deliveries:
        """The books of the connector."""
        return self.books(self.config.connectors["pair"])

    def on_git(self, key: str = "acme/web#1") -> dict[str, Any]:
        """Return a GitHub issue as it is now: title, body, labels, state..."""
        issues = self.benches["git"].sandbox.state()["repositories"]["acme/web"]["issues"]
        found: dict[str, Any] = next(one for one in issues if one["key"] == key)
        return found

    def on_jira(self, key: str = "WEB-1") -> dict[str, Any]:
        """Return the fields of a Jira issue as they are now."""
        found: dict[str, Any] = self.benches["jira"].sandbox.state()[key]["fields"]
        return found

    def questions(self) -> dict[str, Any]:
        """Return what waits for a person, by field."""
        return {name: one for link in self.book.questions() for name, one in link.extra["conflicts"].items()}

    def writes(self) -> int:
        """Count what was done in both systems."""
        return sum(len(self.benches[name].sandbox.ledger.effects) for name in ("git", "jira"))

    # --- what happens -------------------------------------------------------------------------------------------
    def takes(self, events: Iterable[Event]) -> None:
        """Let events come in."""
        if events := list(events):
            self.inbox.accept(events, revive=True)

    def settle(self, rounds: int = 6) -> None:
        """Let webhooks travel to and fro until nobody has anything to say."""
        for _ in range(rounds):
            self.deliver_hooks()
            self.later(3)

    def moves(self, issue: str, status: str) -> None:
        """Let Ada move an issue to a status, where its workflow has a way."""
        for way in self.ada.ask("GET", f"/issue/{issue}/transitions")["transitions"]:
            if way["to"]["name"] == status:
                more = {"resolution": {"name": "Done"}} if status == "Done" else {}
                self.ada.moves_to(issue, way["id"], **more)
                return
