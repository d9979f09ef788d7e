"""``connector webhook``: what is installed, shown, tried and removed, against served sandboxes."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from connector.sandbox import Fault
from connector.systems.github.sandbox import GitHubSandbox
from connector.systems.github.sandbox import new_sandbox as new_github
from connector.systems.jira.sandbox import JiraSandbox
from connector.systems.jira.sandbox import new_sandbox as new_jira
from tests.workers.commanding import Terminal
from workers.cli import run
from workers.operating import webhooks
from workers.sandbox import Served
from workers.settings import Settings
from workers.stores.webhooks import Webhooks

PUBLIC = "https://jc.example"
SECRET = "It's a Secret to Everybody"
CONNECTIONS = """\
version: 1
instance: test
connections:
  github:
    system: github
    url: {github}
    auth: {{token: env:GITHUB_TOKEN}}
    webhook: {{secret: env:GITHUB_SECRET}}
    http: {{private_addresses: [127.0.0.0/8]}}
  jira:
    system: jira
    url: {jira}
    auth: {{email: bot@example.com, token: env:JIRA_TOKEN}}
    webhook: {{secret: env:JIRA_SECRET}}
    http: {{private_addresses: [127.0.0.0/8]}}
  slack:
    system: slack
    url: http://127.0.0.1:1/api
    auth: {{token: env:SLACK_TOKEN}}
    webhook: {{secret: env:SLACK_SECRET}}
"""
BUGS = (
    "version: 1\nname: bugs\ntemplate: github-to-jira\nfrom: {repositories: [acme/web, acme/api]}\nto: {project: WEB}\n"
)
BACK = "version: 1\nname: back\nfrom: {connection: jira, project: OPS}\nto: {connection: github, repository: acme/api}\nmapping: {title: title}\n"
TALK = "version: 1\nname: talk\nfrom: {connection: slack, channels: [C024BE91L]}\nto: {connection: jira, project: WEB}\nmapping: {Summary: title}\n"


class Town:
    """A terminal, and the sandboxes that its configuration names."""

    def __init__(self, terminal: Terminal, served: Served) -> None:
        self.run, self.served = terminal, served
        self.github: GitHubSandbox = new_github(url=served.url("github"))
        self.jira: JiraSandbox = new_jira(url=served.url("jira"))
        self.jira.appoint("bot")
        served.add("github", self.github)
        served.add("jira", self.jira)
        terminal.write("connections/all.yaml", CONNECTIONS.format(github=served.url("github"), jira=served.url("jira")))
        terminal.write("connectors/bugs.yaml", BUGS)
        terminal.set(GITHUB_TOKEN="ghp_bot", GITHUB_SECRET=SECRET, JIRA_TOKEN="jira-bot-token", JIRA_SECRET=SECRET)
        terminal.set(SLACK_TOKEN="xoxb-1", SLACK_SECRET="signing-4711", PUBLIC_URL="")

    def urls(self, repository: str = "acme/web") -> list[str]:
        return [one.config["url"] for one in self.github.world.repository(repository).webhooks.values()]

    def effects(self) -> list[tuple[str, str]]:
        rows = [*self.github.ledger.effects, *self.jira.ledger.effects]
        return [(one.action, one.entity) for one in rows if one.action.endswith("_webhook")]


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    with Served() as served:
        yield Town(Terminal(tmp_path, monkeypatch), served)


@pytest.fixture
def stored(town: Town, valkey_url: str) -> Town:
    """The same with a store that remembers."""
    town.run.set(STORE_URL=valkey_url, BROKER_URL="redis://127.0.0.1:1/1")
    return town


# --- install ---------------------------------------------------------------------------------------------------
def test_each_repository_gets_one_and_a_second_run_changes_nothing(town: Town) -> None:
    told = town.run("webhook", "install", "--public-url", PUBLIC, "--yes").stdout
    assert "create the webhook of acme/web: there is none" in told
    assert town.urls() == town.urls("acme/api") == [f"{PUBLIC}/hooks/github"]
    assert SECRET not in told
    again = town.run("webhook", "install", "--public-url", PUBLIC + "/").stdout
    assert "keep the webhook" in again
    assert town.effects() == [("create_webhook", "acme/api"), ("create_webhook", "acme/web")]


def test_the_plan_comes_first_and_nothing_happens_before_a_yes(town: Town) -> None:
    refused = town.run("webhook", "install", "--public-url", PUBLIC, code=1)
    assert "create the webhook of acme/web" in refused.stdout
    assert "Take 2 step(s)?" in refused.stdout
    assert town.effects() == []


def test_scripts_get_json_and_are_asked_nothing(town: Town) -> None:
    assert "add --yes" in town.run("webhook", "install", "--public-url", PUBLIC, "--json", code=2).stderr
    (row,) = town.run.json("webhook", "install", "--public-url", PUBLIC, "--yes")
    assert (row["connection"], row["problem"], row["lacks"]) == ("github", "", "")
    steps = [(one["do"], one["place"], one["done"], one["error"]) for one in row["steps"]]
    assert steps == [("create", "acme/api", True, ""), ("create", "acme/web", True, "")]


def test_who_may_not_is_told_what_to_do_by_hand(town: Town) -> None:
    town.github.let_administer("acme/web", ["alice"])
    told = town.run("webhook", "install", "--public-url", PUBLIC, "--yes", code=1).stdout
    assert "may not manage the webhooks of acme/web" in told
    assert "github" in told
    assert "/acme/web/settings/hooks" in told
    assert "/acme/api/settings/hooks" not in told, "there it could"
    assert "env:GITHUB_SECRET" in told
    assert SECRET not in told
    assert town.effects() == [("create_webhook", "acme/api")]


def test_a_jira_account_that_is_no_administrator_is_told_the_page(town: Town) -> None:
    town.run.write("connectors/back.yaml", BACK)
    town.jira.site.administrators.clear()
    told = town.run("webhook", "install", "jira", "--public-url", PUBLIC, "--yes", code=1).stdout
    assert "global permission Administer Jira" in told
    assert f"{town.served.url('jira')}/plugins/servlet/webhooks" in told
    assert f"URL           {PUBLIC}/hooks/jira" in told
    assert "the value of env:JIRA_SECRET" in told


def test_what_may_not_be_removed_is_a_failure(town: Town) -> None:
    town.github.let_administer("acme/web", ["alice"])
    told = town.run("webhook", "remove", "--public-url", PUBLIC, "--yes", code=1).stdout
    assert "may not manage the webhooks of acme/web" in told


def test_without_any_connector_there_is_nothing_to_tell(town: Town) -> None:
    (town.run.home / "connectors/bugs.yaml").unlink()
    assert "no connector reads" in town.run("webhook", "install", "--public-url", PUBLIC, code=2).stderr


def test_jira_gets_one_for_the_site_with_the_projects_that_are_read(town: Town) -> None:
    town.run.write("connectors/back.yaml", BACK)
    town.run("webhook", "install", "jira", "--public-url", PUBLIC, "--yes")
    (hook,) = town.jira.webhooks.hooks.values()
    assert (hook.url, hook.filter, hook.name) == (
        f"{PUBLIC}/hooks/jira",
        'project in ("OPS")',
        "Jira Connector test, jira",
    )
    assert town.effects() == [("create_webhook", "")]


def test_slack_is_told_of_and_is_no_failure(town: Town) -> None:
    town.run.write("connectors/talk.yaml", TALK)
    told = town.run("webhook", "install", "slack", "--public-url", PUBLIC).stdout
    assert f"request_url: {PUBLIC}/hooks/slack" in told
    assert "https://api.slack.com/apps" in told
    assert "signing-4711" not in told


def test_a_connection_that_takes_none_gets_a_line_and_a_secret_and_nothing_is_written_unasked(town: Town) -> None:
    text = (town.run.home / "connections/all.yaml").read_text()
    town.run.write("connections/all.yaml", text.replace("    webhook: {secret: env:GITHUB_SECRET}\n", ""))
    told = town.run("webhook", "install", "--public-url", PUBLIC, "--yes").stdout
    town.run("webhook", "install", "github", "--public-url", PUBLIC, "--yes", code=1)
    assert "add to connections.github: webhook: {secret: env:GITHUB_WEBHOOK_SECRET}" in told
    assert re.search(r"GITHUB_WEBHOOK_SECRET=[A-Za-z0-9_-]{43}\n", told)
    assert not (town.run.home / ".env").exists()
    assert town.effects() == []


def test_a_secret_that_is_named_and_not_set_is_offered_under_its_name(town: Town) -> None:
    town.run.set(GITHUB_SECRET="")
    told = town.run("webhook", "install", "--public-url", PUBLIC, "--yes", code=1).stdout
    assert "GITHUB_SECRET is not set" in told
    assert re.search(r"GITHUB_SECRET=[A-Za-z0-9_-]{43}\n", told)


def test_a_secret_is_written_when_a_person_agrees(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.run.set(GITHUB_SECRET="")
    file = town.run.write(".env", "OTHER=1")
    file.chmod(0o600)
    monkeypatch.setattr("workers.cli.webhook._is_asked", lambda: True)
    monkeypatch.setattr("click.confirm", lambda *_args, **_more: True)
    town.run("webhook", "install", "--public-url", PUBLIC, code=1)
    assert re.fullmatch(r"OTHER=1\nGITHUB_SECRET=[A-Za-z0-9_-]{43}\n", file.read_text())
    assert file.stat().st_mode & 0o777 == 0o600
    town.run("webhook", "install", "--public-url", PUBLIC)
    assert town.urls() == [f"{PUBLIC}/hooks/github"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("install",), "give --public-url URL, or set PUBLIC_URL"),
        (("install", "--public-url", "jc.example"), "must be an http(s) address"),
        (("install", "--public-url", "https://jc.example/hooks/github"), "before /hooks/"),
        (("install", "nobody", "--public-url", PUBLIC), "there is no connection 'nobody'"),
        (("remove",), "give --public-url"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(town: Town, arguments: tuple[str, ...], word: str) -> None:
    assert word in town.run("webhook", *arguments, code=2).stderr


def test_a_connection_that_nobody_reads_from_needs_none(town: Town) -> None:
    assert "no connector reads from it" in town.run("webhook", "install", "jira", "--public-url", PUBLIC).stdout


def test_one_of_another_installation_is_told_of_and_taken_only_on_request(town: Town) -> None:
    town.run("webhook", "install", "--public-url", "https://old.example", "--yes")
    told = town.run("webhook", "install", "--public-url", PUBLIC, "--yes").stdout
    assert "https://old.example/hooks/github, which is not known to have been ours" in told
    assert sorted(town.urls()) == [f"{PUBLIC}/hooks/github", "https://old.example/hooks/github"]
    town.run("webhook", "install", "--public-url", PUBLIC, "--former-url", "https://old.example", "--yes")
    assert town.urls() == [f"{PUBLIC}/hooks/github"]


def test_a_step_that_fails_ends_its_place_and_the_others_go_on(town: Town) -> None:
    town.github.faults.on.append(Fault("status", path="/repos/acme/api/hooks", method="POST", status=500))
    told = town.run("webhook", "install", "--public-url", PUBLIC, "--yes", code=1).stdout
    assert "github: create acme/api: Retryable" in told
    assert town.urls() == [f"{PUBLIC}/hooks/github"]
    assert town.urls("acme/api") == []


def test_a_new_secret_gets_there_while_the_old_one_is_still_taken(town: Town) -> None:
    town.run("webhook", "install", "--public-url", PUBLIC, "--yes")
    text = (town.run.home / "connections/all.yaml").read_text()
    town.run.write("connections/all.yaml", text.replace("env:GITHUB_SECRET}", "[env:GITHUB_NEW, env:GITHUB_SECRET]}"))
    town.run.set(GITHUB_NEW="a newer one")
    assert "keep" in town.run("webhook", "install", "--public-url", PUBLIC).stdout
    town.run("webhook", "install", "--public-url", PUBLIC, "--renew", "--yes")
    (hook,) = town.github.world.repository("acme/web").webhooks.values()
    assert hook.config["secret"] == "a newer one"


# --- with a memory ----------------------------------------------------------------------------------------------
def test_a_new_tunnel_moves_what_we_installed_and_a_repository_that_is_left_loses_its_own(stored: Town) -> None:
    stored.run("webhook", "install", "--public-url", "https://one.example", "--yes")
    stored.run("webhook", "install", "--public-url", "https://two.example", "--yes")
    assert stored.urls() == ["https://two.example/hooks/github"]
    stored.run.write("connectors/bugs.yaml", BUGS.replace("[acme/web, acme/api]", "[acme/web]"))
    told = stored.run("webhook", "install", "--yes").stdout
    assert "nobody follows it any more" in told
    assert stored.urls("acme/api") == []
    actions = [action for action, _ in stored.effects()]
    assert actions == ["create_webhook"] * 2 + ["edit_webhook"] * 2 + ["delete_webhook"]


def test_all_of_ours_are_removed_and_nobody_elses(stored: Town) -> None:
    stored.run("webhook", "install", "--public-url", PUBLIC, "--yes")
    theirs = {"url": "https://ci.example/hook", "content_type": "json", "insecure_ssl": "0"}
    web = stored.github.world.repository("acme/web")
    (ours,) = web.webhooks.values()
    web.webhooks[1] = replace(ours, id=1, config=theirs, events=["push"])
    (row,) = stored.run.json("webhook", "remove", "--yes")
    assert [(one["do"], one["done"]) for one in row["steps"]] == [("remove", True), ("remove", True)]
    assert stored.urls() == ["https://ci.example/hook"]
    stored.run.set(PUBLIC_URL=PUBLIC)
    again = stored.run("webhook", "remove").stdout
    assert "no webhook there is known to be ours" in again
    assert "installs them again" in again


def test_the_clock_repairs_once_a_day_and_at_once_when_something_else_is_wanted(stored: Town, valkey_url: str) -> None:
    process, desk = offices(stored)
    assert webhooks.look_after(desk, process.reveal, PUBLIC) == 2
    web = stored.github.world.repository("acme/web")
    next(iter(web.webhooks.values())).active = False
    assert webhooks.look_after(desk, process.reveal, PUBLIC) == 0, "it was looked after"
    with Redis.from_url(valkey_url) as client:
        client.delete("jc:{@github}:hooked")  # a day later
    assert webhooks.look_after(desk, process.reveal, PUBLIC) == 1
    assert next(iter(web.webhooks.values())).active
    assert webhooks.look_after(desk, process.reveal, "https://new.example") == 2
    assert stored.urls() == ["https://new.example/hooks/github"]


def test_what_the_clock_cannot_repair_is_said_and_tried_again_in_an_hour(
    stored: Town, valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    stored.github.let_administer("acme/web", ["alice"])
    process, desk = offices(stored)
    assert webhooks.look_after(desk, process.reveal, PUBLIC) == 1
    assert "may not manage the webhooks of acme/web" in caplog.text
    with Redis.from_url(valkey_url) as client:
        assert 0 < client.pttl("jc:{@github}:hooked") <= 3_600_000
        with Webhooks(client).alone("github"):
            assert webhooks.look_after(desk, process.reveal, "https://other.example") == 0
    assert "just now" in caplog.text


def test_two_who_planned_at_once_make_one_only(stored: Town) -> None:
    process, desk = offices(stored)
    plans = [webhooks.plan(desk, process.reveal, "github", PUBLIC) for _each in range(2)]
    first, second = [webhooks.carry_out(desk, one, PUBLIC) for one in plans]
    assert (first.taken, second.taken) == (2, 0)
    assert all("somebody was faster" in why for why in second.failed.values())
    assert stored.urls() == [f"{PUBLIC}/hooks/github"]


def offices(town: Town) -> tuple[Any, Any]:
    """Return the process and desk that a command of this terminal would have."""
    from workers.cli.parts import parts, wired
    from workers.process import this_process

    this_process.cache_clear()
    process, _ = parts(need_servers=True)
    return process, wired(process, offline=True).desk()


# --- status -----------------------------------------------------------------------------------------------------
def test_status_tells_what_differs_and_what_arrived(stored: Town) -> None:
    assert "acme/web: not installed" in stored.run("webhook", "status", "--public-url", PUBLIC, code=1).stdout
    stored.run("webhook", "install", "--public-url", PUBLIC, "--yes")
    hook = next(iter(stored.github.world.repository("acme/web").webhooks.values()))
    hook.events.remove("issues")
    found = stored.run.json("webhook", "status", code=1)[0]
    assert (found["state"], found["received"]) == ("differs", None)
    web = next(one for one in found["webhooks"] if one["place"] == "acme/web")
    assert web["missing"] == ["issues"]
    assert web["signed"] is True
    until = time.monotonic() + 10
    while not hook.deliveries and time.monotonic() < until:
        time.sleep(0.05)  # the greeting, to an address that is not there
    told = stored.run("webhook", "status", code=1).stdout
    assert "lacks the events issues" in told
    assert "failed to connect" in told
    assert "none was ever received" in told


def test_status_without_a_public_url_says_so(town: Town) -> None:
    told = town.run("webhook", "status", code=1).stdout
    assert "give --public-url, or set PUBLIC_URL" in told


# --- a real round trip ---------------------------------------------------------------------------------------------
@contextmanager
def receiver(town: Town, port: int, **more: str) -> Iterator[None]:
    environment = {**os.environ, "RECEIVER_PORT": str(port), "LOG_FORMAT": "text", **more}
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.cli", "receive"],
        cwd=town.run.home,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_a_round_trip_is_seen_and_each_way_to_fail_has_its_reason(stored: Town) -> None:
    stored.run.write("connectors/bugs.yaml", BUGS.replace("[acme/web, acme/api]", "[acme/web]"))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    down = stored.run("webhook", "test", "--public-url", url, code=1).stdout
    assert "cannot be reached from here" in down
    with receiver(stored, port):
        stored.run("webhook", "install", "--public-url", url, "--yes")
        good = stored.run("webhook", "test").stdout
        assert "leads to our receiver, which knows the secret" in good
        assert "the ping of acme/web arrived (ignored: ping)" in good
        assert "last received" in stored.run("webhook", "status").stdout
        for hook in stored.github.world.repository("acme/web").webhooks.values():
            hook.config["secret"] = "another"
        rows = stored.run.json("webhook", "test", "--timeout", "10", code=1)
        assert [one["level"] for one in rows] == ["ok", "problem"]
        assert "webhook install --renew" in rows[1]["text"]
        stored.run("webhook", "install", "--renew", "--yes")
        assert all(one["level"] == "ok" for one in stored.run.json("webhook", "test"))
        stored.run.set(GITHUB_SECRET="not the receiver's")
        wrong = stored.run("webhook", "test", "--timeout", "0", code=1).stdout
        assert "which refused the request: untrusted: X-Hub-Signature-256 does not fit" in wrong
    other = stored.run("webhook", "test", "--public-url", stored.served.url(), code=1).stdout
    assert "answered 404: it leads to something that is not our receiver" in other


# --- with everything else -------------------------------------------------------------------------------------------
def test_up_installs_webhooks_only_with_a_public_url_and_once() -> None:
    without = run._children(Settings.from_environment({}), 1, flower=False)
    assert [one.name for one in without] == ["receive", "schedule", "work-1"]
    *rest, last = run._children(Settings.from_environment({"PUBLIC_URL": PUBLIC}), 1, flower=False)
    assert [one.name for one in rest] == ["receive", "schedule", "work-1"]
    assert (last.command[:3], last.once) == (("webhook", "install", "--yes"), True)


def test_up_refuses_a_public_url_that_cannot_be_one(town: Town) -> None:
    assert "must be an http(s) address" in town.run("up", "--public-url", "jc.example", code=2).stderr


def test_what_up_installs_waits_for_the_receiver_and_shows_no_secret(town: Town) -> None:
    town.run.set(GITHUB_SECRET="", RECEIVER_PORT=str(free_port()))
    told = town.run("webhook", "install", "--yes", "--wait", "1", "--public-url", PUBLIC, code=1).stdout
    assert "nothing listens on 127.0.0.1" in told
    assert "GITHUB_SECRET is not set" in told
    assert "GITHUB_SECRET=" not in told
