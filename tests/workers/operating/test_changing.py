"""A plan says what differs, what is open, which dead letters are mended, and what to think of first; it changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from connector.comparing import Said
from connector.config import Config
from connector.mapping import Rule
from tests.workers.office import Office, back, bugs, event
from workers.operating.changing import Open, Plan, open_of, plan

ENDS: dict[str, Any] = {"from": {"connection": "git"}, "to": {"connection": "jira", "project": "WEB"}}
BUGS: dict[str, Any] = {
    "name": "bugs",
    **ENDS,
    "mapping": {"Summary": "title", "Status": {"from": "state", "map": {"open": "To Do"}}},
}
BACK: dict[str, Any] = {"name": "back", "from": {"connection": "jira"}, "to": {"connection": "git"}}
MENDED = {**BUGS, "mapping": {**BUGS["mapping"], "Status": {"from": "state", "map": {"open": "To Do", "odd": "Done"}}}}


def said(*connectors: dict[str, Any], instance: str = "test", **connections: Any) -> Said:
    return Said(instance, connections, {one["name"]: one for one in connectors})


def state(table: dict[str, str]) -> tuple[Rule, ...]:
    return (Rule("Summary", path="title"), Rule("Status", path="state", table=table))


def config(*connectors: Any) -> Config:
    return Config("test", {}, {one.name: one for one in connectors}, hash="new")


def planned(before: Said, after: Said, new: Config | None = None, **opened: Open) -> Plan:
    return plan(before, after, new or config(), hashes=("old", "new"), look=lambda uid: opened.get(uid, Open()))


def test_nothing_is_a_plan_too() -> None:
    one = planned(said(BUGS), said(BUGS))
    assert not one
    assert one.as_json()["changes"] is False


def test_open_deliveries_are_counted_where_they_are(redis_client: Redis) -> None:
    office = Office(redis_client, bugs(attempts=1))
    assert open_of(office.store) == Open()
    office.accept(event(1, issue=1, title="a", state="open"), event(2, issue=2, title="b", state="open"))
    assert open_of(office.store) == Open(in_flight=2, ready=2, known=True)
    office.work()
    assert open_of(office.store) == Open(known=True)


def test_looking_enters_nobody(redis_client: Redis) -> None:
    """A connector that is only planned has not begun: its polls start when it is applied."""
    office = Office(redis_client)
    before = redis_client.keys("*")
    open_of(office.books(bugs(name="later")))
    assert redis_client.keys("*") == before


# --- dead letters -----------------------------------------------------------------------------------------------
@pytest.fixture
def office(redis_client: Redis) -> Office:
    """Return an office with two dead letters: their state is in no table."""
    made = Office(redis_client, bugs(mapping=state({"open": "To Do"}), attempts=1))
    for number in (1, 2):
        made.accept(event(number, issue=number, title="a", state="odd"))
    made.work()
    assert made.store.counts()["dead"] == 2
    return made


def tried(office: Office, after: dict[str, Any], **change: Any) -> Plan:
    new = replace(office.config.connectors["bugs"], **change)
    connectors = {**office.config.connectors, "bugs": new}
    fresh = replace(office.config, connectors=connectors)
    desk = replace(office.desk, config=lambda: fresh)
    return plan(said(BUGS), said(after), fresh, hashes=("old", "new"), look=lambda _: open_of(office.store), desk=desk)


def test_dead_letters_that_the_change_mends_are_told(office: Office) -> None:
    before = office.did()
    (one,) = tried(office, MENDED, mapping=state({"open": "To Do", "odd": "Done"})).revivals["bugs"]
    assert (one.letters, one.tried, one.passing, one.fields) == (2, 2, 2, ("Status",))
    assert f"would now be delivered (2 of 2 tried): connector dead replay --group {one.group}" in one.words
    assert office.did() == before
    assert office.store.counts()["dead"] == 2


def test_dead_letters_that_it_does_not_mend_are_told_with_the_reason(office: Office) -> None:
    (one,) = tried(office, {**MENDED}, mapping=state({"open": "To Do", "even": "Done"})).revivals["bugs"]
    assert (one.tried, one.passing) == (2, 0)
    assert "would still fail: Rejected" in one.words


def test_what_they_died_of_must_be_in_a_changed_part(office: Office) -> None:
    elsewhere = {**BUGS, "mapping": {**BUGS["mapping"], "Summary": "key"}}
    assert tried(office, elsewhere).revivals["bugs"] == ()
    # What decides on nothing that is written is not tried at all.
    assert tried(office, {**BUGS, "concurrency": 8}).revivals == {}
    # Where more than the mapping changed, nobody can tell: they are tried.
    assert tried(office, {**BUGS, "when": {"labels": "x"}}).revivals["bugs"]


# --- warnings ---------------------------------------------------------------------------------------------------
def only(one: Plan) -> str:
    (told,) = one.warnings
    return told


def test_removing_one_with_open_deliveries_is_warned_of() -> None:
    one = planned(said(BUGS), said(), bugs=Open(in_flight=3))
    assert only(one).startswith("bugs: is removed with 3 open deliveries; apply --drain")
    assert [gone.name for gone in one.abandoned] == ["bugs"]
    assert not planned(said(BUGS), said(), bugs=Open(dead=3)).warnings


def test_a_rename_that_does_not_say_so_is_warned_of() -> None:
    after = {**BUGS, "name": "defects", "mode": "shadow"}
    assert "renamed_from: bugs" in only(planned(said(BUGS), said(after), config(bugs(name="defects"))))
    declared = {**after, "renamed_from": "bugs"}
    one = planned(said(BUGS), said(declared), config(bugs(name="defects")))
    assert only(one).startswith("defects: its queue is connector.defects")


def test_a_former_name_that_nobody_knows_is_warned_of() -> None:
    after = {**BUGS, "name": "defects", "renamed_from": ["bags"], "mode": "shadow"}
    assert "nothing is known here of a connector bags" in only(
        planned(said(), said(after), config(bugs(name="defects")))
    )
    assert not planned(said(), said(after), config(bugs(name="defects")), bags=Open(known=True)).warnings


def test_one_that_comes_back_finds_what_it_left() -> None:
    after = {**BUGS, "mode": "shadow"}
    assert only(planned(said(), said(after), config(bugs()), bugs=Open(in_flight=2, known=True))) == (
        "bugs: was declared before; its 2 parked deliveries go on"
    )


def test_two_that_write_where_the_other_reads_are_warned_of_once() -> None:
    new = config(bugs(), back())
    shadow = {**BACK, "mode": "shadow"}
    assert "goes the other way than bugs" in only(planned(said(BUGS), said(BUGS, shadow), new))
    # A pair that was there before is nobody's news.
    moved = {**BUGS, "to": {**BUGS["to"], "project": "OPS"}}
    assert "other way" not in only(planned(said(BUGS, shadow), said(moved, shadow), new))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"mode": "shadow"}, {}, "bugs: begins to write; its 4 open deliveries are written"),
        ({"mode": "paused"}, {"mode": "live"}, "bugs: begins to write"),
        ({}, {"to": {"connection": "jira", "project": "OPS"}}, "stay where they are"),
        (None, {}, "is live at once; mode: shadow first"),
    ],
)
def test_what_a_change_sets_going_is_told(before: dict[str, Any] | None, after: dict[str, Any], told: str) -> None:
    old = said() if before is None else said({**BUGS, **before})
    opened = Open(in_flight=0 if before is None else 4, known=True)
    assert told in only(planned(old, said({**BUGS, **after}), config(bugs()), bugs=opened))


def test_another_address_and_another_instance_are_warned_of() -> None:
    one = planned(said(jira={"url": "https://a"}), said(jira={"url": "https://b"}, instance="other"))
    assert not planned(said(), said(instance="first")).warnings
    assert [told.partition(":")[0] for told in one.warnings] == ["jira", "instance"]


def test_a_changed_connection_names_who_uses_it() -> None:
    one = planned(said(BUGS, BACK, git={"url": "https://a"}), said(BUGS, BACK, git={"url": "https://a", "x": 1}))
    assert one.users == {"git": ("back", "bugs")}
    (told,) = one.as_json()["connections"]
    assert (told["used_by"], told["fields"][0]["words"]) == (["back", "bugs"], "x: 1 (new)")
