"""No credential is found in any place that a process of ours fills: logs, store, broker, events, pages, Sentry."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from redis import Redis

from connector.sandbox import Fault
from tests.chaos.canaries import Canaries, in_files, in_pieces, in_server
from tests.chaos.ground import Ground
from tests.chaos.search import search
from tests.e2e.town import until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]


def spoil(ground: Ground, system: str, fault: Fault) -> None:
    ground.served.sandboxes[system].faults.on = [fault]


def test_errors_of_every_kind_spill_no_credential(ground: Ground) -> None:
    title = ground.title("Spilt")
    number = ground.report(title)
    ground.issue(title)
    # A refused token is told to Sentry, a rejection leaves a dead letter with its exchange, an outage retries.
    spoil(ground, "jira", Fault("expired_token", times=3))
    ground.comment("acme/web", number, "refused")
    until(lambda: ground.sentry.envelopes, 40)
    spoil(ground, "slack", Fault("status", status=400, times=1))
    spoil(ground, "github", Fault("status", status=500, times=3))
    spoil(ground, "jira", Fault("apply_then_drop", times=1, method="POST"))
    ground.comment("acme/web", number, "dropped")
    bad = ground.get(ground.receiver_port, "/hooks/github?token=" + quote(ground.tokens["GITHUB_TOKEN"]))
    assert bad[0] >= 400
    until(lambda: len(ground.comments(title)) == 2, 60)
    assert search(ground) == []
    # And had a process written one down, it would have been found.
    (ground.home / "logs" / "careless.log").write_text(f"token={ground.tokens['JIRA_TOKEN']}")
    assert list(in_files(ground.canaries, ground.home)) == ["JIRA_TOKEN in logs/careless.log"]
    with ground.servers["store"].client() as store:
        store.hset("jc:{web}:careless", "url", ground.servers["store"].url)
        assert list(in_server(ground.canaries, store)) == ["store password in jc:{web}:careless"]


# --- that it would be found ------------------------------------------------------------------------------------
@pytest.fixture
def canaries() -> Canaries:
    found = Canaries()
    found.plant("TOKEN", prefix="ghp_")
    return found


def test_a_leak_is_found_in_every_form(canaries: Canaries) -> None:
    value = canaries.planted["TOKEN"]
    for lead in ("", "b", "bo", "bot@example.com:"):
        assert canaries.found_in(b"x" + base64.b64encode(f"{lead}{value}".encode()) + b"y") == ["TOKEN"]
    assert canaries.found_in(f"GET /?token={quote(value, safe='')}".encode()) == ["TOKEN"]
    assert canaries.found_in(value.encode()) == ["TOKEN"]
    assert canaries.found_in(value[:-7].encode()) == ["TOKEN"]  # without its end
    assert canaries.found_in(b"nothing here") == []
    assert canaries.found_in(value.encode(), but=("TOKEN",)) == []


def test_a_leak_is_found_in_every_kind_of_place(canaries: Canaries, valkey_url: str, tmp_path: Path) -> None:
    from workers.stores.records import compress

    value = canaries.planted["TOKEN"]
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "w1.log").write_text(f"Authorization: Bearer {value}")
    assert list(in_files(canaries, tmp_path)) == ["TOKEN in deep/w1.log"]
    assert list(in_pieces(canaries, {"pages": [b"", value.encode()]})) == ["TOKEN in pages"]
    with Redis.from_url(valkey_url) as client:
        client.set("b", compress(b"{" + b"x" * 600 + value.encode()))
        client.hset("h", "field", value)
        client.hset("h2", value, "")
        client.rpush("l", value)
        client.sadd("s", value)
        client.zadd("z", {value: 1})
        client.xadd("x", {"row": value})
        client.set(value, "")
        client.set("clean", "nothing")
        assert len(list(in_server(canaries, client))) == 8
