"""Dead letters are grouped by cause, found by what a person knows of them, and opened with all that is known."""

from __future__ import annotations

import pytest
from redis import Redis

from connector.config import Owner
from connector.errors import Rejected, Retryable
from tests.workers.office import Office, bugs, event
from workers.operating import acting
from workers.operating.forecast import forecast
from workers.operating.letters import Dead, Filter, find, group_name, grouped, opened
from workers.scanner import carry_on
from workers.stores.orders import order_of

ADA = acting.Actor("ada", "10.0.0.1")


def refuse(office: Office, *titles: str, cause: str = "required:priority", field: str = "Priority") -> None:
    """Let issues come whose creation is refused for a field."""
    fault = Rejected("cannot be", fields={field: "is required"}, cause=cause, status=400)
    office.jira.breaks("create", lambda: fault, times=len(titles))
    for title in titles:
        office.clock.move(1000)
        number = int(office.clock() / 1000)
        office.accept(event(number, issue=title, title=title, state="open"))
        office.work()


def found(office: Office, **wanted: object) -> list[Dead]:
    criteria = Filter(**wanted)  # type: ignore[arg-type]  # tests give each member its own type
    return find(office.desk, office.config, criteria, office.config.connectors.values())


@pytest.fixture
def office(redis_client: Redis) -> Office:
    return Office(redis_client, bugs(owner=Owner("payments"), attempts=1))


def test_letters_of_one_cause_are_one_group_and_the_newest_comes_first(office: Office) -> None:
    refuse(office, "a", "b")
    refuse(office, "c", cause="unknown_option", field="Severity")
    groups = grouped(found(office))
    assert [(one.cause, one.count, one.wrong) for one in groups] == [
        ("unknown_option", 1, ("Severity",)),
        ("required:priority", 2, ("Priority",)),
    ]
    assert groups[1].first < groups[1].last
    assert groups[1].team == "payments"
    assert groups[1].keys == ("acme/web#b", "acme/web#a")


def test_the_name_of_a_group_depends_on_its_cause_only() -> None:
    one = group_name("web", "Rejected", "required", ["a", "b"])
    assert one == group_name("web", "Rejected", "required", ["b", "a"])
    assert (
        len({one, group_name("api", "Rejected", "required", ["a", "b"]), group_name("web", "Stale", "required", [])})
        == 3
    )


def test_every_criterion_narrows(office: Office) -> None:
    refuse(office, "a", "b")
    middle = office.clock()
    refuse(office, "c", cause="unknown_option", field="Severity")
    assert len(found(office)) == 3
    assert len(found(office, cause="unknown_option")) == 1
    assert len(found(office, entity="WEB#A")) == 1
    assert len(found(office, since=middle + 1)) == 1
    assert len(found(office, until=middle)) == 2
    assert len(found(office, text="CANNOT")) == 3
    assert len(found(office, group=found(office)[0].group)) == 1
    for nothing in (
        {"connector": "other"},
        {"system": "git"},
        {"error": "Stale"},
        {"text": "nowhere"},
        {"entity": "zz"},
    ):
        assert found(office, **nothing) == []


def test_an_opened_letter_tells_what_is_wrong_and_what_to_do(office: Office) -> None:
    refuse(office, "a")
    (dead,) = found(office)
    one = opened(office.desk, office.config, office.config.connectors["bugs"], dead.id)
    assert one is not None
    assert one.wrong == {"Priority": "is required"}
    assert "replay" in one.act
    assert [row["error"] for row in one.attempts] == ["Rejected"]
    assert not one.unknown
    assert opened(office.desk, office.config, office.config.connectors["bugs"], "nobody") is None


def test_a_write_that_may_have_landed_is_told(office: Office) -> None:
    office.jira.breaks("create", lambda: Retryable("reset", sent=True), times=1)
    office.accept(event(1, title="Broken", state="open"))
    office.work()
    (dead,) = found(office)
    one = opened(office.desk, office.config, office.config.connectors["bugs"], dead.id)
    assert one is not None
    assert one.unknown
    assert forecast(office.desk, office.config.connectors["bugs"], [dead]).unknown == 1


def test_a_forecast_tells_what_merges_and_what_would_still_fail(office: Office) -> None:
    connector = office.config.connectors["bugs"]
    refuse(office, "a", "a", "b")
    office.jira.breaks("shape", lambda: Rejected("still impossible"), only="", times=-1)
    told = forecast(office.desk, connector, found(office))
    assert (told.letters, told.read, told.merged, told.failing) == (3, 3, 1, 3)
    office.jira.faults.clear()
    told = forecast(office.desk, connector, found(office))
    assert told.failing == 0
    assert all(trial.preview is not None and trial.preview.steps for trial in told.trials)
    assert office.did() == [], "a forecast writes nothing"


def test_a_replay_is_ordered_audited_and_carried_out(office: Office) -> None:
    refuse(office, "a", "b")
    connector, letters = office.config.connectors["bugs"], found(office)
    order = acting.replay(office.desk, connector, letters, ADA, order="o1", rate=100, reason="mended")
    again = acting.replay(office.desk, connector, letters, ADA, order="o1", rate=100, reason="mended")
    assert (order.total, again.total) == (2, 2)
    office.clock.move(1000)
    carry_on(office.desk)
    office.work()
    assert sorted(office.did())[:2] == ["add issue WEB-1", "add issue WEB-2"]
    done = order_of(office.store, "o1")
    assert done is not None
    assert (done.state, done.replayed, done.actor, done.reason) == ("done", 2, "ada", "mended")
    rows = [row for row in office.store.audit() if row["action"] == "replay"]
    assert [(row["actor"], row["from"], row["order"]) for row in rows] == [("ada", "10.0.0.1", "o1")]
    assert sum(row["action"] == "replay" for row in office.audit) == 1


def test_what_nobody_can_look_for_goes_back_only_on_a_persons_word(office: Office) -> None:
    office.jira.has_look_up = False
    office.jira.breaks("create", lambda: Retryable("reset", sent=True), times=1)
    office.change(attempts=3)
    office.accept(event(1, title="Broken", state="open"))
    office.settle_down(hours=2)
    connector, letters = office.config.connectors["bugs"], found(office, error="Ambiguous")
    assert len(letters) == 1
    assert forecast(office.desk, connector, letters).ambiguous == 1
    order = acting.replay(office.desk, connector, letters, ADA, order="o1", rate=100, reason="")
    assert (order.replayed, order.passed) == (0, 1)
    office.settle_down(hours=2)
    assert office.did() == []
    assert found(office) == letters
    order = acting.replay(office.desk, connector, letters, ADA, order="o2", rate=100, reason="", absent=True)
    assert order.replayed == 1
    office.settle_down(hours=2)
    assert office.did()[0] == "add issue WEB-1"
    assert found(office) == []
    assert [row["absent"] for row in office.audit if row["action"] == "replay"] == [False, True]


def test_whoever_hears_of_a_dead_letter_hears_of_its_item(office: Office) -> None:
    refuse(office, "a")
    ((_, told),) = office.alerts
    assert told["key"] == "acme/web#a"


def test_discarding_says_who_and_why_and_counts_once(office: Office) -> None:
    refuse(office, "a")
    connector = office.config.connectors["bugs"]
    ids = [one.id for one in found(office)]
    assert acting.discard(office.desk, connector, ids, ADA, "obsolete") == 1
    assert acting.discard(office.desk, connector, ids, ADA, "obsolete") == 0
    assert sum(row["action"] == "discard" for row in office.audit) == 1
    office.check_accounts()


def test_pause_and_resume_are_audited(office: Office) -> None:
    connector = office.config.connectors["bugs"]
    acting.pause(office.desk, connector, ADA, "tea")
    office.accept(event(1, title="Broken", state="open"))
    office.work()
    assert office.did() == []
    acting.resume(office.desk, connector, ADA)
    office.work()
    assert office.did()
    assert [row["action"] for row in office.audit if row.get("actor") == "ada"] == ["pause", "resume"]
