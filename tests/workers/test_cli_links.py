"""``connector links``, ``link`` and ``unlink``: what a person sees, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from connector.link import BROUGHT, Link
from connector.planning import UNFINISHED
from tests.workers.commanding import CONNECTOR, Terminal
from tests.workers.neighbourhood import CONNECTIONS, TOKENS, neighbourhood
from workers.stores.conflicts import CONFLICTS
from workers.stores.deliveries import Deliveries


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey_url: str) -> Terminal:
    made = Terminal(tmp_path, monkeypatch)
    made.configure(CONNECTOR)
    # Nothing that is tested here rings a worker.
    made.set(STORE_URL=valkey_url, BROKER_URL="redis://127.0.0.1:1/1", USER="ann")
    return made


@pytest.fixture
def books(valkey_url: str) -> Deliveries:
    return Deliveries(Redis.from_url(valkey_url), "web-bugs")


def pair(number: int, **extra: object) -> Link:
    return Link(
        f"github:issue:{number}",
        f"jira:issue:{100 + number}",
        key=f"WEB-{number}",
        url=f"https://acme.atlassian.net/browse/WEB-{number}",
        source_key=f"acme/web#{number}",
        source_url=f"https://github.com/acme/web/issues/{number}",
        extra=extra,
    )


def test_pairs_are_listed_as_they_stand(terminal: Terminal, books: Deliveries) -> None:
    assert "there are no pairs" in terminal("links").stdout
    books.adopt(pair(1, **{BROUGHT: "2026-11-01T09:00:00+00:00"}), "{}")
    books.adopt(pair(2, **{CONFLICTS: {"Summary": {}, "Labels": {}}}), "{}")
    books.adopt(pair(3, **{UNFINISHED: True}), "{}")
    said = terminal("links", "web-bugs").stdout
    for part in ("acme/web#1", "WEB-1", "in sync", "2026-11-01 09:00:00", "conflict: Labels, Summary", "unfinished"):
        assert part in said
    rows = {row["target"]["item"]: row for row in terminal.json("links")}
    assert rows["WEB-1"]["source"]["url"] == "https://github.com/acme/web/issues/1"
    assert (rows["WEB-1"]["brought"], rows["WEB-2"]["brought"]) == ("2026-11-01T09:00:00+00:00", None)
    assert rows["WEB-3"]["state"] == "unfinished"


def test_a_table_says_how_much_it_leaves_out_and_json_leaves_out_nothing(terminal: Terminal, books: Deliveries) -> None:
    for number in range(1, 6):
        books.adopt(pair(number), "{}")
    assert "2 of 5; --most shows more" in terminal("links", "--most", "2").stdout
    assert len(terminal.json("links")) == 5


def test_the_pair_of_one_item_is_found_from_either_side(terminal: Terminal, books: Deliveries) -> None:
    books.adopt(pair(1), "{}")
    books.adopt(pair(2), "{}")
    for item in ("WEB-2", "acme/web#2", "https://github.com/acme/web/issues/2", "jira:issue:102"):
        (row,) = terminal.json("links", "--item", item)
        assert row["source"]["item"] == "acme/web#2"
    assert "WEB-9 is in no pair" in terminal("links", "--item", "WEB-9", code=1).stdout


def test_a_pair_is_ended_with_a_reason(terminal: Terminal, books: Deliveries) -> None:
    books.adopt(pair(1), "{}")
    assert (
        "acme/web#1 and WEB-1 are no pair of web-bugs any more"
        in terminal("unlink", "web-bugs", "WEB-1", "--reason", "not the same").stdout
    )
    assert terminal.json("links") == []
    row = terminal.json("audit", "web-bugs")[0]
    assert (row["action"], row["actor"], row["reason"]) == ("unlink", "ann", "not the same")
    assert "WEB-1 is in no pair of web-bugs" in terminal("unlink", "web-bugs", "WEB-1", "--reason", "x", code=1).stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("unlink", "web-bugs", "WEB-1"), "--reason"),
        (("unlink", "web-bugs", "WEB-1", "--reason", " "), "must not be empty"),
        (("unlink", "web-bug", "WEB-1", "--reason", "x"), "did you mean 'web-bugs'"),
        (("link", "web-bugs"), "give either HERE and THERE, or --file"),
        (("link", "web-bugs", "acme/web#1"), "give either HERE and THERE, or --file"),
        (("link", "web-bugs", "acme/web#1", "WEB-1", "--initial", "from"), "web-bugs flows one way"),
        (("link", "web-bugs", "--file", "empty.csv"), "must name the columns here and there"),
        (("link", "web-bugs", "--file", "none.csv"), "holds no pairs"),
        (("link", "web-bugs", "--file", "half.csv"), "half.csv:3: there is empty"),
        (("link", "web-bugs", "--file", "latin.csv"), "is not UTF-8"),
    ],
)
def test_what_cannot_be_meant_is_refused(command: tuple[str, ...], said: str, terminal: Terminal) -> None:
    terminal.write("empty.csv", "a,b\n1,2\n")
    terminal.write("none.csv", "here,there\n")
    terminal.write("half.csv", "here,there\nacme/web#1,WEB-1\nacme/web#2,\n")
    terminal.write("latin.csv", "here,there\nß,ß\n".encode("latin-1"))
    assert said in terminal(*command, code=2).stderr


# --- against systems that answer ---------------------------------------------------------------------------
@pytest.fixture
def served(terminal: Terminal) -> Iterator[Terminal]:
    """Two GitHub issues and two Jira issues that nobody has tied."""
    with neighbourhood("cloud") as around:
        terminal.set(**TOKENS)
        urls = {name: around.url(name) for name in ("jira", "github")}
        terminal.write("connections/all.yaml", CONNECTIONS.format(**urls))
        for title in ("One", "Two"):
            around.github("POST", "/repos/acme/web/issues", {"title": title})
            fields = {"project": {"key": "WEB"}, "issuetype": {"name": "Bug"}, "summary": f"{title} there"}
            around.jira("POST", "/issue", {"fields": fields})
        yield terminal


def test_two_items_are_compared_and_tied(served: Terminal, books: Deliveries) -> None:
    said = served("link", "web-bugs", "acme/web#1", "WEB-1", "--dry-run").stdout
    for part in ("acme/web#1  One", "WEB-1  One there", "fields differ", "Summary", "nothing was changed (--dry-run)"):
        assert part in said
    assert books.link_count() == 0
    said = served("link", "web-bugs", "acme/web#1", "WEB-1").stdout
    assert "they are a pair now; the next event of acme/web#1 (or 'connector sync web-bugs') brings" in said
    assert served.json("links")[0]["target"]["item"] == "WEB-1"
    refused = served("link", "web-bugs", "acme/web#1", "WEB-2", code=1)
    assert "acme/web#1 and WEB-1 are a pair of web-bugs already; nothing was changed" in refused.stderr


def test_a_file_of_pairs_is_gone_through_and_what_cannot_be_is_named(served: Terminal, books: Deliveries) -> None:
    served.write("pairs.csv", "\ufeffHere,There,note\nacme/web#1,WEB-1,x\nacme/web#2,WEB-99,y\nacme/web#2,WEB-2,\n")
    dry = served.json("link", "web-bugs", "--file", "pairs.csv", "--dry-run", code=1)
    assert [row["linked"] for row in dry["pairs"]] == [False, False, False]
    assert "there is no issue WEB-99" in dry["pairs"][1]["problem"]
    assert {one["name"] for one in dry["pairs"][0]["differs"]} >= {"Summary"}
    assert books.link_count() == 0
    done = served("link", "web-bugs", "--file", "pairs.csv", code=1)
    assert "2 of 3 are pairs now; 2 of them differ" in done.stdout
    assert "pairs.csv:3: acme/web#2, WEB-99: Rejected: there is no issue WEB-99" in done.stderr
    assert {row["target"]["item"] for row in served.json("links")} == {"WEB-1", "WEB-2"}
    again = served.json("link", "web-bugs", "--file", "pairs.csv", code=1)
    assert all("already" in row["problem"] for row in again["pairs"] if row["line"] != 3)
