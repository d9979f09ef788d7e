"""What the page about webhooks quotes is what the product says."""

from __future__ import annotations

import re

import pytest

from connector.systems.jira.settings import ConnectionSchema
from tests.docs.test_docs import ROOT
from workers.settings import Settings

PAGE = (ROOT / "docs" / "webhooks.md").read_text()
SOURCES = ("operating/trial.py", "addresses.py", "wire.py")


@pytest.mark.parametrize("said", re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE))))
def test_every_sentence_in_the_table_of_failures_is_said(said: str) -> None:
    text = "".join((ROOT / "workers" / one).read_text() for one in SOURCES)
    assert said in text


def test_the_port_is_the_receivers() -> None:
    ports = set(re.findall(r"(?:localhost:|http |funnel |port )(\d{4})", PAGE))
    assert ports == {str(Settings.from_environment({}).receiver_port)}


def test_what_an_old_data_center_uses_instead_of_a_secret_can_be_declared() -> None:
    webhook = {"path_key": "env:KEY", "from": "10.20.0.0/16"}
    auth = {"token": "env:TOKEN"}
    made = ConnectionSchema().load(
        {"url": "https://jira.acme.example", "flavour": "data-center", "auth": auth, "webhook": webhook}
    )
    assert made.webhook.path_key.name == "KEY"
