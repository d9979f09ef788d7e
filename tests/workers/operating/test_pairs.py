"""Pairs are shown as they stand, and one that a person has ended stays ended whatever happens to its items."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest
from fakeredis import FakeRedis, FakeServer

from connector.errors import Rejected, Retryable
from connector.link import Link
from tests.systems.jira.places import Someone
from tests.workers.pairs import Pairs
from tests.workers.street import Street, back
from tests.workers.test_rebuild import rebuilding
from workers.operating.acting import Actor
from workers.operating.pairs import Pair, also_tied, found, pairs, patiently, unlink
from workers.preview import find, preview
from workers.rebuild import lost_since

BY = Actor("ann")


@pytest.fixture
def town() -> Iterator[Pairs]:
    made = Pairs()
    yield made
    made.check_accounts()
    made.no_effect_is_double()


@pytest.fixture
def number(town: Pairs) -> int:
    made = town.report("Broken")
    town.settle()
    return made


def stands(town: Pairs) -> list[Pair]:
    return list(pairs(town.book, "pair"))


def end(town: Pairs, item: str = "WEB-1") -> Link:
    connector = town.config.connectors["pair"]
    link = found(town.book, connector, item, lambda _: None)
    unlink(town.desk, connector, link, BY, "not the same thing", patience=0)
    return link


# --- how pairs stand -----------------------------------------------------------------------------------------
def test_a_pair_tells_both_items_and_when_it_was_last_written(town: Pairs, number: int) -> None:
    (pair,) = stands(town)
    told = pair.as_json()
    assert (told["source"]["item"], told["target"]["item"]) == (f"acme/web#{number}", "WEB-1")
    assert told["source"]["url"].endswith(f"/issues/{number}")
    assert told["target"]["url"].endswith("/browse/WEB-1")
    assert told["state"] == "in sync"
    first = pair.brought
    town.settle()
    assert stands(town)[0].brought == first  # nothing was written
    town.person("PATCH", f"/issues/{number}", {"title": "Renamed"})
    town.settle()
    assert stands(town)[0].brought > first


def test_a_pair_in_conflict_names_the_fields(town: Pairs, number: int) -> None:
    town.ada.edits(str(town.issues()["Broken"]["id"]), summary="Mine")
    town.person("PATCH", f"/issues/{number}", {"title": "No, mine"})
    town.settle()
    (pair,) = stands(town)
    assert (pair.state, pair.why) == ("conflict", "Summary")


def test_a_pair_with_mail_waits(town: Pairs, number: int) -> None:
    town.person("PATCH", f"/issues/{number}", {"title": "Renamed"})
    town.takes(town.hooks())
    assert stands(town)[0].state == "waiting"
    town.settle()
    assert stands(town)[0].state == "in sync"


def test_many_pairs_are_walked_in_pages_each_once(town: Pairs) -> None:
    wanted = {f"git:issue:{n}" for n in range(1300)}
    for n in range(1300):
        assert town.book.adopt(Link(f"git:issue:{n}", f"jira:issue:{n}", key=f"WEB-{n}"), "{}") == "ok"
    looked: list[int] = []
    seen = [one.link.source for one in pairs(town.book, "pair", looked=looked.append)]
    assert sorted(seen) == sorted(wanted)
    assert looked[-1] == 1300
    (one,) = pairs(town.book, "pair", item="web-77")
    assert one.link.target == "jira:issue:77"


# --- ending one -------------------------------------------------------------------------------------------------
def test_nothing_flows_between_the_items_of_an_ended_pair(town: Pairs, number: int) -> None:
    end(town)
    wrote: list[str] = []
    town.told = lambda name, request: wrote.append(f"{name} {request.method} {request.path}")
    issue = str(town.issues()["Broken"]["id"])
    town.person("PATCH", f"/issues/{number}", {"title": "Renamed here"})
    town.comment(number, "hello")
    town.ada.edits(issue, labels=["there"])
    town.ada.comments(issue, "anybody?")
    town.settle()
    assert wrote == []
    assert stands(town) == []
    assert len(town.issues()) == 1
    reasons = {row["reason"] for row in town.book.settled(most=4)}
    assert reasons == {"unlinked by ann: not the same thing; 'connector link' ties it again"}


def test_what_had_come_in_before_is_not_brought_over_either(town: Pairs, number: int) -> None:
    town.person("PATCH", f"/issues/{number}", {"title": "Renamed"})
    town.takes(town.hooks())
    end(town, f"acme/web#{number}")
    town.settle()
    assert town.on_jira()["summary"] == "Broken"


def test_its_open_questions_and_decisions_go_with_it(town: Pairs, number: int) -> None:
    town.ada.edits(str(town.issues()["Broken"]["id"]), summary="Mine")
    town.person("PATCH", f"/issues/{number}", {"title": "No, mine"})
    town.settle()
    source = stands(town)[0].link.source
    town.book.decide(source, "Summary", {"take": "from", "value": None, "by": "ann", "at": ""})
    end(town)
    assert list(town.book.questions()) == []
    assert town.book.decisions(source, ["Summary"]) == {}


def test_it_stands_in_the_audit_and_a_preview_tells_it(town: Pairs, number: int) -> None:
    end(town)
    row = town.book.audit(most=1)[0]
    assert (row["action"], row["actor"], row["entity"], row["target"], row["reason"]) == (
        "unlink",
        "ann",
        f"acme/web#{number}",
        "WEB-1",
        "not the same thing",
    )
    connector = town.config.connectors["pair"]
    shown = preview(town.desk, connector, find(town.desk, connector, f"acme/web#{number}"), books=town.book)
    assert "unlinked by ann" in shown.skipped


def test_a_pair_that_a_worker_holds_is_not_ended(town: Pairs, number: int) -> None:
    town.person("PATCH", f"/issues/{number}", {"title": "Renamed"})
    town.takes(town.hooks())
    claim = town.book.begin(town.bells.pop(0)[1])
    assert claim.status == "work"
    before = stands(town)
    with pytest.raises(Retryable, match="a worker is at it: nothing was changed"):
        end(town)
    assert [one.link for one in stands(town)] == [one.link for one in before]
    town.book.end(claim.turn)
    end(town)
    assert stands(town) == []


def test_it_is_asked_again_while_a_worker_is_at_it() -> None:
    answers, waits = ["held", "held", "ok"], list[float]()
    assert patiently(lambda: answers.pop(0), pause=waits.append) == "ok"
    assert len(waits) == 2


def test_sent_twice_it_is_done_once(town: Pairs, number: int) -> None:
    link = stands(town)[0].link
    assert [town.book.unlink(link.source, '{"by": "ann"}', "{}") for _ in range(2)] == ["ok", "ok"]
    assert town.book.unlink(link.source, '{"by": "bob"}', "{}") == "none"
    assert sum(row.get("action") is None for row in town.book.audit(most=5)) == 1


def test_what_is_in_no_pair_is_refused(town: Pairs, number: int) -> None:
    with pytest.raises(Rejected, match="WEB-9 is in no pair of pair"):
        end(town, "WEB-9")
    connector, link = town.config.connectors["pair"], end(town)
    with pytest.raises(Rejected, match="in no pair any more"):
        unlink(town.desk, connector, link, BY, "again", patience=0)


# --- markers do not bring it back ----------------------------------------------------------------------------------
def street() -> Street:
    return Street(FakeRedis(server=FakeServer(server_type="valkey")))


def test_a_rebuild_does_not_make_it_again() -> None:
    town = street()
    bugs = town.config.connectors["bugs"]
    books = town.books(bugs)
    books.enter()
    for title in ("One", "Two"):
        town.report(title)
    town.deliver_hooks()
    link = next(one for page in books.pages() for one in page if one.key == "WEB-1")
    unlink(town.desk, bugs, link, BY, "no", patience=0)
    other = next(one for page in books.pages() for one in page)
    # Somebody lost the links, and nothing else.
    town.client.delete(books.tag + "links", books.tag + "back")
    work = rebuilding(town, bugs)
    work.run(lost_since(town.desk, bugs, town.clock()), unreadable=bool(work.outlook().why), actor="ann")
    town.settle_down(hours=1)
    assert [one.source for page in books.pages() for one in page] == [other.source]
    assert len(town.issues()) == 2


def test_the_other_half_of_a_ring_does_not_copy_it_back() -> None:
    town = street()
    bugs = town.config.connectors["bugs"]
    town.declare(bugs, back(creates=True))
    number = town.report("Broken")
    ada = Someone(town.benches["jira"])
    issue = ada.creates("Broken there")  # it carries no mark that would tell where it belongs
    town.hooks("git")
    town.hooks("jira")
    source = find(town.desk, bugs, f"acme/web#{number}").entity
    link = Link(source.ref, f"jira:issue:{issue}", key="WEB-1", source_key=source.key)
    assert town.books(bugs).adopt(link, "{}") == "ok"
    unlink(town.desk, bugs, link, BY, "no", patience=0)
    assert also_tied(town.desk, bugs, link) == []
    town.person("PATCH", f"/issues/{number}", {"title": "Renamed"})
    ada.edits(issue, summary="Renamed there")
    town.deliver_hooks()
    issues = town.benches["git"].sandbox.state()["repositories"]["acme/web"]["issues"]
    assert [one["title"] for one in issues if one["title"] != "Renamed"] == []
    assert list(town.issues()) == ["Renamed there"]


def test_a_half_that_has_written_ties_the_items_itself_and_is_named() -> None:
    ring = street()
    bugs = ring.config.connectors["bugs"]
    ring.declare(bugs, back())
    link = Link("git:issue:1", "jira:issue:1", key="WEB-1")
    assert ring.books(back()).adopt(Link("jira:issue:1", "git:issue:1"), "{}") == "ok"
    assert also_tied(ring.desk, bugs, link) == ["back"]


def test_a_tombstone_tells_who_and_why(town: Pairs, number: int) -> None:
    link = end(town)
    for ref in (link.source, link.target):
        told = orjson.loads(town.book.tombstone(ref))
        assert (told["by"], told["reason"], told["key"]) == ("ann", "not the same thing", "WEB-1")
