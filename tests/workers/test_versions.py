"""A delivery remembers the version that made it, and the versions there were can be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis

from connector.config import Mode
from connector.versions import version_of
from tests.workers.commanding import CONNECTOR, Terminal
from tests.workers.office import CREATED, Office, bugs, event
from workers.stores import versions
from workers.stores.deliveries import Deliveries

ONE: dict[str, Any] = {"name": "bugs", "mapping": {"Summary": "title"}}
TWO: dict[str, Any] = {"name": "bugs", "mapping": {"Summary": "title", "Status": "state"}}


@pytest.fixture
def office(redis_client: Redis) -> Office:
    return Office(redis_client, bugs(made_by=version_of(ONE), document=ONE))


def change(office: Office, document: dict[str, Any]) -> None:
    office.change(made_by=version_of(document), document=document)


def test_what_was_delivered_is_counted_by_version(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    office.clock.move(5000)
    change(office, TWO)
    office.accept(event(2, title="Mended"), event(3, title="Mended twice"))
    office.work()
    newest, oldest = versions.versions(office.store)
    assert (newest.name, newest.delivered, newest.document) == (version_of(TWO), 2, {"mapping": TWO["mapping"]})
    assert (oldest.name, oldest.delivered, oldest.config) == (version_of(ONE), 1, "h1")
    assert oldest.first <= oldest.last < newest.first <= newest.last


def test_a_delivery_an_audit_row_and_a_dead_letter_tell_by_what_they_were_made(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    (row,) = office.store.settled()
    assert (row["config"], row["made_by"]) == ("h1", version_of(ONE))
    assert {one["made_by"] for one in office.store.audit()} == {version_of(ONE)}
    change(office, TWO)
    office.accept(event(1, issue=2, title="impossible"))
    office.work()
    (letter,) = office.store.dead()
    assert (letter.fields["config"], letter.fields["made_by"]) == ("h1", version_of(TWO))


def test_what_shadow_mode_skips_is_delivered_by_no_version(office: Office) -> None:
    office.change(mode=Mode.SHADOW)
    office.accept(CREATED)
    office.work()
    assert [one.delivered for one in versions.versions(office.store)] == [0]
    assert office.store.settled()[0]["made_by"] == version_of(ONE)


def test_old_versions_make_room(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "MOST", 3)
    for number in range(6):
        office.clock.move(1000)
        versions.keep(office.store, f"v{number}", {"n": number}, {}, config="h")
        versions.keep(office.store, f"v{number}", {"n": "not again"}, {}, config="h")
    assert [(one.name, one.document) for one in versions.versions(office.store)] == [
        ("v5", {"n": 5}), ("v4", {"n": 4}), ("v3", {"n": 3}),
    ]  # fmt: skip


# --- the command line --------------------------------------------------------------------------------------
@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey_url: str) -> Terminal:
    made = Terminal(tmp_path, monkeypatch)
    made.configure(CONNECTOR + "mapping: {Summary: title}\n")
    made.set(STORE_URL=valkey_url, BROKER_URL="redis://127.0.0.1:1/1")
    books = Deliveries(Redis.from_url(valkey_url), "web-bugs")
    old = {"from": {"connection": "github"}, "mapping": {"Summary": "key", "Assignee": {"people": "staff.csv"}}}
    versions.keep(books, "0ld00000", old, {"Assignee": "2 people (aa)"}, config="c0")
    return made


def test_history_tells_which_version_is_in_force(terminal: Terminal) -> None:
    (row,) = terminal.json("mapping", "history", "web-bugs")
    assert (row["version"], row["delivered"], row["in_force"], row["config"]) == ("0ld00000", 0, False, "c0")
    assert "0ld00000" in terminal("mapping", "history", "web-bugs").stdout


def test_two_versions_differ_rule_by_rule(terminal: Terminal) -> None:
    said = terminal("mapping", "diff", "web-bugs", "0ld").stdout
    assert "mapping.Summary: key → title" in said
    assert "mapping.Assignee.people: 2 people (aa) → none" in said
    got = terminal.json("mapping", "diff", "web-bugs", "0ld", "0ld00000")
    assert (got["fields"], got["people"]) == ([], [])


def test_a_version_is_shown_as_yaml_that_can_be_pasted(terminal: Terminal) -> None:
    said = terminal("mapping", "show", "web-bugs", "0ld0").stdout
    assert yaml.safe_load(said)["mapping"]["Summary"] == "key"
    assert said.startswith("# web-bugs, version 0ld00000, of configuration c0")
    in_force = terminal.json("mapping", "diff", "web-bugs", "0ld")["after"]
    shown = yaml.safe_load(terminal("mapping", "show", "web-bugs", in_force).stdout)
    terminal.configure(yaml.safe_dump({"version": 1, "name": "web-bugs", **shown}))
    assert terminal.json("mapping", "diff", "web-bugs", "0ld")["after"] == in_force


def test_a_version_that_is_not_there_is_named_with_those_that_are(terminal: Terminal) -> None:
    assert "there are:" in terminal("mapping", "show", "web-bugs", "ffff", code=2).stderr
    assert "may be" in terminal("mapping", "show", "web-bugs", "", code=2).stderr
