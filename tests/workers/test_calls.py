"""What each event costs in API calls is counted, for whoever pays for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fakeredis import FakeRedis, FakeServer

from connector.errors import ConnectorError, RateLimited, Rejected, Retryable, Scope
from connector.ports import Request, Response, Site
from connector.sandbox import Fault
from tests.workers.street import Street
from workers.calls import Calls
from workers.operating.standing import standing
from workers.stores.records import Settlement

WAIT = timedelta(seconds=1)


@pytest.fixture
def street() -> Street:
    return Street(FakeRedis(server=FakeServer(server_type="valkey")))


def answering(outcome: Response | ConnectorError) -> Calls:
    def send(_request: Request, /) -> Response:
        if isinstance(outcome, ConnectorError):
            raise outcome
        return outcome

    return Calls(lambda name, _until: Site(name, None, send, lambda: datetime.now(UTC)))


@pytest.mark.parametrize(
    ("outcome", "counted"),
    [
        (Response(200), 1),
        (Rejected("no", status=400), 1),
        (Retryable("the connection was cut", sent=True), 1),
        (RateLimited("slow down", scope=Scope.CONNECTION, retry_after=WAIT, status=429), 1),
        (Retryable("nobody listens", sent=False), 0),
        (RateLimited("no tokens left", scope=Scope.ENDPOINT, retry_after=WAIT, status=None), 0),
    ],
)
def test_a_call_counts_once_it_has_left(outcome: Response | ConnectorError, counted: int) -> None:
    calls = answering(outcome)
    site = calls("jira", 0.0)
    try:
        site.send(Request("GET", "/"))
    except ConnectorError as error:
        assert error is outcome  # noqa: PT017 - it is passed on as it came
    assert calls.made["jira"] == counted


def test_a_connector_counts_what_its_deliveries_took(street: Street) -> None:
    street.report("Broken")
    street.deliver_hooks("git")
    sent = {name: len(here.transport.sent) for name, here in street.benches.items()}
    told = standing(street.desk, street.config.connectors["bugs"])
    assert told.calls == {name: number for name, number in sent.items() if number}
    assert told.tally["calls"] == sum(sent.values())
    assert told.calls_each == sum(sent.values())
    assert told.as_json()["calls_each"] == told.calls_each


def test_calls_of_a_failed_attempt_count_too(street: Street) -> None:
    street.report("Broken")
    street.benches["jira"].sandbox.faults.on.append(Fault("status", method="POST", status=503, times=1))
    street.deliver_hooks("git")
    assert street.store.counts()["delivered"] == 0
    failed = street.store.tally()["calls"]
    assert failed == sum(len(here.transport.sent) for here in street.benches.values())
    street.settle_down()
    assert street.store.counts()["delivered"] == 1
    assert street.store.tally()["calls"] == sum(len(here.transport.sent) for here in street.benches.values())


def test_a_settlement_that_is_sent_twice_counts_its_calls_once(street: Street) -> None:
    """The answer to the first was lost; the same turn has claimed the subject's next letter meanwhile."""
    number = street.report("Broken")
    street.comment(number, "me too")
    street.inbox.accept(street.hooks(), revive=True)
    books = street.store
    claim = books.begin(street.bells[0][1])
    turn, box = claim.turn, claim.boxes[0]
    what = Settlement(settle=[(box.letters[0].id, "skipped", "a test")], calls={"jira": 3})
    assert books.settle(turn, box.subject, what, claim=1) is not None
    assert books.settle(turn, box.subject, what, claim=1) is not None
    assert books.calls_by_connection() == {"jira": 3}


def test_an_attempt_reads_nothing_twice() -> None:
    sent: list[Request] = []

    def send(request: Request, /) -> Response:
        sent.append(request)
        return Response(200, body=str(len(sent)).encode())

    calls = Calls(lambda name, _until: Site(name, None, send, lambda: datetime.now(UTC)))
    jira, git = calls("jira", 0.0), calls("git", 0.0)
    read, other = Request("GET", "/issue/1"), Request("GET", "/issue/1", {"fields": "status"})
    assert [site.send(read).body for site in (jira, calls("jira", 0.0), git)] == [b"1", b"1", b"2"]
    assert jira.send(other).body == b"3"
    jira.send(Request("PUT", "/issue/1", json={}))
    assert [site.send(read).body for site in (jira, jira, git)] == [b"5", b"5", b"2"], (
        "only what was written to changed"
    )
    calls.begin()
    assert git.send(read).body == b"6"
    assert calls.made == {"jira": 4, "git": 2}


def test_a_read_before_a_write_of_unknown_outcome_is_no_answer_after_it() -> None:
    def send(request: Request, /) -> Response:
        sent.append(request)
        if request.writes:
            raise Retryable("cut", sent=True)
        return Response(200)

    sent: list[Request] = []
    site = Calls(lambda name, _until: Site(name, None, send, lambda: datetime.now(UTC)))("jira", 0.0)
    site.send(Request("GET", "/issue/1"))
    with pytest.raises(Retryable):
        site.send(Request("PUT", "/issue/1", json={}))
    site.send(Request("GET", "/issue/1"))
    assert [one.method for one in sent] == ["GET", "PUT", "GET"]
