"""Let people act in the sandboxes, each with words that nobody else uses, and remember what must come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.chaos.ground import Ground


@dataclass(slots=True)
class Bug:
    """A GitHub issue as its people left it; ``word`` stands in its title for ever."""

    key: str
    word: str
    title: str
    closed: bool = False
    changes: int = 0
    """Of its state; more than a few in ten minutes are a loop to the product, and rightly so."""


@dataclass(slots=True)
class Told:
    """What people did."""

    bugs: list[Bug] = field(default_factory=list)
    notes: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """(system, word of the bug) -> words of the comments that people wrote there, in order."""


class Crowd:
    """Alice and Bob on GitHub, Ada in Jira."""

    def __init__(self, ground: Ground, chance: Random) -> None:
        self.ground, self.told = ground, Told()
        self._chance = chance
        self._notes = 0
        self._keys: dict[str, str] = {}

    def act(self) -> None:
        """Do one thing."""
        roll = self._chance.random()
        if not self.told.bugs or roll < 0.22:
            self.report()
        elif roll < 0.62:
            self.comment(self._some())
        elif roll < 0.80:
            self.comment_in_jira(self._some())
        elif roll < 0.92:
            self.retitle(self._some())
        else:
            self.flip(self._some())

    def _some(self) -> Bug:
        # Mostly the latest: several events of one entity are under way at a time.
        recent = self.told.bugs[-6:] if self._chance.random() < 0.7 else self.told.bugs
        return self._chance.choice(recent)

    def _note(self) -> str:
        self._notes += 1
        return f"note{self._notes:05d}"

    def report(self) -> None:
        """Open a GitHub issue that must come to Jira."""
        word = f"bug{len(self.told.bugs):05d}"
        title = f"{word} is broken"
        repository = self._chance.choice(("acme/web", "acme/web", "acme/api"))
        number = self.ground.report(title, repository=repository)
        self.told.bugs.append(Bug(f"{repository}#{number}", word, title))

    def comment(self, bug: Bug) -> None:
        """Comment on GitHub."""
        word = self._note()
        repository, _, number = bug.key.partition("#")
        self.ground.comment(repository, int(number), f"Seen again, **{word}** it is.")
        self.told.notes.setdefault(("github", bug.word), []).append(word)

    def comment_in_jira(self, bug: Bug) -> None:
        """Comment in Jira, where the issue is there already."""
        key = self.jira_key(bug)
        if not key:
            return
        word = self._note()
        text = {"type": "paragraph", "content": [{"type": "text", "text": f"Triaged, {word} it is."}]}
        body = {"type": "doc", "version": 1, "content": [text]}
        self.ground.act("jira", "ada", "POST", f"/rest/api/3/issue/{key}/comment", {"body": body})
        self.told.notes.setdefault(("jira", bug.word), []).append(word)

    def retitle(self, bug: Bug) -> None:
        """Change a title on GitHub."""
        title = f"{bug.word} is broken, take {self._chance.randrange(10**6)}"
        self._patch(bug, title=title)
        bug.title = title

    def flip(self, bug: Bug) -> None:
        """Close or reopen on GitHub."""
        if bug.changes < 3:
            self._patch(bug, state="open" if bug.closed else "closed")
            bug.closed, bug.changes = not bug.closed, bug.changes + 1

    def _patch(self, bug: Bug, **change: Any) -> None:
        repository, _, number = bug.key.partition("#")
        self.ground.act("github", "alice", "PATCH", f"/repos/{repository}/issues/{number}", change)

    def jira_key(self, bug: Bug) -> str:
        """Return the key of a bug's Jira issue, "" while there is none."""
        if bug.word not in self._keys:
            with self.ground.served.locks["jira"]:
                effects = [one for one in self.ground.jira.ledger.effects if one.action == "add_issue"]
            self._keys |= {str(one.detail["summary"])[:8]: one.entity for one in effects}
        return self._keys.get(bug.word, "")
