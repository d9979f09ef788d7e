"""Events of Slack are switched on by hand: the handshake that we try ourselves, and what to paste."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import yaml

from connector.systems.slack import SYSTEM
from tests.systems.direct import Bench
from tests.systems.slack.scene import SECRETS, scene
from tests.systems.webhook_contract import KnockContract


class TestSlackWebhooks(KnockContract):
    system = SYSTEM
    secrets: ClassVar[Mapping[str, str]] = {**SECRETS, "SIGNING": "a canary 4711"}

    def here(self) -> Bench:
        return scene()

    def test_the_snippet_is_a_part_of_a_manifest(self) -> None:
        text = self.hooks().manual(self.here().site.settings, "https://jc.example/hooks/slack", ())
        snippet = "\n".join(line for line in text.splitlines() if line.startswith("  "))
        found = yaml.safe_load(snippet)["settings"]["event_subscriptions"]
        assert found == {
            "request_url": "https://jc.example/hooks/slack",
            "bot_events": ["message.channels", "message.groups"],
        }

    def test_there_is_nothing_to_install_by_api_and_no_secret_to_choose(self) -> None:
        assert self.hooks().api is None
        assert not self.hooks().chosen
