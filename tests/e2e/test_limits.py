"""A target that throttles, or answers a byte at a time, holds up nobody but those who need just that."""

from __future__ import annotations

import pytest

from tests.e2e.town import Town, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def test_a_throttled_class_of_calls_holds_up_only_what_needs_it(town: Town) -> None:
    known, fresh, elsewhere = town.title("Known"), town.title("Throttled"), town.title("Elsewhere")
    number = town.report(known)
    town.issue(known)
    town.settled("web")
    before = town.counts("web")["dead"]
    with town.fault("jira", "rate_limit", method="POST", path="/rest/api/3/issue", times=1, retry_after=25):
        town.report(fresh)
        until(lambda: "post" in town.json("status", "web")[0]["limits"]["jira"]["classes"])
    # The class is closed, for all workers; what does not need it goes on, on the same connection and on others.
    town.act("github", "alice", "PATCH", f"/repos/acme/web/issues/{number}", {"title": f"{known} again"})
    town.report(elsewhere, repository="acme/dc")
    town.issue(elsewhere, "dc")
    town.issue(f"{known} again")
    if "post" in town.json("status", "web")[0]["limits"]["jira"]["classes"]:
        assert town.issues(fresh) == []
        assert "post: closed until" in town.connector("status").stdout
    town.issue(fresh, seconds=60)
    settled = town.settled("web")
    assert settled["dead"] == before
    assert len(town.issues(fresh)) == 1


def test_a_target_that_answers_a_byte_a_second_leaves_threads_to_others(town: Town) -> None:
    slow = [town.title("Dripping") for _ in range(8)]
    before = town.counts("web")["dead"]
    with town.fault("jira", "drip", seconds_per_byte=1.0):
        for title in slow:
            town.report(title)
        until(lambda: "timeout" in town.log("w1") + town.log("w2") or "timed out" in town.log("w1") + town.log("w2"))
        for _ in range(3):
            quick = town.title("Beside it")
            town.report(quick, repository="acme/dc")
            town.issue(quick, "dc")
    until(lambda: all(town.issues(title) for title in slow), 90)
    assert town.settled("web", seconds=90)["dead"] == before
    assert [len(town.issues(title)) for title in slow] == [1] * len(slow)
    assert town.json("status", "web")[0]["limits"]["jira"]["breaker"] in {"shut", "half open"}
