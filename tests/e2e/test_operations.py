"""What an operator does while everything runs: change, pause, bring in the past, look, mend."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.e2e.town import Town, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

LATE = "template: github-to-jira\nfrom: {repositories: [acme/late]}\nto: {project: OPS}\n"


def effects(town: Town) -> dict[str, int]:
    """Return how many effects each ledger holds."""
    return {name: len(sandbox.ledger.effects) for name, sandbox in town.served.sandboxes.items()}


def body(number: int, title: str, repository: str = "acme/web") -> dict[str, Any]:
    """Return a recorded webhook of a labelled issue that nobody knows."""
    at = "2026-11-24T07:00:00Z"
    return {
        "action": "opened",
        "issue": {
            "id": 900_000 + number,
            "node_id": f"I_{number}",
            "number": number,
            "title": title,
            "body": "A [link](https://example.com) and `code`.",
            "state": "open",
            "html_url": f"https://github.com/{repository}/issues/{number}",
            "user": {"id": 1, "login": "alice", "type": "User"},
            "labels": [{"id": 1, "name": "bug", "color": "f00", "default": True}],
            "assignees": [],
            "created_at": at,
            "updated_at": at,
            "comments": 0,
        },
        "repository": {"id": 1, "full_name": repository, "name": repository.partition("/")[2], "private": False},
        "sender": {"id": 1, "login": "alice", "type": "User"},
    }


def test_a_new_connector_is_served_without_a_restart_and_a_bad_file_is_refused(town: Town) -> None:
    pids = {name: process.pid for name, process in town.processes.items()}
    names = ("receive", "w1", "w2")
    try:
        with town.followed(*names):
            town.declare("late", LATE)
        title = town.title("Came later")
        town.report(title, repository="acme/late")
        town.issue(title)
        before = {name: town.log(name).count("is refused") for name in names}
        town.declare("late", LATE + "mapping: {Summary: {from: title, trnsform: upper}}\n")
        until(lambda: all(town.log(name).count("is refused") > before[name] for name in names))
        after = town.title("The old one is still in force")
        town.report(after, repository="acme/late")
        town.issue(after)
        # Also the receiver, which was there before the connector was, rings for it.
        assert "Traceback" not in town.log("receive")
        refused = town.connector("check", code=2)
        assert re.search(r"connectors/late\.yaml:\d+: .*trnsform", refused.stderr)
        assert {name: process.pid for name, process in town.processes.items()} == pids
    finally:
        with town.followed(*names):
            (town.home / "connectors" / "late.yaml").unlink()
    assert town.connector("check").stdout


def test_a_changed_mapping_is_taken_up(town: Town) -> None:
    from tests.e2e.town import CONNECTORS

    plain, changed = town.title("Plain"), town.title("Prefixed")
    town.report(plain, repository="acme/dc")
    town.issue(plain, "dc")
    try:
        with town.followed("w1", "w2"):
            town.declare("dc", CONNECTORS["dc"] + 'mapping: {Summary: {from: title, transform: {prefix: "GH: "}}}\n')
        town.report(changed, repository="acme/dc")
        town.issue(f"GH: {changed}", "dc")
    finally:
        with town.followed("w1", "w2"):
            town.declare("dc", CONNECTORS["dc"])


def test_a_paused_connector_takes_events_in_and_goes_on_where_it_was(town: Town) -> None:
    title = town.title("Paused")
    assert "is paused" in town.connector("pause", "dc", "--why", "a test").stdout
    number = town.report(title, repository="acme/dc")
    town.comment("acme/dc", number, "one")
    until(lambda: town.counts("dc")["in_flight"] >= 2)
    (row, *_) = town.json("deliveries", "dc")["deliveries"]
    assert row["key"].startswith("acme/dc#")
    assert not town.issues(title, "dc")
    other = town.title("The others go on")
    town.report(other)
    town.issue(other)
    assert not town.issues(title, "dc")
    assert "goes on" in town.connector("resume", "dc").stdout
    town.issue(title, "dc")
    until(lambda: town.comments(title, "dc"))
    actions = [row["action"] for row in town.json("audit", "--file") if row.get("connector") == "dc"]
    assert {"pause", "resume"} <= set(actions)


def test_the_past_is_brought_in_by_sync_and_only_once(town: Town) -> None:
    titles = [town.title("From the past") for _ in range(3)]
    for title in titles:
        town.report(title, repository="acme/late")
    town.declare("late", LATE)
    try:
        until(lambda: all(town.log(name).rstrip() for name in ("w1", "w2")))
        got = town.json("sync", "late", "--since", "2026-01-01")
        assert got["accepted"] >= len(titles)
        for title in titles:
            town.issue(title)
        town.settled("late")
        again = town.json("sync", "late", "--since", "2026-01-01")
        assert again["accepted"] == 0
        assert again["read"] == got["read"]
        for title in titles:
            assert len(town.issues(title)) == 1
    finally:
        (town.home / "connectors" / "late.yaml").unlink()


def test_preview_of_an_item_shows_what_would_change_and_sends_nothing(town: Town) -> None:
    title = town.title("Preview")
    number = town.report(title)
    key = town.issue(title)["key"]
    town.settled("web")
    with town.fault("jira", "status", status=503):  # so that the change waits
        town.act("github", "alice", "PATCH", f"/repos/acme/web/issues/{number}", {"title": f"{title}!"})
        until(lambda: town.counts("web")["in_flight"])
        town.connector("pause", "web")
    try:
        before = effects(town)
        (shown,) = town.json("preview", "web", f"acme/web#{number}")
        (step,) = shown["steps"]
        assert (step["action"], step["target"]) == ("update", key)
        (field,) = step["fields"]
        assert (field["name"], field["now"], field["then"]) == ("Summary", title, f"{title}!")
        said = town.connector("preview", "web", f"https://github.com/acme/web/issues/{number}").stdout
        assert f"- Summary (summary): {title}" in said
        assert f"+ Summary (summary): {title}!" in said
        assert effects(town) == before
    finally:
        town.connector("resume", "web")
    town.issue(f"{title}!")
    town.settled("web")


def test_preview_of_a_payload_shows_what_would_be_made_and_what_is_left_alone(town: Town) -> None:
    before, books = effects(town), town.counts("web")
    path = town.home / "payload.json"
    path.write_text(json.dumps(body(4711, "From a file")))
    (shown,) = town.json("preview", "web", str(path), "--header", "X-GitHub-Event: issues")
    create = shown["steps"][0]
    assert create["action"] == "create"
    fields = {one["name"]: one["then"] for one in create["fields"]}
    assert fields["Summary"] == "From a file"
    assert "Priority" in shown["absent"]
    said = town.connector("preview", "web", str(path), "--header", "X-GitHub-Event: issues").stdout
    assert "create" in said
    assert "+ Summary (summary): From a file" in said
    assert "left alone: Priority" in said
    assert effects(town) == before
    assert town.counts("web") == books


def test_preview_of_the_way_back_takes_a_jira_key(town: Town) -> None:
    title = town.title("Back")
    town.report(title)
    key = town.issue(title)["key"]
    town.settled("web")
    before = effects(town)
    (shown,) = town.json("preview", "back", key)
    assert shown["event"]["entity"] == key
    town.connector("preview", "news", key)
    assert effects(town) == before


def test_what_a_preview_cannot_find_is_said_in_a_sentence(town: Town) -> None:
    missing = town.connector("preview", "web", "acme/web#99999", code=1)
    assert "acme/web#99999" in missing.stderr
    nonsense = town.connector("preview", "web", "not an item", code=1)
    assert nonsense.stderr.count("\n") == 1
    typo = town.connector("preview", "wbe", "acme/web#1", code=2)
    assert "did you mean 'web'?" in typo.stderr


def test_doctor_finds_everything_well(town: Town) -> None:
    for connector in ("web", "dc", "back", "news"):
        town.settled(connector)
    found = town.json("doctor")
    assert not [one for one in found if one["level"] == "problem"]
    said = {(one["what"], one["level"]) for one in found}
    assert {("broker", "ok"), ("store", "ok"), ("connection jira", "ok"), ("connection dc", "ok")} <= said
    assert any("only polled" in one["what"] for one in found)


def test_check_live_names_unknown_fields_and_refused_tokens(town: Town) -> None:
    found = town.json("check", "--live")
    assert all(one["level"] != "problem" for one in found["findings"])
    bad = town.home.parent / "bad"
    for folder in ("connections", "connectors"):
        (bad / folder).mkdir(parents=True, exist_ok=True)
    (bad / "connections" / "all.yaml").write_text((town.home / "connections" / "all.yaml").read_text())
    (bad / "connectors" / "x.yaml").write_text(
        "version: 1\nname: x\ntemplate: github-to-jira\nfrom: {repositories: [acme/web]}\nto: {project: WEB}\n"
        "mapping: {Favourite Colour: title}\n"
    )
    told = town.connector("check", "--live", str(bad), code=1).stdout
    assert re.search(r"problem +connector x: mapping\.Favourite Colour: there is no such field", told)
    assert re.search(r"ok +connector x: mapping\.Summary exists", told)
    told = town.connector("check", "--live", code=1, JIRA_TOKEN="wrong").stdout
    assert re.search(r"problem +connection jira: Unauthorized", told)
    told = town.connector("check", "--live", code=1, GITHUB_TOKEN="").stdout
    assert re.search(r"problem +connection github: .*GITHUB_TOKEN", told)
    slack: Any = town.served.sandboxes["slack"]
    scopes = slack.scopes
    slack.scopes = frozenset({"channels:read"})
    try:
        told = town.connector("check", "--live", code=1).stdout
    finally:
        slack.scopes = scopes
    assert re.search(r"problem +connection slack: .*chat:write", told)


def test_every_process_says_whether_it_lives_and_can_work(town: Town) -> None:
    for port in (town.receiver_port, *(town.ports[name] for name in ("w1", "w2", "schedule"))):
        assert town.get(port, "/healthz")[0] == 200
        assert town.get(port, "/readyz")[0] == 200


def test_the_receiver_refuses_what_is_too_large_and_what_is_not_signed(town: Town) -> None:
    import http.client

    def post(content: bytes, **headers: str) -> int:
        peer = http.client.HTTPConnection("127.0.0.1", town.receiver_port, timeout=20)
        try:
            peer.request("POST", "/hooks/github", content, {"content-type": "application/json", **headers})
            return peer.getresponse().status
        except (BrokenPipeError, ConnectionResetError):
            return 413  # it hung up while we were still sending, which is what it is for
        finally:
            peer.close()

    assert post(b'{"a": "' + b"x" * 31_457_280 + b'"}') == 413
    assert post(b"{}") == 401
    assert post(b"{}", **{"x-hub-signature-256": "sha256=" + "0" * 64}) == 401
    assert town.get(town.receiver_port, "/readyz")[0] == 200


def test_dead_letters_are_cared_for_foretold_ordered_and_cancelled(town: Town) -> None:
    title, good = town.title("Refused"), town.title("Good")
    town.report(good)
    town.issue(good)
    with town.fault("jira", "status", status=400, method="POST", path=".*/issue"):
        keys = {f"acme/web#{town.report(title)}" for _ in range(3)}
        until(
            lambda: (
                {one["key"] for one in town.json("dead", "list", "web")} >= keys and not town.counts("web")["in_flight"]
            )
        )
    rows = [one for one in town.json("dead", "list", "web", "--error", "Rejected") if one["key"] in keys]
    listed = town.connector("dead", "list", "web").stdout
    group = next(word for word in listed.split() if re.fullmatch("[0-9a-f]{16}", word))
    cared = town.json("dead", "care", group, "--stage", "acknowledged", "--assignee", "ada")
    assert (cared["stage"], cared["assignee"]) == ("acknowledged", "ada")
    assert (
        "must be a link" in town.connector("dead", "care", group, "--stage", "held", "--incident", "x", code=2).stderr
    )
    told = town.json("dead", "replay", "--group", group, "--dry-run")
    assert told["would_replay"] == len(rows)
    assert told["connectors"][0]["failing"] == 0
    (order,) = town.json("dead", "replay", "--group", group, "--rate", "0.1", "--detach", "--reason", "mended")[
        "orders"
    ]
    (known,) = [one for one in town.json("dead", "orders") if one["id"] == order]
    assert (known["state"], known["reason"], known["total"]) == ("open", "mended", len(rows))
    town.connector("dead", "cancel", "web", order)
    assert "no open order" in town.connector("dead", "cancel", "web", order, code=1).stderr
    left = [one for one in town.json("dead", "list", "web") if one["key"] in keys]
    assert town.json("dead", "replay", "--group", group) == {"replayed": len(left)}
    until(lambda: len(town.issues(title)) == 3)
    town.settled("web")
