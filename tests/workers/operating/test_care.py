"""A group of dead letters has somebody who takes care of it, and is open again when its cause comes back."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from tests.workers.office import Office
from tests.workers.operating.test_letters import ADA, found, refuse
from workers.operating.care import KEPT_MS, Care, Stage, care_of, forget_old, report, take, told
from workers.operating.letters import Group, grouped


@pytest.fixture
def office(redis_client: Redis) -> Office:
    office = Office(redis_client)
    refuse(office, "a", "b")
    return office


def group_of(office: Office) -> Group:
    (group,) = grouped(found(office))
    return group


def care(office: Office, stage: Stage, **more: Any) -> None:
    take(office.desk, office.config.connectors["bugs"], group_of(office).name, Care(stage, **more), ADA)


def now(office: Office) -> Care:
    return told(care_of(office.store), group_of(office))


def test_a_group_is_open_until_somebody_cares(office: Office) -> None:
    assert now(office) == Care()
    care(office, Stage.ACKNOWLEDGED, assignee="bob", note="asked the admin", incident="https://inc.example/1")
    assert (now(office).stage, now(office).assignee, now(office).by) == (Stage.ACKNOWLEDGED, "bob", "ada")
    assert [row["action"] for row in office.store.audit() if row.get("actor") == "ada"] == ["care"]


def test_a_resolved_group_whose_cause_comes_back_is_open_again(office: Office) -> None:
    care(office, Stage.RESOLVED, assignee="bob")
    assert (now(office).stage, now(office).relapsed) == (Stage.RESOLVED, False)
    refuse(office, "c")
    assert (now(office).stage, now(office).relapsed, now(office).assignee) == (Stage.OPEN, True, "bob")
    care(office, Stage.HELD)
    refuse(office, "d")
    assert (now(office).stage, now(office).relapsed) == (Stage.HELD, False)


def test_an_incident_must_be_a_link(office: Office) -> None:
    with pytest.raises(ValueError, match="link"):
        care(office, Stage.OPEN, incident="javascript:alert(1)")


def test_resolved_groups_are_forgotten_after_their_time(office: Office) -> None:
    care(office, Stage.RESOLVED)
    assert forget_old(office.store, office.clock() + KEPT_MS) == 0
    assert forget_old(office.store, office.clock() + KEPT_MS + 1) == 1
    assert care_of(office.store) == {}
    care(office, Stage.HELD)
    assert forget_old(office.store, office.clock() + 10 * KEPT_MS) == 0


def test_a_group_is_told_as_markdown_that_no_payload_can_shape(office: Office) -> None:
    care(office, Stage.HELD, assignee="bob", note="line\n# not a head", incident="https://inc.example/1")
    letters = found(office)
    text = report(group_of(office), now(office), letters, office.store.audit())
    assert text.startswith("# bugs: Rejected required:priority")
    assert "- Dead letters: 2" in text
    assert "> # not a head" in text
    assert "ada care" in text
    assert all(one.id in text for one in letters)
