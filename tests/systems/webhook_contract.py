"""Prove for any system that its webhooks are installed, repaired and removed as `connector.webhooks` promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from connector.errors import Forbidden
from connector.ports import Secret
from connector.system import Inbound, System, Trust
from connector.webhooks import Do, Step, Wanted, WebhookApi, Webhooks, converge, hook_path, take, withdraw
from tests.systems.direct import Bench, reveals

PUBLIC = "https://jc.example"
OLD = "https://old.example"


class KnockContract:
    """The laws of every system that sends webhooks, whoever installs them."""

    system: ClassVar[System]
    secrets: ClassVar[Mapping[str, str]]

    def here(self) -> Bench:
        """Return a bench whose account may do everything."""
        raise AssertionError("a contract class gives here()")

    def hooks(self) -> Webhooks:
        assert self.system.webhooks is not None
        return self.system.webhooks

    def test_a_knock_is_taken_for_one_of_the_systems_own_and_holds_no_event(self) -> None:
        here, reveal = self.here(), reveals(self.secrets)
        headers, body = self.hooks().knock(here.site.settings, reveal, here.clock())
        inbound = Inbound({name.lower(): value for name, value in headers.items()}, body)
        assert self.system.verify(here.site.settings, inbound, reveal, here.clock()) is Trust.SIGNED
        received = self.system.receive("here", here.site.settings, inbound, Trust.SIGNED)
        assert not received.events
        assert received.ignored or received.reply

    def test_what_a_person_does_is_told_without_any_secret(self) -> None:
        here = self.here()
        text = self.hooks().manual(here.site.settings, PUBLIC + hook_path("here"), ("acme/web",))
        assert PUBLIC + hook_path("here") in text
        assert "https://" in text.replace(PUBLIC, "") or "http://" in text.replace(PUBLIC, ""), "the page to open"
        assert not [value for value in self.secrets.values() if value in text]


class WebhookContract(KnockContract):
    """The laws of a system whose API installs webhooks."""

    sources: ClassVar[tuple[Mapping[str, Any], ...]]

    def nobody(self) -> Bench:
        """Return a bench whose account may not manage webhooks."""
        raise AssertionError("a contract class gives nobody()")

    def happens(self, here: Bench) -> None:
        """Let a person change something that the sources cover."""
        raise AssertionError("a contract class gives happens()")

    def elsewhere(self, here: Bench, url: str) -> None:
        """Install a webhook of somebody else's, behind our back."""
        raise AssertionError("a contract class gives elsewhere()")

    # --- shorthand
    def api(self) -> WebhookApi:
        api = self.hooks().api
        assert api is not None
        return api

    def wanted(self, here: Bench, base: str = PUBLIC) -> Wanted:
        assert self.system.source is not None
        sources = [self.system.source().load(dict(one)) for one in self.sources]
        (place,) = self.api().places(sources)
        signing = self.hooks().signing(here.site.settings)
        secret = Secret(self.secrets[signing.name]) if signing is not None else None
        url = self.hooks().address(here.site.settings, base + hook_path("here"), reveals(self.secrets))
        return Wanted(
            place, url, self.hooks().events, secret, self.api().narrowed(sources), "Jira Connector test, here"
        )

    def steps(self, here: Bench, *, renew: bool = False) -> tuple[Step, ...]:
        wanted = self.wanted(here)
        found = self.api().listed(here.site, wanted.place)
        return converge(wanted, found, connection="here", former=(OLD,), now=here.clock(), renew=renew)

    def install(self, here: Bench) -> list[Do]:
        steps = self.steps(here)
        for step in steps:
            take(here.site, self.api(), step)
        return [step.do for step in steps]

    def effects(self, here: Bench) -> list[str]:
        return [one.action for one in here.sandbox.ledger.effects if one.action.endswith("_webhook")]

    def sent(self, here: Bench) -> Inbound:
        """Let something happen; returns what is sent to our address for it, verified."""
        here.sandbox.hooks(here.clock())
        self.happens(here)
        hook = next(one for one in here.sandbox.hooks(here.clock()) if one.url == self.wanted(here).url)
        inbound = Inbound({name.lower(): value for name, value in hook.headers.items()}, hook.body)
        if self.hooks().signing(here.site.settings) is not None:
            reveal = reveals(self.secrets)
            assert self.system.verify(here.site.settings, inbound, reveal, here.clock()) is Trust.SIGNED
        return inbound

    # --- laws
    def test_it_is_made_and_then_kept(self) -> None:
        here = self.here()
        assert self.install(here) == [Do.CREATE]
        assert self.install(here) == [Do.KEEP]
        assert self.effects(here) == ["create_webhook"]

    def test_what_it_sends_comes_signed_to_our_address_and_is_read(self) -> None:
        here = self.here()
        self.install(here)
        inbound = self.sent(here)
        assert self.system.receive("here", here.site.settings, inbound, Trust.SIGNED).events

    def test_drift_is_repaired_in_place_and_what_is_repaired_signs_still(self) -> None:
        here = self.here()
        wanted = self.wanted(here)
        self.api().create(here.site, replace(wanted, events=frozenset(sorted(wanted.events)[:1])))
        assert self.install(here) == [Do.UPDATE]
        assert self.install(here) == [Do.KEEP]
        assert self.effects(here) == ["create_webhook", "edit_webhook"]
        self.sent(here)

    def test_writing_it_anew_brings_our_secret(self) -> None:
        here = self.here()
        wanted = self.wanted(here)
        secret = Secret("a former one") if wanted.secret is not None else None
        self.api().create(here.site, replace(wanted, secret=secret))
        for step in self.steps(here, renew=True):
            take(here.site, self.api(), step)
        self.sent(here)

    def test_one_of_an_earlier_address_is_moved(self) -> None:
        here = self.here()
        self.api().create(here.site, self.wanted(here, OLD))
        assert self.install(here) == [Do.UPDATE]
        (only,) = self.api().listed(here.site, self.wanted(here).place)
        assert only.url == self.wanted(here).url

    def test_a_stray_is_removed_only_after_the_other_one_stands(self) -> None:
        here = self.here()
        old = self.api().create(here.site, self.wanted(here, OLD))
        wanted = replace(self.wanted(here), events=frozenset(sorted(self.wanted(here).events)[1:]))
        self.api().create(here.site, wanted)
        assert self.install(here) == [Do.UPDATE, Do.REMOVE]
        assert self.effects(here)[2:] == ["edit_webhook", "delete_webhook"]
        left = self.api().listed(here.site, wanted.place)
        assert [one.url for one in left] == [wanted.url]
        assert old.id not in {one.id for one in left}

    def test_nobody_elses_is_touched(self) -> None:
        here = self.here()
        self.elsewhere(here, "https://ci.example/hook")
        self.elsewhere(here, "https://staging.example/hooks/here")
        before = {one.url: one for one in self.api().listed(here.site, self.wanted(here).place)}
        assert self.install(here) == [Do.CREATE, Do.LEAVE]
        place = self.wanted(here).place
        for step in withdraw(place, self.api().listed(here.site, place), connection="here", bases=[PUBLIC], why=""):
            take(here.site, self.api(), step)
        assert {one.url: one for one in self.api().listed(here.site, place)} == before

    def test_one_that_somebody_removed_meanwhile_is_no_error(self) -> None:
        here = self.here()
        hook = self.api().create(here.site, self.wanted(here))
        self.api().delete(here.site, hook)
        self.api().delete(here.site, hook)
        assert not self.api().listed(here.site, hook.place)

    def test_who_may_not_is_told_what_it_takes(self) -> None:
        here = self.nobody()
        for ask in (
            lambda: self.api().listed(here.site, self.wanted(here).place),
            lambda: self.api().create(here.site, self.wanted(here)),
        ):
            with pytest.raises(Forbidden, match="may not manage") as refused:
                ask()
            assert refused.value.cause == "webhooks"
        assert not self.effects(here)
