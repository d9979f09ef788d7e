"""A store that goes back in time is noticed, and what it has forgotten is neither lost nor done twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer

from connector.config import Connector, When
from connector.mapping import Rule
from connector.systems.slack.sandbox import SCOPES
from tests.systems.jira.places import Someone
from tests.workers.street import Street, back, bugs
from workers import recovery
from workers.recovery import PATIENCE, recover
from workers.stores.deliveries import look_at_all
from workers.stores.records import Settlement

Copy = dict[bytes, tuple[bytes, int]]


@pytest.fixture
def street() -> Street:
    made = Street(FakeRedis(server=FakeServer(server_type="valkey")), news=True, index_lag=timedelta(seconds=60))
    for connector in made.config.connectors.values():
        made.books(connector).enter()
    return made


def copied(street: Street) -> Copy:
    """Copy the whole store."""
    client: Any = street.client
    return {key: (client.dump(key), client.pttl(key)) for key in client.keys("*")}


def put_back(street: Street, copy: Copy) -> None:
    """Put the store back to a copy: everything since is forgotten."""
    client: Any = street.client
    client.flushall()
    for key, (value, life) in copy.items():
        client.restore(key, max(0, life), value)


def heal(street: Street, *, hours: int = 3) -> None:
    """Let workers notice, recover and work until all is quiet."""
    for _ in range(hours * 12):
        connectors = list(street.config.connectors.values())
        look_at_all(street.client, [street.books(one) for one in connectors])
        for one in connectors:
            recover(street.desk, street.inbox, one)
        street.work()
        street.later(300)
    street.work()


def everything_is_there_once(street: Street) -> None:
    street.no_effect_is_double()
    street.check_accounts()
    for connector in street.config.connectors.values():
        counts = street.books(connector).counts()
        assert (counts["in_flight"], counts["dead"]) == (0, 0), (connector.name, counts)


def comments(street: Street, title: str) -> list[str]:
    found = street.issues()[title]["fields"]["comment"]["comments"]
    return [str(one["body"]) for one in found]


def test_what_was_delivered_since_the_copy_is_found_again_and_not_repeated(street: Street) -> None:
    old = street.report("Old")
    street.deliver_hooks("git")
    copy = copied(street)
    # All of this is done, and then forgotten.
    new = street.report("New")
    street.comment(new, "first")
    street.comment(old, "late")
    street.deliver_hooks("git")
    assert sorted(street.issues()) == ["New", "Old"]
    street.clock.move(30_000)
    put_back(street, copy)
    # Life goes on before anybody notices.
    street.comment(new, "second")
    street.deliver_hooks("git")
    heal(street)
    everything_is_there_once(street)
    assert sorted(street.issues()) == ["New", "Old"]
    assert [("first" in one, "second" in one) for one in comments(street, "New")] == [(True, False), (False, True)]
    assert len(comments(street, "Old")) == 1
    # The link is known again: edits reach the same issue.
    street.person("PATCH", f"/issues/{new}", {"title": "Newer"})
    street.deliver_hooks("git")
    street.settle_down()
    assert sorted(street.issues()) == ["Newer", "Old"]


def test_what_was_accepted_since_the_copy_and_not_delivered_is_brought_by_the_poll(street: Street) -> None:
    copy = copied(street)
    street.report("Accepted and forgotten")
    street.inbox.accept(street.hooks(), revive=True)
    put_back(street, copy)
    street.bells.clear()
    heal(street)
    everything_is_there_once(street)
    assert sorted(street.issues()) == ["Accepted and forgotten"]


def test_what_comes_in_again_stands_before_what_came_in_meanwhile(street: Street) -> None:
    new = street.report("New")
    street.deliver_hooks("git")
    copy = copied(street)
    # Within one second: the source's clock does not tell them apart.
    street.comment(new, "first")
    street.inbox.accept(street.hooks(), revive=True)
    put_back(street, copy)
    street.bells.clear()
    street.comment(new, "second")
    street.inbox.accept(street.hooks(), revive=True)
    street.bells.clear()
    heal(street)
    everything_is_there_once(street)
    assert [("first" in one, "second" in one) for one in comments(street, "New")] == [(True, False), (False, True)]


def test_whoever_sees_it_first_stops_all_writing(street: Street) -> None:
    street.report("One")
    street.inbox.accept(street.hooks(), revive=True)
    claim = street.store.begin(street.bells[0][1])
    turn, box = claim.turn, claim.boxes[0]
    copy = copied(street)

    def announced() -> str:
        letter = box.letters[0].id
        return street.store.intend(
            turn, box.subject, "e", action="create", delivery=letter, request="", deadline=1000
        ).answer

    assert announced() == "go"
    put_back(street, copy)
    # The turn lives in the copy too; it must not write with what it knows of a future that is gone.
    assert announced() == "stale"
    halt = street.store.halt()
    assert halt is not None
    assert halt.why == "restored"
    assert street.store.settle(turn, box.subject, Settlement()) is None
    assert street.store.begin("any").status != "work"
    assert street.store.isolate().status != "work"
    assert street.store.scan()[2] == ()
    # Noticing it again changes nothing; what comes in meanwhile is taken, and nobody is rung for it.
    assert look_at_all(street.client, [street.store])
    assert street.store.halt() == halt
    street.report("Two")
    assert street.accept(*street.hooks()) == ["accepted"]
    assert street.store.tally()["restored"] == 1
    assert street.store.settle(turn, box.subject, Settlement()) is None


def test_the_same_store_after_a_restart_is_no_alarm(street: Street) -> None:
    street.report("One")
    street.deliver_hooks("git")
    put_back(street, copied(street))
    assert look_at_all(street.client, [street.store]) == []
    street.report("Two")
    street.deliver_hooks("git")
    assert street.store.halt() is None
    assert street.store.tally()["restored"] == 0
    everything_is_there_once(street)


def test_a_process_that_only_looked_on_notices_too(street: Street) -> None:
    copy = copied(street)
    street.report("One")
    street.deliver_hooks("git")
    other = Street(street.client)
    other.clock = street.clock
    assert look_at_all(other.client, [other.store]) == []
    put_back(street, copy)
    assert look_at_all(other.client, [other.store])
    assert other.store.halt() is not None


def test_an_index_that_lags_is_waited_for_before_anything_is_written(street: Street) -> None:
    copy = copied(street)
    street.report("Just created")
    street.deliver_hooks("git")
    put_back(street, copy)
    connectors = list(street.config.connectors.values())
    assert look_at_all(street.client, [street.books(one) for one in connectors])
    assert all(recover(street.desk, street.inbox, one) for one in connectors)
    street.work()
    # The sandbox's index shows it a minute later; until then nothing may be concluded from its absence.
    assert list(street.issues()) == ["Just created"]
    assert street.store.counts()["in_flight"] == 1
    heal(street)
    everything_is_there_once(street)


def test_a_message_where_the_channel_cannot_be_read_is_for_a_person() -> None:
    street = Street(
        FakeRedis(server=FakeServer(server_type="valkey")),
        news=True,
        scopes=frozenset(one for one in SCOPES if not one.endswith(":history")),
    )
    for connector in street.config.connectors.values():
        street.books(connector).enter()
    copy = copied(street)
    street.report("Posted and forgotten")
    street.deliver_hooks("git")
    put_back(street, copy)
    heal(street)
    street.no_effect_is_double()
    (letter,) = street.books(street.config.connectors["news"]).dead()
    assert letter.fields["cause"] == "ambiguous"
    # What happens from now on needs no look-up.
    street.clock.move(int(timedelta(hours=1).total_seconds() * 1000))
    street.report("After it all")
    street.deliver_hooks("git")
    street.settle_down()
    assert len(street.books(street.config.connectors["news"]).dead()) == 1
    street.check_accounts()


def test_an_update_that_was_forgotten_does_not_bring_old_values_back(street: Street) -> None:
    number = street.report("Once")
    street.deliver_hooks("git")
    copy = copied(street)
    street.person("PATCH", f"/issues/{number}", {"title": "Twice"})
    street.deliver_hooks("git")
    assert list(street.issues()) == ["Twice"]
    put_back(street, copy)
    # Back to what the restored base says the target holds: without doubt nothing would be written.
    street.person("PATCH", f"/issues/{number}", {"title": "Once"})
    street.deliver_hooks("git")
    heal(street)
    assert list(street.issues()) == ["Once"]
    everything_is_there_once(street)


def test_an_edit_and_a_removal_find_the_copy_that_was_forgotten(street: Street) -> None:
    number = street.report("Talk")
    street.deliver_hooks("git")
    copy = copied(street)
    edited, removed = street.comment(number, "one"), street.comment(number, "two")
    street.deliver_hooks("git")
    assert len(comments(street, "Talk")) == 2
    put_back(street, copy)
    street.person("PATCH", f"/issues/comments/{edited}", {"body": "one, better said"}, who="ghp_alice")
    street.person("DELETE", f"/issues/comments/{removed}")
    street.deliver_hooks("git")
    heal(street)
    (left,) = comments(street, "Talk")
    assert "better said" in left
    everything_is_there_once(street)


def test_a_source_that_is_away_is_waited_for_and_then_left_to_the_polls(
    street: Street, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "_said", set())
    street.declare(bugs())
    copy = copied(street)
    street.report("Forgotten")
    street.inbox.accept(street.hooks(), revive=True)
    put_back(street, copy)
    street.bells.clear()
    connector = street.config.connectors["bugs"]
    assert look_at_all(street.client, [street.store])
    street.desk.connections.close("git", PATIENCE + timedelta(minutes=1), "limit", "429")
    assert not recover(street.desk, street.inbox, connector)
    assert not recover(street.desk, street.inbox, connector)
    loud = [one for one in caplog.records if "WENT BACK" in one.message and one.levelname == "ERROR"]
    assert len(loud) == 1, "it is said once, however often it is tried"
    assert street.store.halt() is not None
    street.clock.move(int(PATIENCE.total_seconds() * 1000) + 1000)
    assert recover(street.desk, street.inbox, connector)
    assert street.store.halt() is None
    assert street.issues() == {}
    assert street.store.cursor("owed")
    street.clock.move(60_000)
    street.poll()
    assert street.store.cursor("owed") == {}
    street.work()
    street.settle_down()
    assert list(street.issues()) == ["Forgotten"]
    everything_is_there_once(street)


def test_going_back_twice_is_noticed_twice(street: Street) -> None:
    copy = copied(street)
    street.report("One")
    street.deliver_hooks("git")
    put_back(street, copy)
    heal(street)
    street.report("Two")
    street.deliver_hooks("git")
    put_back(street, copy)
    heal(street)
    assert street.store.tally()["restored"] == 1  # the counter went back, too
    assert sorted(street.issues()) == ["One", "Two"]
    everything_is_there_once(street)


def test_what_is_young_is_not_looked_for(street: Street) -> None:
    street.declare(bugs())
    copy = copied(street)
    street.report("Forgotten")
    street.deliver_hooks("git")
    put_back(street, copy)
    assert look_at_all(street.client, [street.store])
    assert recover(street.desk, street.inbox, street.config.connectors["bugs"])
    for _ in range(4):
        street.later(300)
    # Still within the time that webhooks of before may come.
    asked = len(street.benches["jira"].transport.sent)
    number = street.report("Young")
    street.comment(number, "young too")
    street.deliver_hooks("git")
    street.settle_down()
    assert sorted(street.issues()) == ["Forgotten", "Young"]
    young = street.benches["jira"].transport.sent[asked:]
    assert not any("search" in one.path for one in young)
    assert not any(one.path.endswith("/comment") and not one.writes for one in young)
    everything_is_there_once(street)


def test_two_processes_that_remember_different_things_notice_it_once(street: Street) -> None:
    street.declare(bugs())
    copy = copied(street)
    street.report("One")
    other = Street(street.client)
    other.clock = street.clock
    street.inbox.accept(street.hooks(), revive=True)
    other.store.marks.saw("bugs", 1)
    street.work()
    put_back(street, copy)
    assert look_at_all(other.client, [other.store])
    assert recover(other.desk, other.inbox, other.config.connectors["bugs"])
    # This one remembers more.
    assert look_at_all(street.client, [street.store]) == []
    assert street.store.tally()["restored"] == 1
    heal(street, hours=1)
    everything_is_there_once(street)


def test_an_older_state_is_not_told_again_before_the_newer_one(street: Street) -> None:
    street.declare(bugs())
    number = street.report("First")
    street.deliver_hooks("git")
    street.person("PATCH", f"/issues/{number}", {"title": "Second"})
    street.comment(number, "in between, so that the states do not collapse")
    street.inbox.accept(street.hooks(), revive=True)
    copy = copied(street)
    street.work()
    street.person("PATCH", f"/issues/{number}", {"title": "Third"})
    street.deliver_hooks("git")
    put_back(street, copy)
    heal(street)
    edits = [one for one in street.benches["jira"].sandbox.ledger.effects if one.action == "edit_issue"]
    told = [one.detail["fields"]["summary"] for one in edits if "summary" in one.detail["fields"]]
    assert told[0] == "Second"
    assert set(told[1:]) == {"Third"}
    assert list(street.issues()) == ["Third"]
    everything_is_there_once(street)


def test_what_follows_a_forgotten_link_is_not_filtered_out(street: Street) -> None:
    street.declare(bugs(when=When(labels=frozenset({"bug"}))))
    copy = copied(street)
    number = street.report("Labelled")
    street.person("PATCH", f"/issues/{number}", {"labels": ["bug"]})
    street.deliver_hooks("git")
    street.person("PATCH", f"/issues/{number}", {"labels": []})
    street.deliver_hooks("git")
    assert list(street.issues()) == ["Labelled"]
    put_back(street, copy)
    street.comment(number, "still about the same")
    street.deliver_hooks("git")
    heal(street)
    assert len(comments(street, "Labelled")) == 1
    everything_is_there_once(street)


def test_the_other_half_of_a_ring_waits_for_the_link_that_was_forgotten(street: Street) -> None:
    street.declare(bugs(), back())
    copy = copied(street)
    street.report("Both ways")
    street.deliver_hooks("git", "jira")
    put_back(street, copy)
    (issue,) = street.benches["jira"].sandbox.state().values()
    street.clock.move(5000)
    Someone(street.benches["jira"]).comments(str(issue["id"]), "said in Jira")
    street.inbox.accept(street.hooks("jira"), revive=True)
    look_at_all(street.client, [street.books(one) for one in street.config.connectors.values()])
    # This half has lost nothing, and looks before the other one has found its link again.
    assert street.books(street.config.connectors["back"]).halt() is None
    assert street.store.halt() is not None
    street.work()
    heal(street)
    said = street.person("GET", "/issues/1/comments")
    assert sum("said in Jira" in one["body"] for one in said) == 1
    everything_is_there_once(street)


def test_a_newer_letter_that_speaks_for_a_doubtful_one_doubts_too(street: Street) -> None:
    street.declare(bugs())
    number = street.report("Made and forgotten")
    street.inbox.accept(street.hooks(), revive=True)
    copy = copied(street)
    street.work()
    put_back(street, copy)
    street.bells.clear()
    assert look_at_all(street.client, [street.store])
    street.store.close(street.clock() + 3 * 3_600_000, "a pause")
    assert recover(street.desk, street.inbox, street.config.connectors["bugs"])
    street.clock.move(2 * 3_600_000)
    street.person("PATCH", f"/issues/{number}", {"title": "Edited hours later"})
    street.deliver_hooks("git")
    street.store.close(0, "")
    heal(street)
    assert list(street.issues()) == ["Edited hours later"]
    everything_is_there_once(street)


def with_status() -> Connector:
    """Declare `bugs` with a status that both sides move."""
    rule = Rule("Status", path="state", table={"open": "To Do", "closed": "Done"})
    return bugs(mapping=(*bugs().mapping, rule))


def status_of(street: Street, title: str) -> str:
    return str(street.issues()[title]["fields"]["status"]["name"])


def test_a_status_that_people_moved_is_not_pulled_back(street: Street) -> None:
    street.declare(with_status())
    moved, closed = street.report("Moved on in Jira"), street.report("Closed meanwhile")
    street.deliver_hooks("git")
    copy = copied(street)
    street.comment(moved, "so that something is forgotten")
    street.deliver_hooks("git")
    ada = Someone(street.benches["jira"])
    issue = str(street.issues()["Moved on in Jira"]["id"])
    offered = ada.ask("GET", f"/issue/{issue}/transitions")["transitions"]
    ada.moves_to(issue, next(one["id"] for one in offered if one["to"]["name"] == "In Progress"))
    street.person("PATCH", f"/issues/{closed}", {"state": "closed"})
    street.hooks()
    put_back(street, copy)
    street.person("PATCH", f"/issues/{moved}", {"title": "Moved on in Jira, renamed"})
    street.deliver_hooks("git")
    heal(street)
    assert status_of(street, "Moved on in Jira, renamed") == "In Progress"
    assert status_of(street, "Closed meanwhile") == "Done"
    everything_is_there_once(street)
