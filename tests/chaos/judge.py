"""Judge a storm by what the sandboxes hold and have written down, never by our own books."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from connector.link import Marker
from connector.sandbox import Effect, Sandbox
from tests.chaos.crowd import Bug, Told
from tests.chaos.ground import INDEX_LAG, LONGEST_CALL
from tests.chaos.postman import surely_before
from tests.chaos.proxy import Held
from tests.chaos.trouble import Frozen

SOON: Final = timedelta(seconds=2)
"""How long after a thaw, or after a held request went on, what it does stands in the ledger."""


@dataclass(slots=True)
class Seen:
    """What the judge looks at; ``acknowledged``, ``frozen`` and ``held`` as postman, trouble and proxy noted them."""

    states: Mapping[str, Mapping[str, Any]]
    ledgers: Mapping[str, Sequence[Effect]]
    acknowledged: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    frozen: Sequence[Frozen] = ()
    held: Sequence[Held] = ()

    @classmethod
    def of(
        cls,
        sandboxes: Mapping[str, Sandbox],
        acknowledged: Mapping[tuple[str, str], datetime],
        frozen: Sequence[Frozen],
        held: Sequence[Held],
    ) -> Seen:
        """Look at sandboxes that are quiet."""
        return cls(
            {name: one.state() for name, one in sandboxes.items()},
            {name: list(one.ledger.effects) for name, one in sandboxes.items()},
            acknowledged,
            frozen,
            held,
        )


@dataclass(slots=True)
class Verdict:
    """What was found: every entry is a sentence; ``ordered`` counts the pairs whose order was certain."""

    lost: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    inversions: list[str] = field(default_factory=list)
    late_landed: list[str] = field(default_factory=list)
    ordered: int = 0


def window(system: str, action: str) -> timedelta:
    """Return how long after a send the product may look: an effect that lands later cannot be found by it."""
    return LONGEST_CALL + INDEX_LAG if (system, action) == ("jira", "add_issue") else LONGEST_CALL


class Judge:
    """Compares what was told with what is there."""

    def __init__(self, told: Told, seen: Seen) -> None:
        self.told, self.seen, self.verdict = told, seen, Verdict()
        self._late: Counter[str] = Counter()
        """Words of effects that landed late: that many copies too many are not counted a second time."""
        self._spent: set[tuple[int, str]] = set()
        """What explains a late landing explains one."""

    def judge(self) -> Verdict:
        """Look at everything."""
        for system in self.seen.ledgers:
            self._markers(system)
        jira, github = self.seen.states["jira"], self._github()
        self._places("github", {key: [str(c["body"]) for c in one["comments"]] for key, one in github.items()})
        self._places("jira", {key: _comments(issue) for key, issue in jira.items()})
        threads = self._threads()
        self._places("slack", threads)
        for bug in self.told.bugs:
            keys = [key for key, issue in jira.items() if bug.word in issue["fields"]["summary"]]
            self._expect(f"a Jira issue for {bug.key} ({bug.word})", len(keys), bug.word)
            if keys:
                # Where one landed late, the one that is followed is the one that has the comments.
                key = max(keys, key=lambda one: len(_comments(jira[one])))
                self._fields(bug, jira[key], github[bug.key])
                self._root(bug, key, jira[key]["fields"]["status"]["name"], threads)
        return self.verdict

    def _expect(self, what: str, found: int, word: str = "") -> None:
        if found == 0:
            self.verdict.lost.append(what)
        elif found > 1 + self._late[word]:
            self.verdict.duplicates.append(f"{what}: {found} times")

    # --- markers ------------------------------------------------------------------------------------
    def _markers(self, system: str) -> None:
        """Find what was added twice under one marker, and tell what nobody could have found from what is ours."""
        first: dict[tuple[str, str], Effect] = {}
        for effect in self.seen.ledgers[system]:
            if not effect.marker or not effect.action.startswith("add"):
                continue
            earlier = first.setdefault((effect.marker, effect.action), effect)
            if earlier is effect:
                continue
            what = f"{system}: {effect.action} {effect.marker} on {effect.entity} at {earlier.at:%T} and {effect.at:%T}"
            if why := self._held(system, earlier, effect) or self._thawed(earlier, effect):
                self.verdict.late_landed.append(f"{what}: {why}")
                self._late.update(_words(effect))
            else:
                self.verdict.duplicates.append(what)

    def _held(self, system: str, earlier: Effect, effect: Effect) -> str:
        """Say which request the network held for longer than anybody looks for it."""
        longest = window(system, effect.action)
        for number, held in enumerate(self.seen.held):
            if held.marker != effect.marker or held.went - held.came <= longest or (number, "") in self._spent:
                continue
            # Either it came last, or a resend had just found nothing when it came.
            just_before = held.went < earlier.at < held.went + SOON and effect.at < earlier.at + longest
            if held.went < effect.at < held.went + SOON or just_before:
                self._spent.add((number, ""))
                return f"held for {(held.went - held.came).total_seconds():.1f} s"
        return ""

    def _thawed(self, earlier: Effect, effect: Effect) -> str:
        """Say which thaw let a request out whose *sent* mark preceded the freeze: one for each mark and freeze."""
        mark = Marker.find(effect.marker)
        for number, frozen in enumerate(self.seen.frozen):
            announced = mark is not None and mark.effect in frozen.announced
            if not announced or (number, effect.marker) in self._spent:
                continue
            if frozen.begun < earlier.at < frozen.thawed < effect.at < frozen.thawed + SOON:
                self._spent.add((number, effect.marker))
                return f"a worker was frozen until {frozen.thawed:%T}"
        return ""

    # --- comments -----------------------------------------------------------------------------------
    def _places(self, system: str, threads: Mapping[str, Sequence[str]]) -> None:
        """Expect every comment exactly once in this system, in one place per bug, and in order."""
        where: dict[str, list[tuple[str, int]]] = {}
        for key, texts in threads.items():
            for number, text in enumerate(texts):
                for word in _words(text):
                    where.setdefault(word, []).append((key, number))
        for (source, bug), words in self.told.notes.items():
            if system == "slack" or source != system:
                for word in words:
                    self._expect(f"{word} (on {bug} in {source}) in {system}", len(where.get(word, ())), word)
                # What Slack gets of GitHub's comments it gets by way of Jira.
                self._order("jira" if system == "slack" else source, system, words, where)
            else:
                for word in words:
                    self._expect(f"{word} (on {bug}) where it was written", len(where.get(word, ())))
            if len({key for word in words for key, _ in where.get(word, ())}) > 1:
                self.verdict.duplicates.append(f"comments of {bug} in {system} are in several places")

    def _order(
        self, source: str, system: str, words: Sequence[str], where: Mapping[str, list[tuple[str, int]]]
    ) -> None:
        made = self._made(source)
        known = [word for word in words if word in made and len(where.get(word, ())) == 1]
        known.sort(key=made.__getitem__)
        for number, first in enumerate(known):
            for second in known[number + 1 :]:
                taken = (self.seen.acknowledged.get((source, first)), made[first])
                if surely_before(taken, (None, made[second])):
                    self.verdict.ordered += 1
                    if where[first][0][1] > where[second][0][1]:
                        self.verdict.inversions.append(f"{second} before {first} in {system}, {where[first][0][0]}")

    def _made(self, system: str) -> dict[str, datetime]:
        made: dict[str, datetime] = {}
        for effect in self.seen.ledgers[system]:
            if effect.action == "add_comment":
                for word in _words(effect):
                    made.setdefault(word, effect.at)
        return made

    # --- states -------------------------------------------------------------------------------------
    def _fields(self, bug: Bug, issue: Mapping[str, Any], here: Mapping[str, Any]) -> None:
        fields = issue["fields"]
        if fields["summary"] != bug.title:
            self.verdict.lost.append(f"the title of {bug.key}: {bug.title!r}, in Jira {fields['summary']!r}")
        done = fields["status"]["statusCategory"]["key"] == "done"
        if done is not bug.closed:
            self.verdict.lost.append(f"the state of {bug.key}: closed is {bug.closed}, in Jira done is {done}")
        if (here["state"] == "closed") is not bug.closed:
            self.verdict.lost.append(f"the state of {bug.key} was changed on GitHub to {here['state']}")

    def _root(self, bug: Bug, key: str, status: str, threads: Mapping[str, Sequence[str]]) -> None:
        roots = [texts[0] for texts in threads.values() if f"|{key}>" in texts[0]]
        self._expect(f"a message for {key} ({bug.word})", len(roots), bug.word)
        if roots and not (bug.title in roots[0] and f"*{status}*" in roots[0]):
            self.verdict.lost.append(f"news of {key}: {bug.title!r}, {status}; Slack says {roots[0]!r}")

    # --- views --------------------------------------------------------------------------------------
    def _github(self) -> dict[str, Mapping[str, Any]]:
        repositories = self.seen.states["github"]["repositories"].values()
        return {issue["key"]: issue for one in repositories for issue in one["issues"]}

    def _threads(self) -> dict[str, list[str]]:
        """Return the texts of every thread, its root first."""
        threads: dict[str, list[str]] = {}
        for messages in self.seen.states["slack"].values():
            for one in sorted(messages, key=lambda one: str(one["ts"])):
                threads.setdefault(str(one["thread_ts"] or one["ts"]), []).append(str(one["text"]))
        return threads


def _comments(issue: Mapping[str, Any]) -> list[str]:
    comments = issue["fields"].get("comment", {}).get("comments", [])
    return [json.dumps(one["body"], ensure_ascii=False) for one in comments]


def _words(what: Effect | str) -> list[str]:
    text = what if isinstance(what, str) else json.dumps(what.detail, default=str)
    cleaned = "".join(letter if letter.isalnum() else " " for letter in text)
    return [word for word in dict.fromkeys(cleaned.split()) if word[:-5] in {"note", "bug"} and word[-5:].isdigit()]
