"""What shadow mode saw is what would have happened live, and leaves nothing else behind."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis import Redis

from connector.config import Mode, When
from connector.errors import Retryable
from connector.event import Kind
from connector.loading import load
from connector.mapping import Rule
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from tests.systems.jira.places import Someone
from tests.workers.office import CREATED, Office, bugs, comment, event
from tests.workers.pairs import TEXT, Pairs
from tests.workers.street import Street
from workers.operating.fidelity import Fidelity, fidelity, markdown, summary
from workers.stores import shadows


@pytest.fixture
def office(redis_client: Redis) -> Office:
    return Office(redis_client, bugs(mode=Mode.SHADOW))


def report(office: Office, **more: int) -> Fidelity:
    one = next(iter(office.config.connectors.values()))
    return fidelity(office.desk, one, timedelta(hours=more.get("hours", 24)))


def test_an_item_that_changes_is_one_create_and_then_updates(office: Office) -> None:
    for number, title in enumerate(("Broken", "Broken", "Mended", "Mended"), start=2):
        office.accept(event(number, title=title, state="open"))
        office.work()
    got = report(office)
    assert got.events == 4
    assert got.would == {"create": 1, "update": 2, "relate": 1}  # its status at once, and one change
    assert got.outcomes == {"would": 2, "skipped": 2}
    assert got.skipped == {"nothing to change": 2}
    assert got.fields["Summary"] == {
        "new": 1, "equal": 2, "changed": 1, "conflict": 0, "left alone": 0, "refused": 0, "lost": 0,
    }  # fmt: skip
    assert office.did() == []


def test_a_comment_on_what_shadow_would_have_made_is_a_comment(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    office.accept(comment(2, "hello"), comment(3, "again", sub="c2"))
    office.work()
    assert report(office).would == {"create": 1, "update": 1, "comment": 2, "relate": 1}


def test_a_comment_on_an_unknown_item_tells_of_the_create_it_would_make(office: Office) -> None:
    office.accept(comment(2, "hello"))
    office.work()
    assert report(office).would["create"] == 1
    assert report(office).would["comment"] == 1
    assert office.outcome()[1].startswith("shadow: would create")


def test_what_would_die_is_counted_by_cause_and_nobody_is_told(office: Office) -> None:
    office.accept(event(2, title="impossible", state="open"), event(2, issue=2, title="Fine", state="open"))
    office.work()
    got = report(office)
    assert got.outcomes == {"refused": 1, "would": 1}
    assert got.refused == {"Rejected:400": 1}
    assert got.fields["Summary"]["refused"] == 1
    assert got.share == 0.5
    assert office.store.counts()["dead"] == 0
    assert office.outcome(1)[1].startswith("shadow: would be refused: Rejected")
    assert office.alerts == []
    assert [one["why"] for one in got.examples if one["outcome"] == "refused"] == ["cannot be"]


def test_a_cause_that_strikes_many_holds_nothing_back_in_shadow(office: Office) -> None:
    for number in range(12):
        office.accept(event(1, issue=number, title="impossible", state="open"))
    office.work()
    assert office.holds == []
    assert report(office).outcomes == {"refused": 12}


def test_a_failure_that_passes_is_tried_again_and_counted_once(office: Office) -> None:
    office.jira.breaks("shape", lambda: Retryable("busy", sent=False), times=2)
    office.accept(CREATED)
    office.work()
    office.settle_down()
    got = report(office, hours=200)
    assert (got.events, got.waited) == (1, 2)


def test_one_that_never_passes_is_refused_in_the_end(office: Office) -> None:
    office.change(attempts=2)
    office.jira.breaks("shape", lambda: Retryable("busy", sent=False, cause="503"), times=-1)
    office.accept(CREATED)
    office.work()
    office.settle_down()
    assert report(office, hours=200).refused == {"Retryable:503": 1}


def test_events_are_counted_by_the_filter_that_takes_them(office: Office) -> None:
    office.change(when=When(labels=frozenset({"bug"})))
    assert office.accept(event(1, title="No", labels=[], issue=2)) == ["accepted"]
    office.accept(event(1, Kind.ISSUE_CREATED, title="Yes", labels=["bug"]))
    office.work()
    assert report(office).skipped == {"filtered: when.labels: none of bug": 1}
    assert report(office).outcomes == {"would": 1, "skipped": 1}


def test_events_that_are_told_by_a_later_one_are_counted(office: Office) -> None:
    office.accept(CREATED, *(event(n, title=f"Title {n}", state="open") for n in range(2, 6)))
    office.work()
    got = report(office)
    assert (got.events, got.merged, got.would["create"]) == (5, 4, 1)


def test_a_linked_item_is_compared_with_its_target_as_it_is_now(office: Office) -> None:
    office.change(mode=Mode.LIVE)
    office.accept(CREATED)
    office.work()
    office.change(mode=Mode.SHADOW)
    office.jira.items["1"].fields["Summary"] = "A person's words"
    before = office.did()
    office.accept(event(2, title="New words", state="open"))
    office.work()
    office.accept(event(3, title="A person's words", state="open"))
    office.work()
    got = report(office)
    assert got.fields["Summary"]["conflict"] == 1
    assert got.fields["Summary"]["equal"] == 1
    assert got.fields["Status"] == {**got.fields["Status"], "equal": 2, "changed": 0}
    assert office.did() == before
    assert office.store.link("git:issue:1") is not None


def test_live_costs_nothing_and_leaves_nothing(office: Office) -> None:
    office.change(mode=Mode.LIVE)
    office.accept(CREATED)
    office.work()
    names = office.keys()
    assert not {name for name in names if name.startswith("shadow")}
    assert report(office).events == 0
    assert summary(report(office)) == ["bugs has seen no event in shadow mode"]


def test_latency_is_from_the_event_to_the_decision(office: Office) -> None:
    for number, late in enumerate((1, 1, 1, 60), start=2):
        office.accept(event(number, issue=number, title="x", at=office.now() - timedelta(seconds=late)))
        office.work()
    got = report(office)
    assert got.lag_p50 == 1000
    assert 60_000 <= got.lag_p95 <= 128_000


def test_what_is_kept_is_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadows, "NAMES", 12)
    monkeypatch.setattr(shadows, "EXAMPLES", 3)
    monkeypatch.setattr(shadows, "ENTITIES", 2)
    office.change(mapping=tuple(Rule(f"F{n}", path="title") for n in range(30)))
    for number in range(5):
        office.accept(event(1, issue=number, title="x"))
        office.work()
    counts, _, _ = office.store.shadow_counts(0, office.desk.now_ms())
    assert len(counts) <= 12 + 8  # and what is left of each group together
    assert counts["field:(other)"] > 0
    assert len(office.store.shadow_examples()) == 3
    assert office.store.shadowed("git:issue:0") is None
    assert office.store.shadowed("git:issue:4") is not None


def test_counts_leave_with_their_hour(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    office.clock.move(3 * 3_600_000)
    assert report(office, hours=1).events == 0
    assert report(office, hours=24).events == 1
    assert report(office).creates_an_hour == pytest.approx(1 / 3, rel=0.5)


def test_no_value_is_kept(office: Office) -> None:
    office.accept(event(2, title="a secret plan", state="open"))
    office.work()
    kept = {**office.client.hgetall("jc:{bugs}:shadowed")}
    told = repr(office.store.shadow_examples()) + repr(kept) + markdown(report(office))
    assert "secret plan" not in told


def test_the_report_is_written_for_people(office: Office) -> None:
    office.accept(event(2, title="impossible", state="open"), event(2, issue=2, title="Fine", state="open"))
    office.work()
    text = markdown(report(office))
    assert "# What bugs would have done" in text
    assert "| Rejected (400) | 1 |" in text
    assert "| Summary | 1 | 0 | 0 | 0 | 0 | 1 | 0 |" in text
    assert "| acme/web#1 | issue.updated | Rejected (400): cannot be |" in text


def test_shadow_over_real_systems_foretells_what_live_then_does(redis_client: Redis) -> None:
    """The same story twice: what shadow counts is what the ledger holds afterwards."""

    def story(street: Street) -> None:
        for title in ("One", "Two"):
            number = street.report(title)
            street.deliver_hooks("git")
            street.person("PATCH", f"/issues/{number}", {"title": f"{title}!"})
            street.deliver_hooks("git")
            street.comment(number, "me too")
            street.deliver_hooks("git")

    shadow = Street(redis_client)
    shadow.change(mode=Mode.SHADOW)
    story(shadow)
    got = report(shadow)
    assert not shadow.ours()
    redis_client.flushall()
    live = Street(redis_client)
    story(live)
    assert live.store.counts()["delivered"] == got.events == 6
    made = [one.action for one in live.benches["jira"].sandbox.ledger.effects]
    assert got.would == {"create": 2, "update": 2, "comment": 2, "relate": 2}
    writes = [one for one in live.benches["jira"].transport.sent if one.writes]
    assert got.writes == len(writes), made


def test_a_refusal_of_a_transition_is_foretold(redis_client: Redis) -> None:
    street = Street(redis_client)
    number = street.report("Broken")
    street.deliver_hooks("git")
    street.change(mode=Mode.SHADOW, mapping=(Rule("Summary", path="title"), Rule("Status", value="Nowhere")))
    street.person("PATCH", f"/issues/{number}", {"title": "Mended"})
    street.deliver_hooks("git")
    assert report(street).outcomes == {"refused": 1}


def test_going_live_starts_at_now(office: Office) -> None:
    """What was seen in shadow is not delivered afterwards, also where a poll brings it again; what comes then is."""
    office.accept(CREATED, event(1, issue=2, title="Another", state="open"))
    office.work()
    office.change(mode=Mode.LIVE)
    assert office.accept(CREATED, revive=True) == ["duplicate"]
    office.work()
    assert office.did() == []
    office.accept(event(2, title="Broken", state="open"))
    office.work()
    assert office.did()[0] == "add issue WEB-1"
    assert len(office.jira.items) == 1


def test_a_two_way_connector_is_foretold_in_both_directions() -> None:
    street = Pairs()
    number = street.report("Broken")
    street.deliver_hooks("git", "jira")
    key = street.issues()["Broken"]["key"]

    def mode(word: str) -> None:
        loaded = load({"a.yaml": TEXT.replace("name: pair", f"name: pair\n  mode: {word}")}, SYSTEMS, TRANSFORMS, {})
        street.declare(loaded.connectors["pair"])

    mode("shadow")
    before = street.ours(), street.ours("git"), street.book.settled(most=1)
    street.person("PATCH", f"/issues/{number}", {"title": "By a person"})
    street.deliver_hooks("git")
    Someone(street.benches["jira"]).edits(key, summary="By another")
    street.deliver_hooks("jira")
    got = report(street)
    assert (street.ours(), street.ours("git")) == before[:2]
    assert got.would["update"] >= 1
    assert got.fields["Summary"]["changed"] >= 1
    assert got.fields["Summary"]["conflict"] >= 1
    assert got.fields["Description"]["equal"] >= 1
    names = street.keys()
    assert "questions" not in names


def test_a_new_item_of_a_two_way_connector_is_foretold() -> None:
    street = Pairs(TEXT.replace("name: pair", "name: pair\n  mode: shadow"))
    street.report("Broken")
    street.deliver_hooks("git")
    assert report(street).would == {"create": 1, "update": 1}
    assert not street.ours()


def test_shadow_reads_what_live_reads_and_one_look_at_a_linked_target(redis_client: Redis) -> None:
    def asked(mode: Mode) -> list[int]:
        redis_client.flushall()
        street = Street(redis_client)
        number = street.report("Broken")
        street.deliver_hooks("git")
        street.change(mode=mode)
        costs = []
        for title in ("One", "Two", "Three"):
            before = len([one for one in street.benches["jira"].transport.sent if not one.writes])
            street.person("PATCH", f"/issues/{number}", {"title": title})
            street.deliver_hooks("git")
            costs.append(len([one for one in street.benches["jira"].transport.sent if not one.writes]) - before)
        return costs

    live, shadow = asked(Mode.LIVE), asked(Mode.SHADOW)
    assert all(one <= other + 1 for one, other in zip(shadow, live, strict=True)), (live, shadow)
