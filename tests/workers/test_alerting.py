"""The owner of a connector is told once of each thing that needs a person, and once when it is over."""

from __future__ import annotations

import json
import smtplib
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from redis import Redis

from connector.config import Connection, Owner
from connector.errors import Unauthorized
from connector.ports import Secret, Site
from tests.workers.office import CREATED, Office, bugs
from tests.workers.operating.test_letters import ADA, found, refuse
from workers.addresses import Guard
from workers.alerting import EVERY_MS, Alerter, send_mail
from workers.operating import acting
from workers.operating.care import Care, Stage, take
from workers.operating.causes import Cause, News, Told, changes
from workers.operating.letters import grouped

PLACE = "slack:#oncall"


class Room:
    """An office with a chat that remembers what was said where."""

    def __init__(self, client: Redis, alert: str = PLACE) -> None:
        self.office = Office(client, bugs(owner=Owner("payments", alert), attempts=1))
        self.said: list[tuple[str, str]] = []
        self.silent = False
        self.mails: list[EmailMessage] = []

        def tell(site: Site, place: str, text: str) -> None:
            if self.silent:
                raise Unauthorized("the token has expired")
            self.said.append((f"{site.connection}{place}", text))

        self.chat("chat")
        self.office.systems["slack"] = replace(self.office.systems["git"], name="slack", tell=tell)
        self.alerter = Alerter(
            self.office.desk,
            pages="https://flower.example",
            smtp=Secret("smtps://bot%40acme.example:pw@mail.example"),
            mail=lambda mail, _smtp: self.mails.append(mail),
        )

    def chat(self, *names: str) -> None:
        """Declare Slack connections."""
        more = {name: Connection(name, "slack", SimpleNamespace(auth=None)) for name in names}
        self.office.config = replace(self.office.config, connections={**self.office.config.connections, **more})

    def look(self) -> int:
        """Let half a minute pass, and look."""
        self.office.clock.move(EVERY_MS)
        # Its life is counted by the server's clock, which nobody can move.
        self.office.client.delete(self.office.store.tag + "alerting")
        return self.alerter.look(self.office.config.connectors["bugs"])


@pytest.fixture
def room(redis_client: Redis) -> Room:
    return Room(redis_client)


def test_a_group_is_told_once_and_once_when_it_is_over(room: Room) -> None:
    assert room.look() == 0
    refuse(room.office, "a", "b")
    assert (room.look(), room.look()) == (1, 0)
    ((place, text),) = room.said
    assert place == "chat#oncall"
    for part in ("bugs", "required:priority", "needs a person", "2 deliveries", "acme/web#b", "Mend the mapping",
                 "https://flower.example/dead-letters?group="):  # fmt: skip
        assert part in text
    connector = room.office.config.connectors["bugs"]
    acting.discard(room.office.desk, connector, [one.id for one in found(room.office)], ADA, "obsolete")
    assert (room.look(), room.look()) == (1, 0)
    assert "is over" in room.said[-1][1]


def test_two_who_look_at_once_tell_once(room: Room) -> None:
    refuse(room.office, "a")
    connector = room.office.config.connectors["bugs"]
    assert [room.alerter.look(connector) for _ in range(3)] == [1, 0, 0]


def test_what_could_not_be_told_is_told_at_the_next_look(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    refuse(room.office, "a")
    room.silent = True
    assert room.look() == 0
    assert "cannot be told at slack:#oncall" in caplog.text
    room.silent = False
    assert room.look() == 1
    assert len(room.said) == 1


def test_a_refused_credential_is_told_and_gone_with_its_cause(room: Room) -> None:
    room.office.jira.refuses = Unauthorized("expired", status=401)
    room.office.jira.breaks("create", lambda: Unauthorized("the token has expired", status=401), times=1)
    room.office.accept(CREATED)
    room.office.work()
    assert room.look() == 1
    assert "A credential is refused" in room.said[-1][1]
    room.office.jira.refuses = None
    room.office.desk.connections.open("jira")
    assert room.look() == 1
    assert "is over" in room.said[-1][1]


def test_a_credential_that_ends_is_told_at_30_7_and_1_days(room: Room) -> None:
    office = room.office
    day = (office.now() + timedelta(days=40)).date()
    auth = SimpleNamespace(auth=SimpleNamespace(expires=day))
    office.config = replace(
        office.config, connections={**office.config.connections, "jira": Connection("jira", "jira", auth)}
    )
    told = []
    for number in range(40):
        room.look()
        told += [(number, text) for _, text in room.said if "ends on" in text]
        room.said.clear()
        office.clock.move(86_400_000)
    assert [number for number, _ in told] == [10, 33, 39]


def test_many_causes_at_once_are_a_few_messages(room: Room) -> None:
    for number in range(9):
        refuse(room.office, f"i{number}", cause=f"cause{number}", field=f"F{number}")
    assert room.look() == 9
    assert len(room.said) == 6
    assert "and 4 more things" in room.said[-1][1]


# --- when ------------------------------------------------------------------------------------------------------
def cause(**more: Any) -> Cause:
    return Cause(**{"key": "dead:g", "title": "t", "says": "s", "act": "a", "heading": "h", "count": 2, **more})


HOUR = 3_600_000
KNOWN = {"dead:g": Told("t", 2, at=0, first=0)}


@pytest.mark.parametrize(
    ("now", "at", "news"),
    [
        ([cause(count=19)], 1, []),
        ([cause(count=20)], 1, [News.GREW]),
        ([cause()], HOUR - 1, []),
        ([cause()], HOUR, [News.WAITS]),
        ([cause(attended=True)], HOUR, []),
        ([], 1, [News.RESOLVED]),
        ([cause(), cause(key="held:x")], 1, [News.OPENED]),
    ],
)
def test_an_owner_is_told_again_when_it_grew_or_nobody_took_it(now: list[Cause], at: int, news: list[News]) -> None:
    assert [one.news for one in changes(KNOWN, now, at)] == news


def test_waiting_is_told_once() -> None:
    (first,) = changes(KNOWN, [cause()], HOUR)
    assert first.after is not None
    assert changes({"dead:g": first.after}, [cause()], 5 * HOUR) == []


def test_a_cause_that_was_taken_care_of_and_came_back_is_news(room: Room) -> None:
    refuse(room.office, "a")
    room.look()
    connector = room.office.config.connectors["bugs"]
    (group,) = grouped(found(room.office))
    take(room.office.desk, connector, group.name, Care(Stage.RESOLVED), ADA)
    assert room.look() == 0
    refuse(room.office, "b")
    room.look()
    assert "(it came back)" in "".join(text for _, text in room.said[1:])


# --- where -----------------------------------------------------------------------------------------------------
def test_mail_is_sent_as_mail_that_is_not_answered(redis_client: Redis) -> None:
    room = Room(redis_client, "mailto:team@acme.example")
    refuse(room.office, "a")
    assert room.look() == 1
    (mail,) = room.mails
    assert (mail["To"], mail["From"]) == ("team@acme.example", "bot@acme.example")
    assert "\n" not in mail["Subject"]
    assert mail["Auto-Submitted"] == "auto-generated"


def test_of_several_chats_one_must_be_named(redis_client: Redis, caplog: pytest.LogCaptureFixture) -> None:
    room = Room(redis_client)
    room.chat("chat", "other")
    refuse(room.office, "a")
    assert room.look() == 0
    assert "no one connection of slack" in caplog.text
    room.office.change(owner=Owner("payments", "slack:other/#oncall"))
    room.chat("chat", "other")
    assert room.look() == 1
    assert room.said[0][0] == "other#oncall"


@pytest.fixture
def hook() -> Iterator[tuple[str, list[Any]]]:
    got: list[Any] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()


def test_a_hook_gets_json_and_the_inside_network_is_out_of_reach(
    redis_client: Redis, hook: tuple[str, list[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    url, got = hook
    room = Room(redis_client, f"{url}/secret-path?team=payments")
    refuse(room.office, "a")
    assert room.look() == 0
    assert "secret-path" not in caplog.text
    room.alerter.guard = Guard(("127.0.0.0/8",))
    assert room.look() == 1
    ((path, document),) = got
    assert path == "/secret-path?team=payments"
    assert (document["news"], document["connector"], document["team"], document["count"]) == (
        "opened",
        "bugs",
        "payments",
        1,
    )


class MailServer(socketserver.StreamRequestHandler):
    """Takes mail without encryption, and remembers it."""

    got: ClassVar[list[str]] = []

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        body = False
        while line := self.rfile.readline().decode():
            if body:
                self.got.append(line)
                body = line != ".\r\n"
                if not body:
                    self.wfile.write(b"250 kept\r\n")
                continue
            word = line.split()[0].upper()
            body = word == "DATA"
            self.wfile.write(
                {"EHLO": b"250 here\r\n", "DATA": b"354 go on\r\n", "QUIT": b"221 bye\r\n"}.get(word, b"250 fine\r\n")
            )
            if word == "QUIT":
                return


def test_a_mail_leaves_this_machine_only_encrypted() -> None:
    with (
        socketserver.ThreadingTCPServer(("127.0.0.2", 0), MailServer) as far,
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailServer) as near,
    ):
        for server in (far, near):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "bot@acme.example", "team@acme.example", "trial"
        mail.set_content("nothing is wrong")
        with pytest.raises(smtplib.SMTPNotSupportedError):
            send_mail(mail, Secret(f"smtp://127.0.0.2:{far.server_address[1]}"))
        assert MailServer.got == []
        send_mail(mail, Secret(f"smtp://127.0.0.1:{near.server_address[1]}"))
        assert "nothing is wrong\r\n" in MailServer.got
        far.shutdown()
        near.shutdown()


def test_conflicts_are_told_at_once_then_once_an_hour_with_the_count() -> None:
    def told(count: int, latest: int, at: int, before: Told | None) -> list[tuple[News, int]]:
        cause = Cause("conflicts", "t", "s", "a", "h", count=count, latest=latest, attended=True)
        found = changes({"conflicts": before} if before else {}, [cause], at)
        return [(one.news, one.cause.count if one.cause else 0) for one in found]

    hour = 3_600_000
    assert told(1, 5, 10, None) == [(News.OPENED, 1)]
    known = Told("t", 1, 10, 10)
    assert told(500, 20, hour - 1, known) == []
    assert told(500, 20, hour + 10, known) == [(News.GREW, 500)]
    assert told(1, 20, hour + 10, known) == [(News.GREW, 1)]  # one was decided, another came
    assert told(1, 5, 9 * hour, known) == []
    assert [one.news for one in changes({"conflicts": known}, [], hour)] == [News.RESOLVED]
