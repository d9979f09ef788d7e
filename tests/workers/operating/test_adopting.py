"""Two items that were there before become a pair: compared first, refused where they cannot be one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fakeredis import FakeRedis, FakeServer

from connector.errors import Rejected
from connector.loading import load
from connector.mapping import Policy
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from tests.systems.jira.places import Someone
from tests.workers.pairs import TEXT, Pairs
from tests.workers.street import Street
from workers.operating.acting import Actor
from workers.operating.adopting import Adoption, adopt, look
from workers.operating.pairs import found, unlink

BY = Actor("ann")


@pytest.fixture
def town() -> Iterator[Pairs]:
    """Return a town where a GitHub issue and a Jira issue are about the same, and nobody knows."""
    made = Pairs()
    made.report("Broken")
    made.ada.creates("Broken, as we say", labels=["there"])
    made.hooks("git")
    made.hooks("jira")  # all of that was before the connector
    yield made
    made.check_accounts()
    made.no_effect_is_double()


def looked(town: Pairs, initial: Policy | None = None) -> Adoption:
    return look(town.desk, town.config.connectors["pair"], "acme/web#1", "WEB-1", initial=initial)


def tie(town: Pairs, initial: Policy | None = None) -> None:
    adopt(town.desk, town.inbox, looked(town, initial), BY, patience=0)
    town.settle()


def test_what_differs_is_shown_and_looking_changes_nothing(town: Pairs) -> None:
    wrote: list[str] = []
    town.told = lambda name, _request: wrote.append(name)
    got = looked(town)
    assert {one.name for one in got.differs} == {"Summary", "Description", "Labels"}
    assert next((one.now, one.then) for one in got.differs if one.name == "Summary") == ("Broken, as we say", "Broken")
    assert got.initial is Policy.ASK
    town.settle()
    assert wrote == []
    assert town.book.link_count() == 0
    assert town.questions() == {}


@pytest.mark.parametrize(
    ("initial", "title", "labels"),
    [(Policy.FROM, "Broken", []), (Policy.TO, "Broken, as we say", ["there"])],
)
def test_the_side_that_is_chosen_holds(town: Pairs, initial: Policy, title: str, labels: list[str]) -> None:
    tie(town, initial)
    assert town.on_git()["title"] == town.on_jira()["summary"] == title
    assert town.on_git()["labels"] == town.on_jira()["labels"] == labels
    assert town.questions() == {}
    assert len(town.issues()) == 1


def test_the_newer_side_may_hold(town: Pairs) -> None:
    town.clock.move(60_000)
    town.ada.edits(str(town.issues()["Broken, as we say"]["id"]), summary="Newer")
    town.hooks("jira")
    tie(town, Policy.NEWEST)
    assert town.on_git()["title"] == "Newer"


def test_a_person_is_asked_unless_somebody_says_otherwise(town: Pairs) -> None:
    tie(town)
    assert (town.on_git()["title"], town.on_jira()["summary"]) == ("Broken", "Broken, as we say")
    assert town.questions()["Summary"]["why"] == "initial"


def test_what_was_asked_stays_asked_whatever_the_connector_says(town: Pairs) -> None:
    connector = town.config.connectors["pair"]
    town.declare(replace(connector, initial=Policy.FROM))
    tie(town, Policy.ASK)
    town.person("PATCH", "/issues/1", {"body": "Told anew."})
    town.settle()
    assert town.on_jira()["summary"] == "Broken, as we say"
    assert "Summary" in town.questions()


def test_from_then_on_edits_of_both_sides_meet(town: Pairs) -> None:
    tie(town, Policy.FROM)
    town.person("PATCH", "/issues/1", {"title": "Renamed here"})
    town.settle()
    assert town.on_jira()["summary"] == "Renamed here"
    town.ada.edits(str(town.issues()["Renamed here"]["id"]), summary="Renamed there")
    town.settle()
    assert town.on_git()["title"] == "Renamed there"
    assert len(town.issues()) == 1


def test_it_stands_in_the_audit(town: Pairs) -> None:
    tie(town, Policy.TO)
    row = next(row for row in town.book.audit() if row["action"] == "link")
    assert (row["actor"], row["entity"], row["target"], row["initial"]) == ("ann", "acme/web#1", "WEB-1", "to")
    assert row["fields"] == ["Description", "Labels", "Summary"]


def test_an_ended_pair_may_be_tied_again(town: Pairs) -> None:
    tie(town, Policy.FROM)
    connector = town.config.connectors["pair"]
    link = found(town.book, connector, "WEB-1", lambda _: None)
    unlink(town.desk, connector, link, BY, "by mistake", patience=0)
    town.person("PATCH", "/issues/1", {"title": "Meanwhile"})
    town.settle()
    assert town.on_jira()["summary"] == "Broken"
    assert [one.name for one in looked(town).differs] == ["Summary"]
    tie(town, Policy.FROM)
    assert town.on_jira()["summary"] == "Meanwhile"
    assert (town.book.tombstone(link.source), town.book.tombstone(link.target)) == ("", "")


# --- what cannot be a pair ------------------------------------------------------------------------------------
def test_neither_may_be_linked_already(town: Pairs) -> None:
    second = looked(town)
    tie(town, Policy.FROM)
    with pytest.raises(Rejected, match="acme/web#1 and WEB-1 are a pair of pair already"):
        looked(town)
    with pytest.raises(Rejected, match="was linked meanwhile"):
        adopt(town.desk, town.inbox, second, BY, patience=0)
    town.ada.creates("Another")
    with pytest.raises(Rejected, match="are a pair of pair already"):
        look(town.desk, town.config.connectors["pair"], "acme/web#1", "WEB-2")


def test_both_must_be_selected(town: Pairs) -> None:
    text = TEXT.replace("back: {from: {project: WEB}", "back: {from: {project: OPS}")
    other = load({"a.yaml": text}, SYSTEMS, TRANSFORMS, {}).connectors["pair"]
    with pytest.raises(Rejected, match="WEB-1 is not selected by pair"):
        look(town.desk, other, "acme/web#1", "WEB-1")


def test_what_another_instance_made_is_left_alone(town: Pairs) -> None:
    made = Pairs()
    number = made.report("Ours")
    made.settle()
    connector = made.config.connectors["pair"]
    unlink(made.desk, connector, found(made.book, connector, "WEB-1", lambda _: None), BY, "no", patience=0)
    made.config = replace(made.config, instance="staging")
    with pytest.raises(Rejected, match="WEB-1 was made by the instance 'test'; this one is 'staging'"):
        look(made.desk, connector, f"acme/web#{number}", "WEB-1")


def test_what_is_not_there_is_said(town: Pairs) -> None:
    with pytest.raises(Rejected, match="there is no issue WEB-99"):
        look(town.desk, town.config.connectors["pair"], "acme/web#1", "WEB-99")


# --- one way -----------------------------------------------------------------------------------------------------
@pytest.fixture
def street() -> Street:
    made = Street(FakeRedis(server=FakeServer(server_type="valkey")))
    made.report("Broken")
    Someone(made.benches["jira"]).creates("Broken, as we say")
    made.hooks("git")
    return made


def test_one_way_the_next_event_brings_the_sources_values(street: Street) -> None:
    bugs = street.config.connectors["bugs"]
    got = look(street.desk, bugs, "acme/web#1", "WEB-1")
    assert {one.name for one in got.differs} == {"Summary", "Description"}
    assert got.initial is None
    adopt(street.desk, street.inbox, got, BY, patience=0)
    street.work()
    assert list(street.issues()) == ["Broken, as we say"]
    street.person("PATCH", "/issues/1", {"title": "Broken again"})
    street.comment(1, "hello")
    street.deliver_hooks("git")
    assert list(street.issues()) == ["Broken again"]
    assert "It is" in str(street.issues()["Broken again"]["fields"]["description"])
    street.no_effect_is_double()


def test_one_way_there_is_no_initial_and_the_target_must_be_where_it_writes(street: Street) -> None:
    bugs = street.config.connectors["bugs"]
    with pytest.raises(Rejected, match="flows one way"):
        look(street.desk, bugs, "acme/web#1", "WEB-1", initial=Policy.FROM)
    there = replace(bugs, target=replace(bugs.target, settings=replace(bugs.target.settings, project="OPS")))
    with pytest.raises(Rejected, match="WEB-1 is in WEB; bugs writes to OPS"):
        look(street.desk, there, "acme/web#1", "WEB-1")
