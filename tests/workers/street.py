"""An office between the real systems: GitHub's and Jira's (and Slack's) own code over their sandboxes, in one process.

Nothing here is faked but HTTP, the servers and the clock, so what a ledger says is what the product would have
done.  `people` act in the sandboxes; their webhooks wait until a test delivers or drops them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis

from connector.config import Comments, Config, Connection, Connector, End, Message
from connector.event import Event, Kind
from connector.mapping import Rule
from connector.ports import Site
from connector.system import Inbound, Trust
from connector.systems import github, jira, slack
from connector.systems.slack.sandbox import SCOPES
from connector.systems.slack.sandbox import new_sandbox as new_slack
from tests.systems.direct import Bench, Clock, bench
from tests.systems.github import scene as git_scene
from tests.systems.jira import places as jira_places
from tests.systems.slack import scene as slack_scene
from tests.workers.office import Office
from tests.workers.stores.books import Ticker
from workers.poller import Polled, poll
from workers.stores.deliveries import Pace

REPOSITORY = "/repos/acme/web"
SYSTEMS = {"git": github.SYSTEM, "jira": jira.SYSTEM, "chat": slack.SYSTEM}


class Shared(Clock):
    """The office's clock, as the systems see it."""

    def __init__(self, ticker: Ticker) -> None:
        self._ticker = ticker

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self._ticker() / 1000, UTC)

    def move(self, by: timedelta) -> datetime:
        self._ticker.move(int(by.total_seconds() * 1000))
        return self()


class Street(Office):
    """GitHub issues become Jira issues (connector ``bugs``), with comments; ``news`` tells Slack of them."""

    def __init__(
        self, client: Redis, *, news: bool = False, scopes: frozenset[str] = SCOPES, **jira_options: Any
    ) -> None:
        """``scopes`` are those of the Slack token; ``jira_options`` go to Jira's sandbox."""
        ticker = Ticker()
        clock = Shared(ticker)
        self.benches: dict[str, Bench] = {
            "git": bench(
                github.SYSTEM, git_scene.sandbox(), git_scene.CONNECTION, git_scene.SECRETS, clock=clock, name="git"
            ),
            "jira": bench(
                jira.SYSTEM,
                jira_places.sandbox(**jira_options),
                jira_places.CONNECTIONS["cloud"],
                jira_places.SECRETS,
                clock=clock,
                name="jira",
            ),
            "chat": bench(
                slack.SYSTEM,
                new_slack(webhook_secret="signing", scopes=scopes, pace=False),
                slack_scene.CONNECTION,
                slack_scene.SECRETS,
                clock=clock,
                name="chat",
            ),
        }
        connectors = (bugs(), told()) if news else (bugs(),)
        super().__init__(client, *connectors, pace=Pace(ring=20_000, slot=45_000, scan=0, crashes=5))
        self.clock = ticker
        self.desk.connections._clock = ticker  # one clock for all
        self.systems.clear()
        self.systems.update(SYSTEMS)

    def declare(self, *connectors: Connector) -> None:
        connections = {name: Connection(name, name, here.site.settings) for name, here in self.benches.items()}
        self.config = Config("test", connections, {one.name: one for one in connectors}, hash="h1")

    def site(self, connection: str, _until: float) -> Site:
        return self.benches[connection].site

    # --- people ----------------------------------------------------------------------------------------------
    def person(
        self, method: str, path: str, document: Mapping[str, Any] | None = None, *, who: str = "ghp_alice"
    ) -> Any:
        """Let somebody act in GitHub; two seconds go by first."""
        self.clock.move(2000)
        return git_scene.act(self.benches["git"], method, f"{REPOSITORY}{path}", document, who=who)

    def report(self, title: str) -> int:
        """Open an issue; returns its number."""
        return int(self.person("POST", "/issues", {"title": title, "body": "It is **broken**."})["number"])

    def comment(self, number: int, text: str) -> int:
        """Comment on an issue; returns the comment's id."""
        return int(self.person("POST", f"/issues/{number}/comments", {"body": text})["id"])

    # --- what arrives -------------------------------------------------------------------------------------------
    def hooks(self, name: str = "git") -> list[Event]:
        """Return the events of the webhooks that wait; who does not accept them has lost them."""
        here = self.benches[name]
        events: list[Event] = []
        for hook in here.sandbox.hooks(here.clock()):
            inbound = Inbound({k.lower(): v for k, v in hook.headers.items()}, hook.body)
            events.extend(here.system.receive(name, here.site.settings, inbound, Trust.SIGNED).events)
        return events

    def deliver_hooks(self, *names: str) -> None:
        """Let what waits at the sources come in, and work."""
        for name in names or ("git", "jira"):
            if events := self.hooks(name):
                self.inbox.accept(events, revive=True)
        self.work()

    def poll(self, name: str = "bugs") -> Polled:
        """Poll a connector's source."""
        return poll(self.desk, self.inbox, self.config.connectors[name])

    # --- what there is --------------------------------------------------------------------------------------------
    def issues(self) -> dict[str, Any]:
        """Return the Jira issues that we made, by summary."""
        state = self.benches["jira"].sandbox.state()
        return {one["fields"]["summary"]: one for one in state.values()}

    def ours(self, name: str = "jira") -> list[str]:
        """Return the markers of our effects in a system, in order."""
        return [one.marker for one in self.benches[name].sandbox.ledger.effects if one.marker]

    def no_effect_is_double(self) -> None:
        """Check the ledgers."""
        for name, here in self.benches.items():
            assert not here.sandbox.ledger.duplicates(), name


def bugs(**more: Any) -> Connector:
    """GitHub to Jira: title, text and comments."""
    source = github.SYSTEM.source
    target = jira.SYSTEM.target_schema
    assert source is not None
    assert target is not None
    made = Connector(
        "bugs",
        "bugs",
        End("git", source().load({"repositories": ["acme/web"]})),
        End("jira", target().load({"project": "WEB", "type": "Bug"})),
        mapping=(Rule("Summary", path="title"), Rule("Description", path="body")),
        comments=Comments(copied=True, edits=True, deletes=True, text="{{ comment.body }}"),
    )
    return replace(made, **more)


def back(**more: Any) -> Connector:
    """Jira to GitHub, the other half of a ring with ``bugs``: title and comments."""
    source = jira.SYSTEM.source
    target = github.SYSTEM.target_schema
    assert source is not None
    assert target is not None
    made = Connector(
        "back",
        "back",
        End("jira", source().load({"project": "WEB"})),
        End("git", target().load({"repository": "acme/web"})),
        mapping=(Rule("Title", path="title"),),
        comments=Comments(copied=True, text="{{ comment.body }}"),
        creates=False,
    )
    return replace(made, **more)


def told(**more: Any) -> Connector:
    """GitHub to Slack: a thread for each issue, a reply for each comment, a message for each change."""
    source = github.SYSTEM.source
    target = slack.SYSTEM.target_schema
    assert source is not None
    assert target is not None
    made = Connector(
        "news",
        "news",
        End("git", source().load({"repositories": ["acme/web"]})),
        End("chat", target().load({"channel": slack_scene.ALERTS})),
        mapping=(Rule("Text", path="title"),),
        comments=Comments(copied=True, text="{{ comment.body }}"),
        messages=(Message(frozenset({Kind.ISSUE_UPDATED}), "changed: {{ title }}"),),
    )
    return replace(made, **more)
