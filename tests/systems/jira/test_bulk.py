"""Many issues are created with one call, and each ends as it would have alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from connector.errors import ConnectorError, Forbidden, RateLimited, Rejected, Retryable
from connector.ports import Request, Response
from connector.sandbox import Answer, Call, Fault
from connector.system import Absent, Action, Change, Target, Written
from connector.systems.jira import SYSTEM, mark
from tests.systems.direct import Bench
from tests.systems.jira.places import place
from tests.systems.jira.test_deliver import FLAVOURS, WEB, change, created, shape

assert SYSTEM.target is not None
JIRA: Target = SYSTEM.target


def wanted(here: Bench, word: str, **more: Any) -> Change:
    shaped = shape(here, **{"Summary": f"Issue {word}", **more})
    now = {name: value for name, value in shaped.fields.items() if name not in shaped.later}
    return change(Action.CREATE, word=word, fields=now)


def make(here: Bench, *changes: Change) -> list[Written | ConnectorError]:
    assert JIRA.create_many is not None
    return list(JIRA.create_many(here.site, WEB, changes))


def learnt(flavour: str) -> Bench:
    """A site that has shown how it keeps our mark, its fields read already."""
    here = place(flavour)
    created(here, "zero")
    here.transport.sent.clear()
    return here


def methods(here: Bench) -> list[str]:
    return [f"{one.method} {one.path.split('/issue')[-1]}" for one in here.transport.sent]


@FLAVOURS
def test_each_is_made_as_it_would_be_alone(flavour: str) -> None:
    here = learnt(flavour)
    changes = [wanted(here, word, Priority="High") for word in ("one", "two", "three")]
    outcomes = make(here, *changes)
    alone = created(here, "four", Priority="High")
    for one, outcome in zip(changes, outcomes, strict=True):
        assert isinstance(outcome, Written)
        assert outcome.fresh
        assert outcome.kept["title"] == one.fields["summary"]
        assert outcome.kept.keys() == alone.kept.keys()
        assert outcome.holds == alone.holds
        found = JIRA.look_up(here.site, WEB, one, here.clock())
        assert isinstance(found, Absent | Written)
        issue = here.sandbox.site.issues[outcome.entity.id]
        assert issue.properties == {"jc.sync": {"marker": str(one.marker)}}
    assert here.sandbox.ledger.duplicates() == []


def test_a_cloud_site_is_asked_twice_whatever_their_number() -> None:
    here = learnt("cloud")
    make(here, *(wanted(here, f"n{number}") for number in range(50)))
    assert methods(here) == ["POST /bulk", "POST /bulkfetch"]
    assert [one.cost for one in here.transport.sent] == [50, 51]
    assert [one.writes for one in here.transport.sent] == [True, False]


def test_a_server_is_asked_once_and_each_issue_is_read_back() -> None:
    here = learnt("data-center")
    make(here, *(wanted(here, f"n{number}") for number in range(3)))
    assert [one.split()[0] for one in methods(here)] == ["POST", "GET", "GET", "GET"]


@FLAVOURS
def test_one_that_is_refused_is_that_ones_failure_only(flavour: str) -> None:
    here = learnt(flavour)
    bad = change(Action.CREATE, word="bad", fields={"summary": "x", "priority": {"name": "Urgent-ish"}})
    with pytest.raises(Rejected) as alone:
        JIRA.write(here.site, WEB, bad)
    one, two, refused, three = make(here, *(wanted(here, w) for w in ("one", "two")), bad, wanted(here, "three"))
    assert isinstance(refused, Rejected)
    assert (str(refused), refused.cause, refused.status, refused.fields) == (
        str(alone.value),
        alone.value.cause,
        alone.value.status,
        alone.value.fields,
    )
    titles = [outcome.kept["title"] for outcome in (one, two, three) if isinstance(outcome, Written)]
    assert titles == ["Issue one", "Issue two", "Issue three"]


@FLAVOURS
def test_when_all_are_refused_each_is_told_why(flavour: str) -> None:
    here = learnt(flavour)
    bad = [change(Action.CREATE, word=w, fields={"priority": {"name": "High"}}) for w in ("one", "two")]
    outcomes = make(here, *bad)
    assert [type(one) for one in outcomes] == [Rejected, Rejected]
    assert [one.cause for one in outcomes if isinstance(one, Rejected)] == ["required:summary", "required:summary"]


def test_a_place_that_is_closed_is_forbidden_to_each() -> None:
    here = learnt("cloud")
    here.sandbox.site.projects["WEB"].closed_to.add(next(iter(here.sandbox.site.issues.values())).values["reporter"])
    outcomes = make(here, wanted(here, "one"), wanted(here, "two"))
    assert [type(one) for one in outcomes] == [Forbidden, Forbidden]


def test_a_server_that_keeps_no_properties_gets_the_marks_in_the_text() -> None:
    here = place("data-center")
    mark.learn(here.site, "issue", None)
    changes = [wanted(here, "one"), wanted(here, "two")]
    assert all(isinstance(one, Written) for one in make(here, *changes))
    sent = next(one for one in here.transport.sent if one.path.endswith("/bulk")).json["issueUpdates"]
    assert all("properties" not in one for one in sent)
    assert [mark.in_text(one["fields"]["description"]) for one in sent] == [str(one.marker) for one in changes]


def test_a_server_shows_first_how_it_keeps_marks() -> None:
    here = place("data-center")
    make(here, wanted(here, "one"), wanted(here, "two"), wanted(here, "three"))
    assert mark.kept(here.site, "issue") is mark.Kept.PROPERTY
    posts = [one for one in here.transport.sent if one.method == "POST"]
    assert [len((one.json or {}).get("issueUpdates", "?")) for one in posts] == [1, 2]


def test_what_the_first_of_a_server_made_is_told_although_the_others_fail() -> None:
    here = place("data-center")
    here.sandbox.faults.on.append(Fault("status", path=r".*/issue/bulk", status=503))
    first, *others = make(here, wanted(here, "one"), wanted(here, "two"), wanted(here, "three"))
    assert isinstance(first, Written)
    assert [type(one) for one in others] == [Retryable, Retryable]


@pytest.mark.parametrize(
    ("fault", "error", "sent"),
    [
        (Fault("status", method="POST", status=503, times=1), Retryable, True),
        (Fault("apply_then_drop", method="POST", times=1), Retryable, True),
        (Fault("rate_limit", method="POST", times=1), RateLimited, None),
    ],
    ids=["503", "cut", "429"],
)
def test_what_befalls_the_call_is_raised(fault: Fault, error: type[ConnectorError], *, sent: bool | None) -> None:
    here = learnt("cloud")
    changes = [wanted(here, "one"), wanted(here, "two")]
    here.sandbox.faults.on.append(fault)
    with pytest.raises(error) as raised:
        make(here, *changes)
    assert getattr(raised.value, "sent", None) is sent


def test_a_read_back_that_fails_is_no_failure_of_the_create() -> None:
    here = learnt("cloud")
    changes = [wanted(here, "one"), wanted(here, "two")]
    here.sandbox.faults.on.append(Fault("status", path=r".*/bulkfetch", status=503))
    outcomes = make(here, *changes)
    assert [(type(one), one.kept) for one in outcomes if isinstance(one, Written)] == [(Written, {}), (Written, {})]


class Twisted:
    """Changes the answer to a bulk create."""

    def __init__(self, here: Bench, twist: Callable[[dict[str, Any]], None]) -> None:
        self.inner, self.twist = here.transport.sandbox, twist
        here.transport.sandbox = self  # type: ignore[assignment]

    def __call__(self, call: Call, now: Any) -> Answer:
        answer = self.inner(call, now)
        if not call.path.endswith("/issue/bulk"):
            return answer
        document = json.loads(answer.body)
        self.twist(document)
        return Answer(answer.status, json.dumps(document).encode(), answer.headers)


def test_an_answer_in_another_order_is_put_right_by_the_marks() -> None:
    here = learnt("cloud")
    changes = [wanted(here, word) for word in ("one", "two", "three")]
    Twisted(here, lambda document: document["issues"].reverse())
    outcomes = make(here, *changes)
    titles = [one.kept["title"] for one in outcomes if isinstance(one, Written)]
    assert titles == ["Issue one", "Issue two", "Issue three"]
    assert len({one.entity.id for one in outcomes if isinstance(one, Written)}) == 3


def test_an_answer_that_lacks_some_leaves_the_outcome_unknown() -> None:
    here = learnt("cloud")
    changes = [wanted(here, word) for word in ("one", "two", "three")]
    Twisted(here, lambda document: document["issues"].pop())
    with pytest.raises(Retryable) as raised:
        make(here, *changes)
    assert raised.value.sent


def test_a_bulk_create_that_is_refused_as_a_whole_is_a_refusal() -> None:
    refused = SYSTEM.refusal(Request("POST", "/rest/api/3/issue/bulk"), Response(400, body=b'{"errorMessages":["no"]}'))
    assert isinstance(refused, Rejected)


def test_nothing_is_sent_for_nothing() -> None:
    here = learnt("cloud")
    assert make(here) == []
    assert here.transport.sent == []
