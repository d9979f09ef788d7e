"""After an unknown outcome a write is looked for before it is sent again, and its absence is believed when due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from connector.config import Connector
from connector.errors import ConnectorError, RateLimited, Rejected, Retryable, Scope, Unauthorized
from connector.link import Marker, effect_key
from connector.ports import Request, Response, Site
from connector.system import Action, Change, Target, Written
from tests.workers.office import CREATED, NEW, Office, comment, event
from workers.stores.deliveries import Deliveries
from workers.stores.records import Intent, Settlement
from workers.writing import Pen

DEADLINE = timedelta(seconds=30)


def timed_out() -> ConnectorError:
    return Retryable("no answer", sent=True, cause="timeout")


def asked(office: Office) -> list[str]:
    """What the engine asks of the target from now on."""
    calls: list[str] = []
    office.jira.before_call = calls.append
    return calls


def test_what_landed_before_the_time_out_is_found_and_not_sent_again(office: Office) -> None:
    office.jira.breaks("create", timed_out, after=True)
    office.accept(CREATED)
    office.work()
    office.settle_down()
    assert office.did() == NEW
    assert office.store.counts()["delivered"] == 1
    assert [row["found"] for row in office.audit] == [True, False, False]


def test_what_did_not_land_is_sent_again_once(office: Office) -> None:
    office.jira.breaks("create", timed_out)
    office.accept(CREATED)
    calls = asked(office)
    office.work()
    office.settle_down()
    assert office.did() == NEW
    assert calls.count("look_up") == 2  # before and after one look-up
    assert calls.count("create") == 3  # before the first, before and after the second


def test_nobody_looks_before_the_earlier_bytes_can_land_no_more(office: Office) -> None:
    office.jira.breaks("create", timed_out)
    office.accept(CREATED)
    office.work()
    calls = asked(office)
    office.later(7)
    office.later(DEADLINE.total_seconds() - 7 - 0.1)
    assert "look_up" not in calls
    office.later(60)
    assert "look_up" in calls


@pytest.mark.parametrize("landed", [True, False])
def test_an_eventual_look_up_is_not_believed_too_early(office: Office, *, landed: bool) -> None:
    office.jira.lag = timedelta(minutes=10)
    office.jira.breaks("create", timed_out, after=landed)
    office.accept(CREATED)
    office.work()
    for _ in range(9):
        office.later(60)
    assert office.did() == (NEW[:1] if landed else [])
    office.later(600)
    office.later(600)
    assert office.did() == NEW
    assert office.store.settled()[0]["attempts"] == "1", "waiting for an index costs no attempt"


def test_a_look_up_that_fails_sends_nothing(office: Office) -> None:
    office.jira.breaks("create", timed_out, after=True)
    office.jira.breaks("look_up", lambda: Retryable("503", sent=False, status=503), times=3)
    office.accept(CREATED)
    office.settle_down()
    assert office.did() == NEW


def test_a_comment_after_a_time_out_is_not_doubled(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    office.jira.breaks("comment", timed_out, after=True)
    office.accept(comment(2, "hello"))
    office.settle_down()
    assert list(office.jira.items["1"].comments.values()) == ["hello"]


def test_an_update_after_a_time_out_is_simply_made_true(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    office.jira.breaks("update", timed_out, after=True)
    office.accept(event(2, title="New", state="open"))
    office.settle_down()
    assert office.did() == [*NEW, "set WEB-1"]
    assert office.outcome()[0] == "delivered"


def test_a_refusal_is_an_answer_and_leaves_no_question(office: Office) -> None:
    office.jira.breaks("create", lambda: Retryable("429", sent=False, status=429))
    office.accept(CREATED)
    calls = asked(office)
    office.settle_down()
    assert "look_up" not in calls
    assert office.did() == NEW


def test_a_renamed_connector_doubles_nothing(office: Office) -> None:
    office.accept(CREATED, comment(2, "hello"))
    office.work()
    old: Connector = office.config.connectors["bugs"]
    office.declare(replace(old, name="renamed"))
    office.accept(CREATED, comment(2, "hello"))
    office.work()
    assert office.did() == [*NEW, "add comment WEB-1"]


@pytest.mark.parametrize(
    "error",
    [
        lambda: Unauthorized("the token has ended", cause="401", status=401),
        lambda: Retryable("503", sent=False, status=503),
        lambda: RateLimited(
            "slow down", scope=Scope.ENDPOINT, retry_after=timedelta(seconds=1), cause="rate", status=429
        ),
    ],
)
def test_a_read_that_fails_after_the_write_was_taken_doubles_nothing(error: Callable[[], ConnectorError]) -> None:
    book = Settlement()
    with pytest.raises(ConnectorError):
        a_pen(book, error, Request("POST", "/issue")).write(A_CREATE)
    assert not book.forget, "the intent must stay, so that the next attempt looks"


def test_a_refused_write_is_forgotten_whatever_was_read_before_it() -> None:
    book = Settlement()
    with pytest.raises(ConnectorError):
        a_pen(book, lambda: Rejected("no", cause="400"), Request("GET", "/issue/createmeta")).write(A_CREATE)
    assert book.forget == [A_CREATE.effect]


_MARK = Marker("test", "github", effect_key("uid", "github:issue:1", "create"))
A_CREATE = Change(Action.CREATE, _MARK.effect, _MARK)


def a_pen(book: Settlement, error: Callable[[], ConnectorError], taken: Request) -> Pen:
    """Make a pen whose target sends ``taken``, is answered well, and then fails with ``error``."""

    def write(site: Site, _settings: object, _change: Change) -> Written:
        site.send(taken)
        raise error()

    office = SimpleNamespace(intend=lambda *_, **__: Intent("go"))
    return Pen(
        store=cast("Deliveries", office),
        turn="t",
        subject="s",
        delivery="d",
        site=Site("jira", None, lambda _request: Response(200, {}, b"{}"), lambda: datetime(2026, 11, 24, tzinfo=UTC)),
        target=cast("Target", SimpleNamespace(write=write)),
        settings=None,
        budget=DEADLINE,
        book=book,
    )


def test_an_index_is_given_its_lag_from_the_last_moment_at_which_the_write_may_have_landed(office: Office) -> None:
    office.jira.lag = timedelta(seconds=60)
    office.jira.breaks("create", timed_out)
    office.accept(CREATED)
    office.work()
    for _ in range(11):
        office.later(7)  # 77 s: the lag is over since the send, and is not since the deadline
    assert office.did() == []
    office.later(10)
    office.later(10)
    assert office.did() == NEW
