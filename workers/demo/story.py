"""Tell the day: what people do in the systems, and what goes wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from connector.sandbox import Fault
from workers.demo.stage import MENDED, Stage

BUGS: Final = (
    "Login fails on iOS 19 after the update",
    "Checkout total ignores the second voucher",
    "CSV export breaks umlauts: Müller becomes M?ller",
    "Search returns archived products",
    "Dark mode: white text on a white button",
    "Password reset mail arrives twice",
    "Upload hangs at 99 % for files over 2 GB",
    "`NullPointerException` in OrderService.total()",
    "Timezone of invoices is off by one day",
    "Keyboard focus is lost after closing a dialog",
    "Webhook retries flood the audit log",
    "Emoji 🎉 in a product name breaks the label printer",
    "Rate limiter blocks the health check",
    "Pagination shows page 2 twice",
    "Arabic names are rendered left to right: مرحبا",
    "Memory grows by 10 MB an hour",
    "Sorting by price treats 10 as smaller than 9",
    "Session cookie lacks SameSite",
    "Two-factor code accepted twice",
    "Map does not load behind a proxy",
)
WORDS: Final = (
    "I can reproduce this on the staging system.",
    "Happens only with **two** tabs open.",
    "Stack trace:\n\n```python\nraise ValueError('x < 3 && y > 2')\n```",
    "See also [the manual](https://example.com/manual?a=1&b=2).",
    "Steps:\n\n1. open the page\n2. click *Save*\n3. look at the log",
    "Fixed on my branch, please have a look.",
    "Still there in 2.4.1 — same request id.",
    "| browser | result |\n|---|---|\n| Firefox | ok |\n| Safari | fails |",
)


@dataclass(slots=True)
class Told:
    """What people did: the judge compares the systems with this."""

    titles: dict[str, str] = field(default_factory=dict)
    """GitHub issue key -> title, of those that must have a Jira issue."""
    github_comments: dict[str, list[str]] = field(default_factory=dict)
    """GitHub issue key -> its people's comments, each with a unique word, in order."""
    jira_comments: dict[str, list[str]] = field(default_factory=dict)
    """Jira issue key -> its people's public comments likewise."""
    closed: set[str] = field(default_factory=set)
    """GitHub issue keys that end closed."""
    born_in_jira: list[str] = field(default_factory=list)
    """Jira issue keys that people made there."""


@dataclass(frozen=True, slots=True)
class Act:
    """A part of the day: its title, and a generator that does something and waits between."""

    title: str
    play: Callable[[], Iterator[None]]


class Story:
    """The day, as acts; ``say`` tells the audience what happens."""

    def __init__(self, stage: Stage, say: Callable[[str], None], *, seed: int = 7) -> None:
        self.stage, self.say = stage, say
        self.told = Told()
        self._chance = Random(seed)  # noqa: S311 - a story, not a secret
        self._people = {name: stage.person("github", name) for name in ("alice", "bob")}
        self._jira = {name: stage.person("jira", name) for name in ("ada", "grace")}
        self._word = 0
        self._bugs = iter(BUGS * 3)
        self._number = 0

    def acts(self) -> list[Act]:
        """Return the acts in order."""
        return [
            Act("morning: issues, comments, a pull request", self.morning),
            Act("outage: Jira answers 503", self.outage),
            Act("night: the Slack token has expired", self.expired),
            Act("surprise: Jira now demands a priority", self.surprise),
            Act("evening: work is closed", self.evening),
        ]

    # --- small things people do ----------------------------------------------------------------------
    def _bug(self, *, labels: tuple[str, ...] = ("bug",), repository: str = "acme/web") -> str:
        self._number += 1
        title = f"{next(self._bugs)} ({self._number})"
        who = self._people[self._chance.choice(("alice", "bob"))]
        made = who(
            "POST",
            f"/repos/{repository}/issues",
            {"title": title, "body": self._chance.choice(WORDS), "labels": list(labels)},
        )
        key = f"{repository}#{made['number']}"
        if "bug" in labels:
            self.told.titles[key] = title
        return key

    def _unique(self, text: str) -> tuple[str, str]:
        self._word += 1
        word = f"note{self._word:04d}"
        return f"{text}\n\n{word}", word

    def _comment(self, key: str) -> None:
        repository, _, number = key.partition("#")
        text, word = self._unique(self._chance.choice(WORDS))
        self._people[self._chance.choice(("alice", "bob"))](
            "POST", f"/repos/{repository}/issues/{number}/comments", {"body": text}
        )
        self.told.github_comments.setdefault(key, []).append(word)

    def _comment_in_jira(self, key: str) -> None:
        text, word = self._unique("Triaged, thank you.")
        document = {
            "type": "doc",
            "version": 1,
            "content": [
                {"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in text.split("\n\n")
            ],
        }
        self._jira["ada"]("POST", f"/rest/api/3/issue/{key}/comment", {"body": document})
        self.told.jira_comments.setdefault(key, []).append(word)

    def _transition(self, key: str, status: str) -> bool:
        who = self._jira["grace"]
        for one in who("GET", f"/rest/api/3/issue/{key}/transitions?expand=transitions.fields")["transitions"]:
            if one["to"]["name"].casefold() == status.casefold():
                fields = {"resolution": {"name": "Done"}} if one.get("fields", {}).get("resolution") else {}
                who(
                    "POST",
                    f"/rest/api/3/issue/{key}/transitions",
                    {"transition": {"id": one["id"]}, **({"fields": fields} if fields else {})},
                )
                return True
        return False

    def _close(self, key: str) -> None:
        repository, _, number = key.partition("#")
        self._people["alice"]("PATCH", f"/repos/{repository}/issues/{number}", {"state": "closed"})
        self.told.closed.add(key)

    def jira_key(self, key: str) -> str:
        """Return the Jira issue of a GitHub issue, "" while there is none."""
        title = self.told.titles.get(key)
        for issue_key, issue in self.stage.state("jira").items():
            if issue["fields"]["summary"] == title:
                return str(issue_key)
        return ""

    def _wait_for(self, what: Callable[[], Any], seconds: float) -> Iterator[None]:
        limit = time.monotonic() + seconds
        while not what() and time.monotonic() < limit:
            time.sleep(0.1)
            yield

    # --- acts ---------------------------------------------------------------------------------------
    def morning(self) -> Iterator[None]:
        """Everything works."""
        keys = []
        for number in range(10):
            labels = ("bug", f"p{number % 4}") if number % 3 else ("bug",)
            keys.append(self._bug(labels=labels, repository="acme/api" if number % 5 == 4 else "acme/web"))
            if number % 2:
                self._bug(labels=("question",))
            time.sleep(0.05)
            yield
        for key in keys[:6]:
            self._comment(key)
            self._comment(key)
            yield
        late = self._bug(labels=())
        repository, _, number_text = late.partition("#")
        self._people["bob"]("POST", f"/repos/{repository}/issues/{number_text}/labels", {"labels": ["bug", "p1"]})
        self.told.titles[late] = next(
            i["title"] for i in self.stage.state("github")["repositories"][repository]["issues"] if i["key"] == late
        )
        self.say("an issue is labelled later: it is taken then")
        yield from self._wait_for(lambda: self.jira_key(keys[0]) and self.jira_key(keys[1]), 20)
        if named := self.jira_key(keys[1]):
            self._people["alice"](
                "POST",
                "/repos/acme/web/pulls",
                {
                    "title": f"{named} fix vouchers",
                    "head": f"fix/{named.lower()}",
                    "base": "main",
                    "body": "With tests.",
                },
            )
            self.say(f"a pull request names {named}")
        if first := self.jira_key(keys[0]):
            self._comment_in_jira(first)
            self._transition(first, "In Progress")
        for title in ("Quarterly security review", "Rotate the signing keys"):
            made = self._jira["ada"](
                "POST",
                "/rest/api/3/issue",
                {"fields": {"project": {"key": "WEB"}, "issuetype": {"name": "Task"}, "summary": title}},
            )
            self.told.born_in_jira.append(made["key"])
            yield

    def outage(self) -> Iterator[None]:
        """Jira is down for a while: nothing dies, nothing is lost, everything goes through afterwards."""
        faults = self.stage.served.sandboxes["jira"].faults
        faults.on = [Fault("status", status=503)]
        self.say("Jira answers 503 to everything")
        keys = []
        for _ in range(8):
            keys.append(self._bug(labels=("bug", "p2")))
            time.sleep(0.3)
            yield
        for key in keys[:3]:
            self._comment(key)
            yield
        for _ in range(25):
            time.sleep(0.1)
            yield
        faults.on = []
        self.say("Jira is back")
        yield from self._wait_for(lambda: all(self.jira_key(key) for key in keys), 40)

    def expired(self) -> Iterator[None]:
        """The Slack token has expired: the connection pauses, the others go on, and it resumes by itself."""
        faults = self.stage.served.sandboxes["slack"].faults
        faults.on = [Fault("expired_token")]
        self.say("Slack refuses the token")
        for key in list(self.told.titles)[:4]:
            self._comment(key)
            yield
        keys = [self._bug(labels=("bug", "p1")) for _ in range(2)]
        yield from self._wait_for(lambda: all(self.jira_key(key) for key in keys), 30)
        for _ in range(25):
            time.sleep(0.1)
            yield
        faults.on = []
        self.say("the token is mended; the next probe resumes the connection")

    def surprise(self) -> Iterator[None]:
        """Jira demands a priority: dead letters that say so; the mapping is mended, the letters are replayed."""
        sandbox: Any = self.stage.served.sandboxes["jira"]
        sandbox.require("priority")
        self.say("an administrator makes the priority required")
        keys = [self._bug(labels=("bug",)) for _ in range(4)]
        yield from self._wait_for(lambda: self.dead() >= len(keys), 30)
        for key in keys:
            self._comment(key)
            yield
        self.say(f"{self.dead()} dead letters; an operator gives the mapping a default")
        path = self.stage.home / "connectors" / "github-to-jira.yaml"
        path.write_text(path.read_text() + MENDED)
        for _ in range(25):
            time.sleep(0.1)
            yield
        self.replay()
        yield from self._wait_for(lambda: all(self.jira_key(key) for key in keys), 40)

    def evening(self) -> Iterator[None]:
        """Issues are closed on both sides."""
        keys = [key for key in self.told.titles if key.startswith("acme/web")]
        for key in keys[2:5]:
            self._close(key)
            yield
        for key in keys[5:7]:
            if issue := self.jira_key(key):
                self._comment_in_jira(issue)
                self._transition(issue, "In Progress")
                if self._transition(issue, "Done"):
                    self.told.closed.add(key)
            yield

    # --- what the operator needs (set by the director) ----------------------------------------------------
    dead: Callable[[], int] = staticmethod(lambda: 0)
    replay: Callable[[], None] = staticmethod(lambda: None)
