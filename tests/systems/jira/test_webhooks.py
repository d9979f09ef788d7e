"""Webhooks of a Jira site: the contract on Cloud, old and new Data Center, and what a key in the address does."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from connector.errors import Rejected
from connector.sandbox import Call
from connector.systems.jira import SYSTEM
from connector.webhooks import Do, hook_path
from tests.systems.direct import Bench, reveals
from tests.systems.jira.places import SECRETS, Someone, place
from tests.systems.webhook_contract import PUBLIC, WebhookContract

OLD_PATH = "/rest/webhooks/1.0/webhook"
NEW_PATH = "/rest/jira-webhook/1.0/webhooks"


class TestCloud(WebhookContract):
    system = SYSTEM
    secrets: ClassVar[Mapping[str, str]] = SECRETS
    sources = ({"project": "WEB"}, {"projects": ["WEB"]})
    flavour = "cloud"
    path = OLD_PATH

    def here(self) -> Bench:
        here = self.nobody()
        here.sandbox.appoint("bot")
        return here

    def nobody(self) -> Bench:
        return place(self.flavour)

    def happens(self, here: Bench) -> None:
        Someone(here).creates()

    def elsewhere(self, here: Bench, url: str) -> None:
        here.sandbox.appoint("ada")
        headers = {**Someone(here).headers}
        if self.flavour != "cloud":
            pair = base64.b64encode(b"ada:jira-ada-token").decode()
            headers["authorization"] = f"Basic {pair}"
        body = json.dumps({"name": "theirs", "url": url, "events": ["sprint_started"]}).encode()
        call = Call("POST", here.sandbox.context + self.path, {}, headers, body)
        assert here.sandbox(call, here.clock()).status == 201

    def rows(self, here: Bench) -> list[Any]:
        return list(here.sandbox.webhooks.hooks.values())

    def test_only_the_projects_that_are_followed_are_told_of(self) -> None:
        here = self.here()
        self.install(here)
        assert self.rows(here)[0].filter == 'project in ("WEB")'
        Someone(here).creates(project="OPS")
        assert not [one for one in here.sandbox.hooks(here.clock()) if one.url]
        Someone(here).creates(project="WEB")
        assert [one for one in here.sandbox.hooks(here.clock()) if one.url]

    def test_its_name_tells_an_administrator_whose_it_is(self) -> None:
        here = self.here()
        self.install(here)
        assert self.rows(here)[0].name == "Jira Connector test, here"


class TestDataCenter(TestCloud):
    flavour = "data-center"
    path = NEW_PATH

    def test_one_that_is_switched_off_is_switched_on(self) -> None:
        here = self.here()
        self.install(here)
        self.rows(here)[0].enabled = False
        assert self.install(here) == [Do.UPDATE]
        assert self.rows(here)[0].enabled


class TestOldDataCenter(TestCloud):
    """Up to 9 there is no documented way to a secret: a key in the address, and hints."""

    flavour = "data-center"
    secrets: ClassVar[Mapping[str, str]] = {**SECRETS, "KEY": "a key/with=signs&more"}

    def nobody(self) -> Bench:
        here = place("data-center", {"webhook": {"path_key": "env:KEY"}}, release=(9, 12, 4))
        here.transport.reveal = reveals(self.secrets)
        return here

    def test_a_knock_is_taken_for_one_of_the_systems_own_and_holds_no_event(self) -> None:
        here = self.here()
        headers, body = self.hooks().knock(here.site.settings, reveals(self.secrets), here.clock())
        assert "x-hub-signature" not in headers
        assert b"connector_test" in body

    def test_the_key_is_in_the_address_and_another_one_is_drift(self) -> None:
        here = self.here()
        self.install(here)
        assert self.rows(here)[0].url == f"{PUBLIC}{hook_path('here')}?key=a%20key%2Fwith%3Dsigns%26more"
        self.rows(here)[0].url = f"{PUBLIC}{hook_path('here')}?key=former"
        (step,) = self.steps(here)
        assert step.do is Do.UPDATE
        assert "former" not in str(step.why)

    def test_a_secret_that_cannot_be_set_is_refused_in_words(self) -> None:
        here = place("data-center", release=(9, 12, 4))
        here.sandbox.appoint("bot")
        with pytest.raises(Rejected, match=r"Jira 9\.12\.4 .* path_key") as refused:
            self.api().create(here.site, self.wanted(here))
        assert refused.value.cause == "no_secrets"
        assert not self.effects(here)


@pytest.mark.parametrize(
    ("release", "there", "not_there"), [((9, 12), OLD_PATH, NEW_PATH), ((10, 3), NEW_PATH, OLD_PATH)]
)
def test_the_sandbox_answers_only_at_the_path_of_its_version(
    release: tuple[int, ...], there: str, not_there: str
) -> None:
    here = place("data-center", release=release)
    here.sandbox.appoint("ada")
    pair = base64.b64encode(b"ada:jira-ada-token").decode()

    def status(path: str, authorization: str) -> int:
        call = Call("GET", "/jira" + path, {}, {"authorization": authorization})
        return int(here.sandbox(call, here.clock()).status)

    assert status(there, f"Basic {pair}") == 200
    assert status(not_there, f"Basic {pair}") == 404
    assert status(there, "Bearer jira-grace-token") == 403
    assert status(there, "Bearer nobody") == 401
