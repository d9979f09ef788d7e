"""An answer that never came: whatever became of the request, people find one of each, or are told of two.

One case of each kind with real processes; the long ladders of lags and delays belong to the simulator.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.sandbox import Fault
from tests.chaos.ground import INDEX_LAG, LONGEST_CALL, Ground
from tests.e2e.town import until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]


def lost_answer(ground: Ground, path: str) -> Fault:
    """Let Jira do the next POST there and break off."""
    fault = Fault("apply_then_drop", method="POST", path=path, times=1)
    ground.jira.faults.on = [*ground.jira.faults.on, fault]
    return fault


def held(ground: Ground, seconds: float, number: int) -> None:
    """Hold the next addition to Jira for so long; returns once it is on its way."""
    ground.proxy.spoil("jira", "hold", share=1.0, seconds=30, pause=(seconds, seconds))
    until(lambda: ground.proxy.lines["jira"].struck["hold"] == number)
    ground.proxy.heal("jira")


def linked(ground: Ground, what: str) -> tuple[str, int]:
    """Report an issue and wait for its copy."""
    title = ground.title(what)
    number = ground.report(title)
    ground.issue(title)
    return title, number


def test_one_of_each_where_the_request_can_still_be_found(ground: Ground) -> None:
    call = LONGEST_CALL.total_seconds()
    blind, number = linked(ground, "Blind look-up")
    # Applied seconds late, when its sender has given up, and within what is waited for an index.
    slow = ground.title("Applied late")
    ground.report(slow)
    held(ground, call + 1.5, ground.proxy.lines["jira"].struck["hold"] + 1)
    # Applied at once, its answer lost, and not to be found before the index has caught up.
    lagging = ground.title("Index lags")
    ground.jira.search.lag = INDEX_LAG - timedelta(seconds=1.5)
    fault = lost_answer(ground, "/rest/api/3/issue")
    ground.report(lagging)
    until(lambda: fault.times == 0)
    # Applied, its answer lost, and the look for it fails as well.
    fault = lost_answer(ground, ".*/comment")
    ground.comment("acme/web", number, "said once")
    until(lambda: fault.times == 0)
    ground.jira.faults.on = [Fault("status", method="GET", path=".*/comment.*", status=500, times=1)]
    ground.settled("web", seconds=90)
    assert ground.jira.faults.on[0].times == 0
    assert [len(ground.issues(title)) for title in (slow, lagging, blind)] == [1, 1, 1]
    assert len(ground.comments(blind)) == 1
    assert ground.tally("web", "late") == 0
    ground.no_effect_is_double()


def test_what_lands_after_everybody_has_looked_is_noticed_and_counted(ground: Ground) -> None:
    title, number = linked(ground, "Landed late")
    before = ground.tally("web", "late")
    ground.comment("acme/web", number, "said twice")
    held(ground, LONGEST_CALL.total_seconds() + 6, ground.proxy.lines["jira"].struck["hold"] + 1)
    until(lambda: len(ground.comments(title)) == 2)
    # It comes back by the other half of the ring, which knows that it is not the one that was written down.
    until(lambda: ground.tally("web", "late") == before + 1)
    assert "may stand twice" in ground.log("w1")
    ground.settled("web")
    (late,) = ground.jira.ledger.duplicates()
    ground.late.add(late)
