"""Histories of people on both sides of a pair, told by hypothesis: whatever is lost, late, doubled or killed meanwhile.

Afterwards everything heals, and then: both sides are equal under the mapping or a person is asked; no edit of a person
was written over unseen; nothing more is written.  ``TWO_WAY_HISTORIES=20000`` plays so many (`make converge`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from connector.event import Event
from connector.ports import Request
from tests.workers.pairs import Pairs
from workers.operating.acting import Actor
from workers.operating.questions import decide, questions

HISTORIES: Final = int(os.environ.get("TWO_WAY_HISTORIES", "100"))
STATES: Final = ("To Do", "In Progress", "Done")
LABELS: Final = ("bug", "urgent", "old", "here")


class Histories(RuleBasedStateMachine):
    """One pair, and everything that can happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs = Pairs()
        self.count = 0
        self.mail: dict[str, list[Event]] = {"git": [], "jira": []}
        self.edits: dict[str, set[str]] = {"git": set(), "jira": set()}
        """The titles that people gave, by side."""
        self.known: dict[str, set[str]] = {"git": set(), "jira": set()}
        """The titles that either side has ever had."""
        self.covered: set[str] = set()
        """The titles of people that we wrote over before the other side ever had them."""
        self.weighed: set[str] = set()
        """The titles that somebody saw who decided between them."""
        self.untold: set[str] = set()
        """The titles of which the only webhook was lost."""
        self.number = self.pairs.report("Broken")
        self.pairs.settle()
        self.pairs.poll("pair")  # from here on nothing that a webhook loses is lost
        (self.issue,) = (str(one["id"]) for one in self.pairs.benches["jira"].sandbox.state().values())
        self.pairs.told = self.before_write
        self.look()

    # --- what is watched ---------------------------------------------------------------------------------------
    def titles(self) -> dict[str, str]:
        return {"git": self.pairs.on_git()["title"], "jira": self.pairs.on_jira()["summary"]}

    def look(self) -> None:
        for side, title in self.titles().items():
            self.known[side].add(title)

    def before_write(self, side: str, request: Request) -> None:
        self.look()
        sent = json.loads(request.content() or b"{}")
        title = sent.get("title") if side == "git" else (sent.get("fields") or {}).get("summary")
        if not isinstance(title, str):
            return
        now, other = self.titles()[side], "jira" if side == "git" else "git"
        if now != title and now in self.edits[side] and now not in self.known[other]:
            self.covered.add(now)

    def fresh(self, what: str) -> str:
        self.count += 1
        return f"{what} {self.count}"

    # --- people -------------------------------------------------------------------------------------------------
    def renames_here(self) -> None:
        title = self.fresh("Here")
        self.edits["git"].add(title)
        self.look()
        self.pairs.person("PATCH", f"/issues/{self.number}", {"title": title})
        self.look()

    def renames_there(self) -> None:
        title = self.fresh("There")
        self.edits["jira"].add(title)
        self.look()
        self.pairs.clock.move(2000)
        self.pairs.ada.edits(self.issue, summary=title)
        self.look()

    def rewrites_here(self) -> None:
        self.pairs.person("PATCH", f"/issues/{self.number}", {"body": self.fresh("Words *of* here")})

    def rewrites_there(self) -> None:
        self.pairs.clock.move(2000)
        self.pairs.ada.edits(self.issue, description=self.fresh("Words _of_ there"))

    @rule(side=st.sampled_from(("git", "jira")))
    def rename(self, side: str) -> None:
        (self.renames_here if side == "git" else self.renames_there)()

    @rule(side=st.sampled_from(("git", "jira")))
    def rewrite(self, side: str) -> None:
        (self.rewrites_here if side == "git" else self.rewrites_there)()

    @rule(side=st.sampled_from(("git", "jira")), labels=st.sets(st.sampled_from(LABELS)))
    def label(self, side: str, labels: set[str]) -> None:
        if side == "git":
            self.pairs.person("PATCH", f"/issues/{self.number}", {"labels": sorted(labels)})
        else:
            self.pairs.ada.edits(self.issue, labels=sorted(labels))

    @rule(state=st.sampled_from(("open", "closed")))
    def close_or_open(self, state: str) -> None:
        self.pairs.person("PATCH", f"/issues/{self.number}", {"state": state})

    @rule(status=st.sampled_from(STATES))
    def move(self, status: str) -> None:
        self.pairs.clock.move(2000)
        self.pairs.moves(self.issue, status)

    @rule(side=st.sampled_from(("git", "jira")))
    def comment(self, side: str) -> None:
        if side == "git":
            self.pairs.comment(self.number, self.fresh("Said here"))
        else:
            self.pairs.ada.comments(self.issue, self.fresh("Said there"))

    @rule(which=st.integers(0, 3), take=st.sampled_from(("from", "to", "value")))
    def decide(self, which: int, take: str) -> None:
        """Let somebody decide a question as it is put to them now."""
        found = list(questions(self.pairs.desk, self.pairs.config.connectors.values()))
        if not found:
            return
        one = found[which % len(found)]
        if take == "value" and one.conflict.name != "Summary":
            return
        if one.conflict.name == "Summary":
            self.weighed |= {one.conflict.wants, one.conflict.holds}
        value = self.fresh("Third") if take == "value" else None
        decide(self.pairs.desk, self.pairs.inbox, one, Actor("eve"), take=take, value=value)

    # --- what becomes of webhooks -------------------------------------------------------------------------------
    def collect(self) -> None:
        for side in self.mail:
            self.mail[side] += self.pairs.hooks(side)

    @rule(side=st.sampled_from(("git", "jira")), late=st.booleans(), twice=st.booleans())
    def deliver(self, side: str, late: bool, twice: bool) -> None:
        """Let the webhooks of one side in: the last one first, or doubled."""
        self.collect()
        events, self.mail[side] = self.mail[side], []
        self.pairs.takes(reversed(events) if late else events)
        if twice:
            self.pairs.takes(events)

    @rule(side=st.sampled_from(("git", "jira")))
    def lose(self, side: str) -> None:
        """Lose a webhook; a poll finds what it told.

        Not what stood there for a moment only: GitHub's polls bring the present state, so nobody learns of an edit
        that was written over at once and whose webhook is lost.
        """
        self.collect()
        if side == "git":
            self.untold |= {str(one.data.get("title")) for one in self.mail[side][:1]}
        del self.mail[side][:1]

    @rule()
    def work(self) -> None:
        self.pairs.work()

    @rule(points=st.integers(0, 60))
    def die(self, points: int) -> None:
        """Work, and be killed before or after any call to the store or to a system."""
        self.pairs.die_after(points)

    @rule(calls=st.integers(0, 6), who=st.sampled_from(("renames_here", "renames_there", "rewrites_there")))
    def race(self, calls: int, who: str) -> None:
        """Let somebody edit while we work, just before one of our calls."""
        act: Callable[[], None] = getattr(self, who)
        self.pairs.meanwhile = [lambda: None] * calls + [act]
        self.pairs.work()
        self.pairs.meanwhile = []

    @rule(seconds=st.integers(1, 90))
    def wait(self, seconds: int) -> None:
        self.pairs.later(seconds)

    @rule()
    def poll(self) -> None:
        self.pairs.poll("pair")
        self.pairs.work()

    # --- what must hold -------------------------------------------------------------------------------------------
    @invariant()
    def accounts_add_up(self) -> None:
        self.pairs.check_accounts()

    def teardown(self) -> None:
        pairs = self.pairs
        self.collect()
        for side, events in self.mail.items():
            pairs.takes(events)
            self.mail[side] = []
        for _ in range(6):
            pairs.later(120)
            pairs.poll("pair")
            pairs.settle(3)
        before = pairs.writes()
        for _ in range(3):
            pairs.later(120)
            pairs.poll("pair")
            pairs.settle(1)
        assert pairs.writes() == before, "it does not come to rest"
        pairs.check_accounts()
        pairs.no_effect_is_double()
        counts = pairs.book.counts()
        assert (counts["dead"], counts["in_flight"]) == (0, 0), counts
        asked = pairs.questions()
        self.compare(asked)
        unseen = {title for title in self.covered - self.weighed - self.untold if title not in json.dumps(asked)}
        assert not unseen, f"written over unseen: {unseen}"

    def compare(self, asked: dict[str, Any]) -> None:
        here, there = self.pairs.on_git(), self.pairs.on_jira()
        if "Summary" not in asked:
            assert here["title"] == there["summary"]
        if "Labels" not in asked:
            assert sorted(here["labels"]) == sorted(there["labels"])
        if "Status" not in asked:
            assert (here["state"] == "closed") == (there["status"]["name"] == "Done")
        if "Description" not in asked:
            last = re.findall(r"\w+", here["body"])[-1]
            assert last in json.dumps(there["description"]), (here["body"], there["description"])
        said = [one["body"] for one in self.pairs.person("GET", f"/issues/{self.number}/comments")]
        told = [json.dumps(one["body"]) for one in there["comment"]["comments"]]
        for one in (f"Said here {n}" for n in range(1, self.count + 1)):
            assert sum(f'"{one}"' in text for text in told) == sum(
                text.startswith(one + "\n") or text == one for text in said
            ), one
        assert len(said) == len(told) or abs(len(said) - len(told)) <= 1  # GitHub's link to its pair is a comment


Histories.TestCase.settings = settings(
    max_examples=HISTORIES,
    stateful_step_count=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a history is short enough to be read as it is
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestHistories = Histories.TestCase
