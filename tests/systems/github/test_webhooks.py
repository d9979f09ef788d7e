"""Webhooks of repositories: the contract, GitHub's own shapes, pings and last deliveries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector.errors import Forbidden
from connector.systems.github import SYSTEM
from connector.webhooks import Do
from tests.systems.direct import Bench
from tests.systems.github.scene import SECRETS, act, ask, scene
from tests.systems.github.test_sandbox import Recorder
from tests.systems.openapi import Spec
from tests.systems.webhook_contract import WebhookContract


class TestGitHubWebhooks(WebhookContract):
    system = SYSTEM
    secrets = SECRETS
    sources = ({"repositories": ["acme/web"]}, {"repository": "Acme/Web"})

    def here(self) -> Bench:
        return scene()

    def nobody(self) -> Bench:
        here = scene()
        here.sandbox.let_administer("acme/web", ["alice"])
        return here

    def happens(self, here: Bench) -> None:
        act(here, "POST", "/repos/acme/web/issues", {"title": "A bug"})

    def elsewhere(self, here: Bench, url: str) -> None:
        body = {"config": {"url": url, "content_type": "json", "secret": "theirs"}, "events": ["push"]}
        act(here, "POST", "/repos/acme/web/hooks", body)

    # --- GitHub's own
    def test_one_that_sends_forms_unchecked_is_repaired(self) -> None:
        here = self.here()
        config = {"url": "https://jc.example/hooks/here", "content_type": "form", "insecure_ssl": "1"}
        act(here, "POST", "/repos/acme/web/hooks", {"config": config, "events": ["*"], "active": False})
        (step,) = self.steps(here)
        assert step.do is Do.UPDATE
        told = "; ".join(step.why)
        assert all(word in told for word in ("forms", "certificate", "switched off", "no secret", "the events *"))
        self.install(here)
        (shown,) = act(here, "GET", "/repos/acme/web/hooks")
        assert shown["config"] == {
            "url": "https://jc.example/hooks/here",
            "content_type": "json",
            "insecure_ssl": "0",
            "secret": "********",
        }
        assert shown["active"]

    def test_a_ping_and_what_became_of_it(self) -> None:
        here = self.here()
        self.install(here)
        api = self.api()
        assert api.ping is not None
        assert api.last is not None
        (hook,) = api.listed(here.site, "acme/web")
        here.sandbox.hooks(here.clock())
        assert api.last(here.site, hook) is None
        api.ping(here.site, hook)
        (ping,) = here.sandbox.hooks(here.clock())
        assert (ping.name, ping.url) == ("ping", hook.url)
        assert ping.told is not None
        ping.told(here.clock(), 401)
        last = api.last(here.site, hook)
        assert last is not None
        assert (last.at, last.status) == (here.clock(), 401)
        assert "401" in last.text

    def test_a_hidden_repository_and_single_sign_on_say_different_things(self) -> None:
        here = self.here()
        here.sandbox.hide("acme/web", "acme-bot")
        with pytest.raises(Forbidden, match="Webhooks: read and write"):
            self.api().listed(here.site, "acme/web")

    def test_what_a_person_opens_is_on_the_right_host(self) -> None:
        settings = SYSTEM.connection().load({"auth": {"token": "env:T"}, "url": "https://git.acme.example/api/v3"})
        assert SYSTEM.webhooks is not None
        text = SYSTEM.webhooks.manual(settings, "https://jc.example/hooks/x", ("acme/web",))
        assert "https://git.acme.example/acme/web/settings/hooks" in text


def test_what_we_ask_and_what_the_sandbox_answers_fits_the_official_document(reference_data: Path) -> None:
    spec = Spec.load(reference_data / "openapi" / "github-rest-subset" / "api.github.com.subset.json")
    contract, here = TestGitHubWebhooks(), scene()
    recorder = Recorder(here.sandbox)
    here.sandbox = here.transport.sandbox = recorder
    contract.install(here)
    api = contract.api()
    (hook,) = api.listed(here.site, "acme/web")
    assert api.ping is not None
    assert api.last is not None
    api.ping(here.site, hook)
    for ping in here.sandbox.hooks(here.clock()):
        if ping.told is not None:
            ping.told(here.clock(), 200)
    api.last(here.site, hook)
    api.update(here.site, hook, contract.wanted(here))
    ask(here, "GET", f"/repos/acme/web/hooks/{hook.id}")
    api.delete(here.site, hook)
    problems = []
    for call, answer in recorder.seen:
        query = {key: values[0] for key, values in call.query.items()}
        problems += spec.check_request(call.method, call.path, query, json.loads(call.body) if call.body else None)
        shown = json.loads(answer.body) if answer.body else None
        problems += spec.check_answer(call.method, call.path, answer.status, shown)
    assert problems == []
    assert {call.method for call, _ in recorder.seen} == {"GET", "POST", "PATCH", "DELETE"}


def test_the_sandbox_refuses_doubles_and_addresses_as_github_does() -> None:
    here = scene()
    body: dict[str, Any] = {"config": {"url": "https://jc.example/hooks/here"}, "events": ["issues"]}
    assert ask(here, "POST", "/repos/acme/web/hooks", body).status == 201
    assert b"already exists" in ask(here, "POST", "/repos/acme/web/hooks", body).body
    assert ask(here, "POST", "/repos/acme/web/hooks", {"config": {"url": "ftp://x"}, "events": []}).status == 422
    assert ask(here, "POST", "/repos/acme/web/hooks", {"events": ["issues"]}).status == 422
