"""What would be sent is known to the last call, and nothing is sent."""

from __future__ import annotations

from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer

from connector.errors import Rejected
from connector.mapping import Rule
from tests.systems.jira.places import Someone
from tests.workers.pairs import Pairs
from tests.workers.street import Street, bugs
from workers.preview import Preview, find, hidden, preview


@pytest.fixture
def street() -> Street:
    return Street(FakeRedis(server=FakeServer(server_type="valkey")), news=True)


def effects(street: Street) -> int:
    return sum(len(here.sandbox.ledger.effects) for here in street.benches.values())


def shown(street: Street, number: int, connector: str = "bugs") -> Preview:
    one = street.config.connectors[connector]
    event = street.systems["git"].find(street.site("git", 0), one.source.settings, f"acme/web#{number}")
    before = effects(street)
    got = preview(street.desk, one, event, books=street.books(one))
    assert effects(street) == before
    return got


def sent(got: Preview) -> list[tuple[str, str, str]]:
    return [(step.action, one.method, one.path) for step in got.steps for one in step.requests]


def test_a_create_shows_the_request_that_makes_it_and_what_follows(street: Street) -> None:
    got = shown(street, street.report("Broken"))
    assert [step.action for step in got.steps] == ["create", "relate"]
    assert sent(got) == [("create", "POST", "/rest/api/3/issue")]
    (create,) = got.as_json(requests=True)["steps"][0]["requests"]
    assert create["body"]["fields"]["summary"] == "Broken"
    assert create["body"]["properties"][0]["value"]["marker"]


def test_the_requests_are_those_that_a_delivery_sends(street: Street) -> None:
    number = street.report("Broken")
    asked = [one.json for step in shown(street, number).steps for one in step.requests]
    street.deliver_hooks("git")
    made = [one for one in street.benches["jira"].transport.sent if one.path == "/rest/api/3/issue"]
    assert [one.json for one in made] == asked


def test_an_update_goes_past_its_put_to_the_transition(street: Street) -> None:
    rules = (Rule("Summary", path="title"), Rule("Status", path="state", table={"open": "To Do", "closed": "Done"}))
    street.change(mapping=rules)
    number = street.report("Broken")
    street.deliver_hooks("git")
    key = street.issues()["Broken"]["key"]
    street.person("PATCH", f"/issues/{number}", {"title": "Mended", "state": "closed"})
    got = shown(street, number)
    (step,) = got.steps
    assert (step.action, step.target) == ("update", key)
    assert [one.method for one in step.requests] == ["PUT", "POST"]
    assert step.requests[1].path.endswith("/transitions")


def test_a_status_that_no_transition_leads_to_is_found_before_anything_is_sent(street: Street) -> None:
    number = street.report("Broken")
    street.deliver_hooks("git")
    street.change(mapping=(*bugs().mapping, Rule("Status", value="Nowhere")))
    street.person("PATCH", f"/issues/{number}", {"title": "Mended"})
    with pytest.raises(Rejected):
        shown(street, number)


def test_what_the_target_holds_already_is_no_step(street: Street) -> None:
    """A thread of Slack shows no link to its source: there is nothing to send for it."""
    got = shown(street, street.report("Broken"), "news")
    assert [step.action for step in got.steps] == ["create", "comment"]
    assert sent(got)[0][1:] == ("POST", "/chat.postMessage")


def test_a_preview_reads_each_thing_once_and_no_more_than_a_delivery(street: Street) -> None:
    number = street.report("Broken")
    street.deliver_hooks("git")
    street.person("PATCH", f"/issues/{number}", {"title": "Mended"})
    before = len(street.benches["jira"].transport.sent)
    shown(street, number)
    asked = [(one.method, one.path, str(one.query)) for one in street.benches["jira"].transport.sent[before:]]
    assert len(asked) == len(set(asked))
    assert {method for method, _, _ in asked} <= {"GET"}


def test_credentials_in_a_body_are_hidden() -> None:
    shown: Any = hidden({"token": "abc", "url": "https://user:hunter2@host", "list": [{"password": "p"}, 3, None]})
    assert shown == {
        "token": "[redacted]",
        "url": "https://[redacted]@host",
        "list": [{"password": "[redacted]"}, 3, None],
    }


def test_a_two_way_connector_is_shown_from_either_side() -> None:
    pairs = Pairs()
    one = pairs.config.connectors["pair"]
    number = pairs.report("Broken")
    pairs.deliver_hooks("git", "jira")
    key = pairs.issues()["Broken"]["key"]
    pairs.clock.move(5000)
    Someone(pairs.benches["jira"]).edits(key, summary="Mended")
    before = effects(pairs)
    got = preview(pairs.desk, one, find(pairs.desk, one, key), books=pairs.books(one))
    (step,) = got.steps
    assert (step.action, step.target) == ("update", f"acme/web#{number}")
    (field,) = step.fields
    assert (field.now, field.then) == ("Broken", "Mended")
    assert [request.method for request in step.requests] == ["PATCH"]
    assert effects(pairs) == before
    with pytest.raises(Rejected, match="#999"):
        find(pairs.desk, one, "acme/web#999")
