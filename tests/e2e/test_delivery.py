"""Events become exactly one effect each, through real processes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.town import Town, until

pytestmark = pytest.mark.e2e


def status(issue: dict[str, Any]) -> str:
    """Return the name of an issue's status."""
    return str(issue["fields"]["status"]["name"])


def test_a_labelled_issue_arrives_in_data_center_and_is_followed(town: Town) -> None:
    title = town.title("Totals are wrong")
    number = town.report(title, repository="acme/dc")
    made = town.issue(title, "dc")
    assert made["fields"]["description"].startswith("It is *broken*.")
    town.comment("acme/dc", number, "See `total()` and **test**.")
    town.close("acme/dc", number)
    until(lambda: status(town.issues(title, "dc")[0]) == "Done")
    until(lambda: town.comments(title, "dc"))
    (text,) = town.comments(title, "dc")
    assert "{{total()}}" in text
    assert "*test*" in text
    assert len(town.issues(title, "dc")) == 1


def test_a_dead_letter_of_data_center_is_replayed_without_doubles(town: Town) -> None:
    sandbox: Any = town.served.sandboxes["dc"]
    sandbox.require("duedate")
    title = town.title("Needs a date")
    number = town.report(title, repository="acme/dc")
    # Opened and labelled are two events; on a busy machine each may be tried, and die, by itself.
    until(lambda: (counts := town.counts("dc"))["dead"] >= 1 and not counts["in_flight"])
    letters = [one for one in town.json("dead", "list", "dc") if one["key"] == f"acme/dc#{number}"]
    letter = letters[0]
    assert letter["error"] == "Rejected"
    assert "duedate" in json.dumps(letter).lower().replace(" ", "")
    shown = town.connector("dead", "show", letter["id"]).stdout
    assert "Mend the mapping" in shown
    sandbox.require("duedate", on=False)
    assert town.json("dead", "replay", *(one["id"] for one in letters)) == {"replayed": len(letters)}
    town.issue(title, "dc")
    # Again: it is no longer dead, and says so.
    refused = town.connector("dead", "replay", letter["id"], code=2)
    assert "not a dead letter" in refused.stderr
    town.comment("acme/dc", number, "After the replay")
    until(lambda: town.comments(title, "dc"))
    assert town.settled("dc")["dead"] == 0
    assert len(town.issues(title, "dc")) == 1
    actions = [row["action"] for row in town.json("audit", "dc")]
    assert {"replay", "create", "comment"} <= set(actions)


def test_a_dead_letter_can_be_given_up_with_a_reason(town: Town) -> None:
    sandbox: Any = town.served.sandboxes["dc"]
    sandbox.require("duedate")
    number = town.report(town.title("Given up"), repository="acme/dc")
    key = f"acme/dc#{number}"
    until(
        lambda: any(one["key"] == key for one in town.json("dead", "list", "dc")) and not town.counts("dc")["in_flight"]
    )
    ids = [one["id"] for one in town.json("dead", "list", "dc") if one["key"] == key]
    sandbox.require("duedate", on=False)
    before = town.counts("dc")["discarded"]
    assert town.json("dead", "discard", *ids, "--reason", "a test") == {"discarded": len(ids)}
    assert town.settled("dc")["discarded"] == before + len(ids)
    rows = town.json("audit", "dc", "--file")
    assert any(row["action"] == "discard" and row["reason"] == "a test" for row in rows)


def test_two_connectors_on_one_connection_keep_apart(town: Town) -> None:
    here, there = town.title("For the web"), town.title("For the data center")
    town.report(here)
    town.report(there, repository="acme/dc")
    town.issue(here)
    town.issue(there, "dc")
    assert not town.issues(here, "dc")
    assert not town.issues(there)


def test_a_connection_without_a_webhook_is_polled(town: Town) -> None:
    title = town.title("Only a poll sees me")
    town.report(title, repository="acme/polled")
    assert town.issue(title, seconds=60)["fields"]["project"]["key"] == "OPS"


def test_the_ring_brings_news_back_and_never_echoes(town: Town) -> None:
    title = town.title("Round trip")
    number = town.report(title)
    key = town.issue(title)["key"]
    body = {
        "type": "doc",
        "version": 1,
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": "Triaged."}]}],
    }
    town.act("jira", "ada", "POST", f"/rest/api/3/issue/{key}/comment", {"body": body})

    def there() -> dict[str, Any]:
        issues = town.state("github")["repositories"]["acme/web"]["issues"]
        found: dict[str, Any] = next(one for one in issues if one["key"] == f"acme/web#{number}")
        return found

    until(lambda: there()["comments"])
    town.comment("acme/web", number, "Thank you")
    until(lambda: any("Thank you" in text for text in town.comments(title)))
    town.close("acme/web", number)
    until(lambda: status(town.issues(title)[0]) == "Done")
    for connector in ("web", "back", "news"):
        town.settled(connector)
    assert len(there()["comments"]) == 2
    assert len(town.comments(title)) == 2
    assert there()["state"] == "closed"
    assert len(town.issues(title)) == 1


def test_an_answer_that_is_lost_makes_no_second_comment(town: Town) -> None:
    title = town.title("Lost answers")
    number = town.report(title)
    town.issue(title)
    with town.fault("jira", "apply_then_drop", method="POST", path=r".*/comment", times=2):
        town.comment("acme/web", number, "Said once")
        until(lambda: town.comments(title))
        town.settled("web")
    assert len(town.comments(title)) == 1
