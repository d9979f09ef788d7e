"""What each kind of event costs in API calls, pinned: one more is a decision, not an accident."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from fakeredis import FakeRedis, FakeServer

from connector.config import Comments, Message
from connector.event import Kind
from connector.mapping import Rule
from tests.workers.office import CREATED, NEW, Office
from tests.workers.street import Street
from tests.workers.street import bugs as to_jira
from tests.workers.street import told as to_slack
from workers.together import GROUP

DIGEST = Message(
    frozenset({Kind.COMMENT_CREATED}),
    "{{ comment.author.name }}: {{ comment.body }}",
    digest=timedelta(minutes=5),
)
STATUS = Rule("Status", path="state", table={"open": "To Do", "closed": "Done"})


class Counted(Street):
    """GitHub to Jira and to Slack, with everything that is learnt about the sites learnt already."""

    def __init__(self) -> None:
        super().__init__(FakeRedis(server=FakeServer(server_type="valkey")), news=True)
        self.declare(replace(to_jira(), mapping=(*to_jira().mapping, STATUS)), to_slack())
        self.number = self.report("Learn")
        self.reply = self.comment(self.number, "learn")
        self.deliver_hooks("git")
        self.edit(title="Learned")
        self.deliver_hooks("git")

    def edit(self, **fields: str) -> None:
        self.person("PATCH", f"/issues/{self.number}", fields)

    def calls(self, name: str) -> list[str]:
        """Deliver what waits; returns the methods of the calls that it took."""
        sent = self.benches[name].transport.sent
        before = len(sent)
        self.deliver_hooks("git")
        return [one.method if name == "jira" else one.path.strip("/") for one in sent[before:]]


FLOWS: dict[str, tuple[Callable[[Counted], object], list[str], list[str]]] = {
    "a new issue": (
        lambda street: street.report("Broken"),
        ["POST", "GET", "POST"],
        ["chat.postMessage"],
    ),
    "a changed title": (
        lambda street: street.edit(title="Worse"),
        ["PUT", "GET"],
        ["conversations.history", "chat.update", "chat.postMessage"],
    ),
    "a closed issue": (
        lambda street: street.edit(state="closed"),
        ["GET", "GET", "POST", "GET"],
        ["chat.postMessage"],
    ),
    "a change of nothing that is mapped": (
        lambda street: street.person("POST", f"/issues/{street.number}/labels", {"labels": ["bug"]}),
        [],
        ["chat.postMessage"],
    ),
    "a new comment": (
        lambda street: street.comment(street.number, "me too"),
        ["POST"],
        ["chat.postMessage"],
    ),
    "an edited comment": (
        lambda street: street.person("PATCH", f"/issues/comments/{street.reply}", {"body": "me three"}),
        ["GET", "PUT"],
        ["conversations.replies", "chat.update"],
    ),
    "a deleted comment": (
        lambda street: street.person("DELETE", f"/issues/comments/{street.reply}"),
        ["DELETE"],
        [],
    ),
}


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("system", ["jira", "chat"])
def test_what_an_event_costs(flow: str, system: str) -> None:
    street = Counted()
    happens, jira, chat = FLOWS[flow]
    happens(street)
    assert street.calls(system) == (jira if system == "jira" else chat)


def test_an_issue_that_is_made_closed_takes_its_status_as_an_update() -> None:
    street = Counted()
    street.number = street.report("Over already")
    street.edit(state="closed")
    assert street.calls("jira") == ["POST", "GET", "GET", "POST", "GET", "POST"]
    assert street.issues()["Over already"]["fields"]["status"]["name"] == "Done"


def test_five_changes_in_a_row_cost_as_much_as_one() -> None:
    street = Counted()
    street.declare(street.config.connectors["bugs"])
    for number in range(5):
        street.edit(title=f"Worse {number}")
    assert street.calls("jira") == ["PUT", "GET"]


def test_what_a_create_left_as_it_is_wanted_is_not_set_again(office: Office) -> None:
    office.jira.starts = {"Status": "open"}
    office.accept(CREATED)
    office.work()
    assert office.did() == [one for one in NEW if one != "set WEB-1"]
    link = office.store.link(CREATED.entity.ref)
    assert link is not None
    assert link.base["Status"] == "open"


def paths(street: Counted, name: str, before: int) -> Counter[str]:
    """Count the calls since ``before`` by method and last word of the path."""
    sent = street.benches[name].transport.sent[before:]
    return Counter(f"{one.method} {re.sub('[0-9]+', '', one.path).rstrip('/').rpartition('/')[2]}" for one in sent)


def test_a_backlog_of_new_issues_costs_little_more_than_its_links() -> None:
    street = Counted()
    street.declare(street.config.connectors["bugs"])
    for number in range(1 + GROUP):
        street.report(f"Old {number}")
    before = len(street.benches["jira"].transport.sent)
    street.inbox.accept(street.hooks(), lane="backfill")
    street.work()
    together = {"POST bulk": 1, "POST bulkfetch": 1, "POST remotelink": GROUP}
    alone = {"POST issue": 1, "GET issue": 1, "POST remotelink": 1}
    assert paths(street, "jira", before) == Counter(together) + Counter(alone)
    assert len([title for title in street.issues() if title.startswith("Old")]) == 1 + GROUP
    street.no_effect_is_double()


def test_a_digest_costs_one_message() -> None:
    street = Counted()
    told = street.config.connectors["news"]
    news = replace(told, comments=Comments(), mapping=(), messages=(DIGEST,))
    first = replace(told, comments=Comments(), messages=())
    street.declare(first)
    number = street.report("Noisy")
    street.deliver_hooks("git")
    street.declare(replace(news, creates=False))
    for word in ("a", "b", "c"):
        street.comment(number, f"word {word}")
    before = len(street.benches["chat"].transport.sent)
    street.deliver_hooks("git")
    assert len(street.benches["chat"].transport.sent) == before
    street.later(301)
    (sent,) = street.benches["chat"].transport.sent[before:]
    assert sent.path.strip("/") == "chat.postMessage"
    assert sent.json["text"] == "alice: word a\n\nalice: word b\n\nalice: word c"
