"""Our pages in Flower: who may see and do what, what they say, and that nobody gets in sideways."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.town import Town, until
from workers.demo.stage import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

PEOPLE = "ada:secret-a,bob:secret-b,eve:secret-e,tom:secret-t,zoe:secret-z"
ROLES = "ada=admin, bob=operator, eve=viewer, tom=operator/nobody"
PAGES = ("/connectors", "/connectors/web", "/dead-letters", "/conflicts", "/replays", "/why", "/why?item=WEB-1", "/mappings",
         "/mappings/web", "/audit")  # fmt: skip
LOOKS = ("/api/connector/connectors", "/api/connector/connectors/web", "/api/connector/dead-letters", "/api/connector/conflicts",
         "/api/connector/story?item=WEB-1", "/api/connector/openapi.json")  # fmt: skip


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Any
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Browser:
    """Asks as one person; keeps the token that a page gave it."""

    port: int
    user: str = ""
    token: str = ""
    more: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, body: bytes | None = None, *, method: str = "", **headers: str) -> Answer:
        """Ask; redirects are not followed."""
        sent = {**self.more, **headers}
        if self.user:
            sent["Authorization"] = "Basic " + base64.b64encode(self.user.encode()).decode()
        if self.token:
            sent["Cookie"] = f"_xsrf={self.token}"
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", body, sent, method=method or ("POST" if body is not None else "GET")
        )
        try:
            with urllib.request.build_opener(NoRedirect).open(request, timeout=10) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read().decode())

    def enter(self) -> Browser:
        """Fetch a page, and with it the token that forms need."""
        cookies = " ".join(self.ask("/connectors").headers.get_all("Set-Cookie") or ())
        found = re.search(r"_xsrf=([^;]+)", cookies)
        assert found, cookies
        self.token = found[1]
        return self

    def send(self, path: str, *, token: str | None = None, **fields: str) -> Answer:
        """Send a form."""
        fields["_xsrf"] = self.token if token is None else token
        return self.ask(path, urllib.parse.urlencode(fields).encode())

    def call(self, path: str, document: Any = None, *, method: str = "POST") -> Answer:
        """Call the API as a script does."""
        body = json.dumps(document).encode() if document is not None else b""
        return self.ask(path, body, method=method, **{"X-XSRFToken": self.token, "Content-Type": "application/json"})


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are answers too."""

    def redirect_request(self, *_: Any) -> None:
        return None


@pytest.fixture(scope="module")
def port(running_town: Town) -> Iterator[int]:
    """Run Flower with people of different roles."""
    port = free_port()
    running_town.spawn("faces", "flower", FLOWER_PORT=str(port), FLOWER_BASIC_AUTH=PEOPLE, FLOWER_ROLES=ROLES)
    until(lambda: running_town.get(port, "/healthcheck")[0] == 200, 40, told=lambda: running_town.log("faces")[-2000:])
    yield port
    assert "Traceback" not in running_town.log("faces")
    running_town.stop("faces")


def person(port: int, name: str) -> Browser:
    return Browser(port, next(one for one in PEOPLE.split(",") if one.startswith(name))).enter()


def dead(town: Town, title: str, *, count: int = 1) -> list[dict[str, Any]]:
    """Let new issues become dead letters; returns their rows."""
    # Five in a row would be held instead; a good one in between begins the count anew.
    good = town.title("Good")
    town.report(good)
    town.issue(good)
    with town.fault("jira", "status", status=400, method="POST", path=".*/issue"):
        keys = {f"acme/web#{town.report(title)}" for _ in range(count)}

        def rows() -> list[dict[str, Any]]:
            found = [one for one in town.json("dead", "list", "web") if one["key"] in keys]
            return found if {one["key"] for one in found} == keys and not town.counts("web")["in_flight"] else []

        return until(rows)


# --- who gets in ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", [*PAGES, *LOOKS, "/api/connector/audit", "/dead-letters/web/none"])
def test_nobody_gets_in_without_a_password(port: int, path: str) -> None:
    for stranger in (Browser(port), Browser(port, "ada:wrong"), Browser(port, "nobody:secret-a"), Browser(port, ":")):
        assert stranger.ask(path).status == 401, stranger.user


def test_flower_does_not_start_without_authentication(town: Town) -> None:
    said = town.connector("flower", code=2, FLOWER_PORT=str(free_port()))
    assert "FLOWER_BASIC_AUTH" in said.stderr
    said = town.connector("flower", code=2, FLOWER_BASIC_AUTH="a:b", FLOWER_UNAUTHENTICATED_API="true")
    assert "FLOWER_UNAUTHENTICATED_API" in said.stderr
    said = town.connector("flower", code=2, FLOWER_BASIC_AUTH="a:b", FLOWER_ROLES="a=boss")
    assert "FLOWER_ROLES" in said.stderr


@pytest.mark.parametrize("path", [*PAGES, *LOOKS])
def test_a_viewer_sees_every_page_under_strict_headers(port: int, path: str) -> None:
    answer = person(port, "eve").ask(path)
    assert answer.status == 200, answer.text[:500]
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"


def test_who_has_no_role_is_let_in_nowhere(port: int) -> None:
    for path in ("/connectors", "/api/connector/connectors", "/why?item=WEB-1"):
        assert Browser(port, "zoe:secret-z").ask(path).status == 403


def test_somebody_of_another_team_sees_nothing(port: int) -> None:
    tom = person(port, "tom")
    assert "No connector is declared that you may see" in tom.ask("/connectors").text
    assert tom.ask("/connectors/web").status == 404
    assert tom.ask("/api/connector/connectors").json() == []
    assert tom.ask("/api/connector/dead-letters").json()["total"] == 0
    assert tom.call("/api/connector/connectors/web/pause", {}).status == 404


def test_a_viewer_may_not_act_and_an_operator_not_export(town: Town, port: int) -> None:
    eve, bob = person(port, "eve"), person(port, "bob")
    assert eve.send("/connectors/web", do="pause").status == 403
    assert eve.call("/api/connector/connectors/web/pause", {}).status == 403
    assert eve.call("/api/connector/dead-letters/replay", {"error": "Rejected"}).json() == []
    assert eve.send("/mappings/web", what="acme/web#1").status == 403
    assert bob.ask("/audit?export=jsonl").status == 403
    assert bob.ask("/api/connector/audit").status == 403
    assert town.json("status", "web")[0]["state"] == "running"


def test_forms_need_the_token_and_the_same_origin(town: Town, port: int) -> None:
    bob = person(port, "bob")
    for how in ({"token": ""}, {"token": "2|forged|forged|1"}):
        assert bob.send("/connectors/web", do="pause", **how).status == 403
    elsewhere = Browser(port, bob.user, bob.token, {"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.send("/connectors/web", do="pause").status == 403
    foreign = Browser(port, bob.user, bob.token, {"Origin": "https://evil.example"})
    assert foreign.send("/connectors/web", do="pause").status == 403
    assert bob.ask("/api/connector/connectors/web/pause", b"{}").status == 403
    assert town.json("status", "web")[0]["state"] == "running"


# --- what is done -----------------------------------------------------------------------------------------------
def test_pausing_and_resuming_is_done_once_and_audited_by_name(town: Town, port: int) -> None:
    bob = person(port, "bob")
    assert bob.send("/connectors/polled", do="pause", why="tea").status == 303
    assert "paused by bob: tea" in bob.ask("/connectors").text
    assert bob.send("/connectors/polled", do="resume").status == 303
    assert town.json("status", "polled")[0]["state"] == "running"
    mine = [(row["actor"], row["action"]) for row in town.json("audit", "polled") if row.get("actor") == "bob"]
    assert ("bob", "pause") in mine


def test_a_dead_letter_is_opened_tried_and_replayed_once(town: Town, port: int) -> None:
    title = town.title("<script>alert(1)</script>")
    row, *_ = dead(town, title)
    bob = person(port, "bob")
    listed = bob.ask("/dead-letters")
    assert listed.status == 200
    assert row["id"] in listed.text
    opened = bob.ask(f"/dead-letters/web/{row['id']}")
    assert "<script>alert(1)" not in opened.text
    assert "&lt;script&gt;alert(1)" in opened.text, "the title is shown, as text"
    assert "What it would write now" in opened.text
    assert any(one["action"] == "look" and one["actor"] == "bob" for one in town.json("audit", "web"))
    assert "Shown to operators" in person(port, "eve").ask(f"/dead-letters/web/{row['id']}").text

    sure = bob.send("/dead-letters/act", do="replay", entity=row["key"])
    assert "none would fail" in sure.text
    order = re.search(r'name="order-web" value="(\w+)"', sure.text)
    assert order
    forms = [
        bob.send("/dead-letters/act", do="replay", sure="yes", entity=row["key"], **{"order-web": order[1]})
        for _ in range(2)
    ]
    assert forms[0].status == 303
    town.issue(title)
    town.settled("web")
    told = bob.ask(f"/api/connector/replays/web/{order[1]}").json()
    assert (told["state"], told["replayed"], told["actor"]) == ("done", told["total"], "bob")


def test_a_group_is_replayed_at_its_rate_with_progress_and_can_be_cancelled(town: Town, port: int) -> None:
    title = town.title("Group")
    rows = dead(town, title, count=4)
    bob = person(port, "bob")
    letters = bob.ask("/api/connector/dead-letters?connector=web").json()["letters"]
    (group,) = {one["group"] for one in letters if one["key"] in {row["key"] for row in rows}}
    told = bob.call("/api/connector/dead-letters/replay", {"group": group, "dry_run": True}).json()
    assert told[0]["letters"] == len(rows)
    asked = {"group": group, "rate": 0.1, "reason": "mended", "order": "slow-order-1"}
    (order,) = bob.call("/api/connector/dead-letters/replay", asked).json()
    (again,) = bob.call("/api/connector/dead-letters/replay", asked).json()
    assert order["id"] == again["id"]
    page = bob.ask(f"/replays/web/{order['id']}")
    assert page.headers["Refresh"] == "1"
    assert f"of {len(rows)} replayed" in re.sub(r"\s+", " ", re.sub("<[^>]+>", "", page.text))
    cancelled = bob.call(f"/api/connector/replays/web/{order['id']}", method="DELETE").json()
    assert cancelled["state"] == "cancelled"
    assert bob.call("/api/connector/dead-letters/discard", {"group": group}).status == 400
    gone = bob.call("/api/connector/dead-letters/discard", {"group": group, "reason": "a test"}).json()
    assert gone["discarded"] == len(rows) - cancelled["replayed"]
    town.settled("web")


def test_a_group_is_cared_for_and_exported(town: Town, port: int) -> None:
    rows = dead(town, town.title("Care"))
    bob, eve = person(port, "bob"), person(port, "eve")
    letters = bob.ask(f"/api/connector/dead-letters?entity={urllib.parse.quote(rows[0]['key'])}").json()["letters"]
    group = letters[0]["group"]
    path = f"/dead-letters/care/web/{group}"
    assert eve.send(path, stage="resolved").status == 403
    assert bob.send(path, stage="gone").status == 400
    assert bob.send(path, stage="held", incident="javascript:alert(1)").status == 400
    assert bob.send("/dead-letters/care/web/x", stage="held").status == 404
    assert bob.send(path, stage="acknowledged", assignee="bob", note="<b>asked</b>").status == 303
    page = bob.ask(f"/dead-letters?group={group}").text
    assert "acknowledged" in page
    assert "&lt;b&gt;asked" in page
    told = bob.call(f"/api/connector/groups/web/{group}", {"stage": "held", "incident": "https://inc.example/7"})
    assert told.json()["stage"] == "held"
    assert eve.ask(f"/dead-letters/export/web/{group}").status == 403
    export = bob.ask(f"/dead-letters/export/web/{group}")
    assert export.headers["Content-Type"].startswith("text/markdown")
    assert rows[0]["id"] in export.text
    bob.call("/api/connector/dead-letters/discard", {"group": group, "reason": "a test"})
    assert bob.ask(f"/dead-letters/export/web/{group}").status == 404


def test_a_connector_that_is_declared_later_is_seen_without_a_restart(town: Town, port: int) -> None:
    eve = person(port, "eve")
    assert "seen-later" not in eve.ask("/connectors").text
    town.declare("seen-later", "template: github-to-jira\nfrom: {repositories: [acme/late]}\nto: {project: OPS}\n")
    try:
        until(lambda: "seen-later" in eve.ask("/connectors").text)
    finally:
        (town.home / "connectors" / "seen-later.yaml").unlink()
    until(lambda: "seen-later" not in eve.ask("/connectors").text)


def test_what_is_wrong_with_a_question_is_said_and_nothing_else(port: int) -> None:
    bob = person(port, "bob")
    wrong = (
        bob.ask("/dead-letters?page=0"),
        bob.ask("/dead-letters?since=yesterday"),
        bob.send("/connectors/web", do="explode"),
        bob.send("/dead-letters/act", do="replay"),
        bob.call("/api/connector/dead-letters/replay", {"nonsense": 1}),
        bob.call("/api/connector/dead-letters/replay", {"error": "x", "rate": -1}),
        bob.ask("/api/connector/dead-letters/replay", b"{", **{"X-XSRFToken": bob.token}),
        bob.send("/mappings/web", what="x" * 600_000),
    )
    assert [one.status for one in wrong] == [400] * len(wrong)
    missing = (bob.ask("/connectors/nobody"), bob.ask("/dead-letters/web/none"), bob.ask("/replays/web/none"))
    assert [one.status for one in missing] == [404] * len(missing)
    for one in (*wrong, *missing):
        assert "Traceback" not in one.text
        assert "site-packages" not in one.text


def test_a_pasted_event_is_tried_and_a_bad_one_is_refused_with_a_sentence(town: Town, port: int) -> None:
    before = {name: len(one.ledger.effects) for name, one in town.served.sandboxes.items()}
    bob = person(port, "bob")
    for what in ("{", '{"action": "opened"}', "no item", "https://evil.example/x", "[1]"):
        answer = bob.send("/mappings/web", what=what)
        assert answer.status == 200
        assert 'class="jc-bad"' in answer.text, what
    assert {name: len(one.ledger.effects) for name, one in town.served.sandboxes.items()} == before


def test_a_payload_that_could_not_be_read_is_seen_by_admins_and_read_again(town: Town, port: int) -> None:
    body = b'{"webhookEvent": "jira:issue_updated", "issue": 7}'
    signature = "sha256=" + hmac.new(town.secret.encode(), body, hashlib.sha256).hexdigest()
    sent = Browser(town.receiver_port).ask(
        "/hooks/jira", body, **{"Content-Type": "application/json", "X-Hub-Signature": signature}
    )
    assert sent.status == 202, sent.text
    ada, bob = person(port, "ada"), person(port, "bob")
    assert bob.ask("/dead-letters/unread").status == 403
    page = ada.ask("/dead-letters/unread").text
    assert "issue_updated" in page
    assert ada.send("/dead-letters/unread", do="reread").status == 303
    assert "still cannot" in ada.ask("/dead-letters/unread").text or "Give it up" in page
    for name in set(re.findall(r'name="id" value="([^"]+)"', ada.ask("/dead-letters/unread").text)):
        assert ada.send("/dead-letters/unread", do="drop", connection="jira", id=name).status == 303
    assert "Every payload could be read" in ada.ask("/dead-letters/unread").text


def test_the_audit_is_exported_by_admins_and_that_is_audited(town: Town, port: int) -> None:
    ada = person(port, "ada")
    lines = [json.loads(one) for one in ada.ask("/audit?export=jsonl").text.splitlines()]
    assert lines
    table = ada.ask("/audit?export=csv&connector=web")
    assert table.text.startswith("at,connector,actor")
    assert "attachment" in table.headers["Content-Disposition"]
    assert any(row["action"] == "export" and row["actor"] == "ada" for row in town.json("audit", "web"))


def test_the_story_of_an_item_is_told(town: Town, port: int) -> None:
    title = town.title("Story")
    number = town.report(title)
    key = town.issue(title)["key"]
    town.settled("web")
    eve = person(port, "eve")
    told = eve.ask(f"/api/connector/story?item=acme/web%23{number}").json()
    assert any(one["connector"] == "web" and one["link_key"] == key for one in told["verdicts"])
    assert any("delivered" in one["what"] for one in told["entries"])
    page = eve.ask(f"/why?item=acme/web%23{number}").text
    assert key in page


def test_killing_flower_in_the_middle_of_a_replay_loses_nothing(town: Town) -> None:
    title = town.title("Killed")
    dead(town, title, count=3)
    port = free_port()
    town.spawn("doomed", "flower", FLOWER_PORT=str(port), FLOWER_BASIC_AUTH=PEOPLE)
    until(lambda: town.get(port, "/healthcheck")[0] == 200, 40)
    bob = person(port, "bob")
    asked = {"connector": "web", "error": "Rejected", "rate": 1, "order": "before-the-kill"}
    assert bob.call("/api/connector/dead-letters/replay", asked).status == 200
    town.kill("doomed")
    until(lambda: len(town.issues(title)) == 3)
    town.settled("web")
