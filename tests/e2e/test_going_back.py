"""A store put back to an older copy, or emptied, loses nothing and does nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.servers import Server
from tests.e2e.town import CONNECTIONS, CONNECTORS, Town, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(170)]


class Hamlet(Town):
    """A town over servers that can be put back; one ring between GitHub and Jira, and news in Slack."""

    connectors = {name: CONNECTORS[name] + "poll: 10s\n" for name in ("web", "back", "news")}  # noqa: RUF012 - as its parent
    # A look-up in Slack costs a call that a real workspace grants once a second.
    connections = CONNECTIONS.replace("limits: {{", "limits: {{history_per_minute: 900, posts_per_minute: 1200, ")
    workers = ("w1",)

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.broker_server = Server(home / "broker", fsync="everysec")
        self.store = Server(home / "store")
        self.copy = home / "copy"

    def _open_servers(self) -> tuple[str, str]:
        self.broker_server.start()
        self.store.start()
        return self.broker_server.url, self.store.url

    def __exit__(self, kind: type[BaseException] | None = None, *rest: object) -> None:
        super().__exit__(kind, *rest)
        self.store.kill()
        self.broker_server.kill()

    def all_stop(self) -> None:
        """Stop every process of the product."""
        for name in list(self.processes):
            self.stop(name)

    def all_start(self) -> None:
        """Start them again."""
        self.spawn("receive", "receive")
        self.work("w1")
        self.schedule()
        self.wait_until_ready("w1", "schedule")
        until(lambda: self.get(self.receiver_port, "/readyz")[0] == 200)

    def quiet(self) -> None:
        """Wait until every connector writes and nothing is in flight; asks the store itself, commands take long."""

        def is_quiet() -> bool:
            with self.store.client() as client:
                for name in self.connectors:
                    counts = {k.decode(): int(v) for k, v in client.hgetall(f"jc:{{{name}}}:counts").items()}
                    if counts.get("in_flight") or client.hexists(f"jc:{{{name}}}:meta", "halted"):
                        return False
                    settled = sum(counts.get(word, 0) for word in ("delivered", "skipped", "dead", "discarded"))
                    assert counts.get("accepted", 0) == settled, (name, counts)
            return True

        until(is_quiet, 90, told=lambda: self.log("w1")[-3000:])

    def restored(self) -> int:
        """Return how often the worker has told that the store went back."""
        return self.log("w1").count("writing goes on")


@pytest.fixture(scope="module")
def hamlet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hamlet]:
    with Hamlet(tmp_path_factory.mktemp("hamlet") / "home") as running:
        yield running


def one_of_each(town: Hamlet, titles: list[str], said: int) -> None:
    until(
        lambda: all(len(town.comments(title)) >= said for title in titles),
        60,
        told=lambda: f"{[(t, town.comments(t)) for t in titles]}\n{town.log('w1')[-3000:]}",
    )
    assert [len(town.issues(title)) for title in titles] == [1] * len(titles)
    assert [len(town.comments(title)) for title in titles] == [said] * len(titles)
    town.no_effect_is_double()


@pytest.mark.parametrize("how", ["under live workers", "while nothing runs"])
def test_a_store_put_back_loses_and_doubles_nothing(hamlet: Hamlet, how: str) -> None:
    old, new = ([hamlet.title(f"{word}, {how}") for _ in range(2)] for word in ("Before the copy", "Forgotten"))
    numbers = {title: hamlet.report(title) for title in old}
    for title in old:
        hamlet.comment("acme/web", numbers[title], "before")
    hamlet.quiet()
    hamlet.store.remember(hamlet.copy)
    numbers |= {title: hamlet.report(title) for title in new}
    for title in (*old, *new):
        hamlet.comment("acme/web", numbers[title], "forgotten")
    one_of_each(hamlet, new, 1)
    hamlet.quiet()
    before = hamlet.restored()
    if how == "under live workers":
        # Some of it is on its way at that very moment.
        late = hamlet.title("On its way")
        numbers[late] = hamlet.report(late)
        new.append(late)
        hamlet.store.go_back(hamlet.copy)
    else:
        hamlet.all_stop()
        hamlet.store.go_back(hamlet.copy)
        hamlet.all_start()
    # People don't wait.
    for title in (*old, *new):
        hamlet.comment("acme/web", numbers[title], "afterwards")
    until(lambda: hamlet.restored() >= before + 2, 60, told=lambda: hamlet.log("w1")[-3000:])
    hamlet.quiet()
    one_of_each(hamlet, old, 3)
    one_of_each(hamlet, [title for title in new if "On its way" not in title], 2)
    one_of_each(hamlet, [title for title in new if "On its way" in title], 1)
    # Every link is known: an edit reaches the very issue.
    for title in (*old, *new):
        hamlet.act("github", "alice", "PATCH", f"/repos/acme/web/issues/{numbers[title]}", {"title": f"{title}!"})
    until(lambda: all(hamlet.issues(f"{title}!") for title in (*old, *new)), 60)
    hamlet.quiet()
    hamlet.no_effect_is_double()
    assert "restored" in {row["action"] for row in hamlet.json("audit", "web", "--most", "1000")}
    found = [one["text"] for one in hamlet.json("doctor") if one["what"] == "connector web"]
    assert any("went back in time" in text for text in found)


def test_an_emptied_store_is_rebuilt_from_the_systems(hamlet: Hamlet) -> None:
    titles = [hamlet.title("Before it all went") for _ in range(3)]
    numbers = {title: hamlet.report(title) for title in titles}
    for title in titles:
        hamlet.comment("acme/web", numbers[title], "before")
    one_of_each(hamlet, titles, 1)
    hamlet.quiet()
    hamlet.store.forget()
    # It is known by everybody who asks, and nothing is written.
    until(lambda: {one["state"] for one in hamlet.json("status")} == {"lost"})
    written = len(hamlet.served.sandboxes["jira"].ledger.effects)
    for title in titles:
        hamlet.comment("acme/web", numbers[title], "meanwhile")
    tried = hamlet.json("rebuild", "--dry-run")
    assert {one["state"] for one in hamlet.json("status")} == {"lost"}
    assert len(hamlet.served.sandboxes["jira"].ledger.effects) == written
    done = hamlet.json("rebuild")
    for before, after in zip(tried["rebuilt"], done["rebuilt"], strict=True):
        assert (before["connector"], before["links"]) == (after["connector"], after["links"])
        assert not after["problem"]
    (web,) = [one for one in done["rebuilt"] if one["connector"] == "web"]
    assert web["fresh"] == web["links"] >= len(titles)
    assert done["cannot_be_found"] == []
    hamlet.quiet()
    one_of_each(hamlet, titles, 2)
    for title in titles:
        hamlet.act("github", "alice", "PATCH", f"/repos/acme/web/issues/{numbers[title]}", {"title": f"{title}!"})
    until(lambda: all(hamlet.issues(f"{title}!") for title in titles), 60)
    hamlet.quiet()
    one_of_each(hamlet, [f"{title}!" for title in titles], 2)
    again = hamlet.json("rebuild")
    assert {one["fresh"] for one in again["rebuilt"]} == {0}
    hamlet.quiet()
    hamlet.no_effect_is_double()


def test_what_nobody_can_look_for_is_listed_before_anything_is_changed(hamlet: Hamlet) -> None:
    title = hamlet.title("Told in Slack")
    number = hamlet.report(title)
    key = hamlet.issue(title)["key"]
    hamlet.quiet()
    slack: Any = hamlet.served.sandboxes["slack"]
    scopes, slack.scopes = slack.scopes, {one for one in slack.scopes if not one.endswith(":history")}
    try:
        hamlet.store.forget()
        refused = hamlet.connector("rebuild", "news", code=1)
        assert "cannot be found again" in refused.stdout
        assert key in refused.stdout
        assert "Rebuild all the same?" in refused.stdout
        hamlet.connector("rebuild", "news", "--json", code=2)
        assert {one["state"] for one in hamlet.json("status")} == {"lost"}
        done = hamlet.json("rebuild", "--yes")
        (unknown,) = done["cannot_be_found"]
        assert unknown["connector"] == "news"
        assert key in unknown["items"]
        hamlet.quiet()
        hamlet.act("github", "alice", "PATCH", f"/repos/acme/web/issues/{number}", {"title": f"{title}!"})
        until(lambda: hamlet.issues(f"{title}!"))
        letters = until(lambda: [one for one in hamlet.json("dead", "list", "news") if one["key"] == key])
        assert isinstance(letters, list)
        assert {one["cause"] for one in letters} == {"ambiguous"}
        hamlet.quiet()
        hamlet.no_effect_is_double()
    finally:
        slack.scopes = scopes
