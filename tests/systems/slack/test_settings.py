"""Settings say what is wrong before anything runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from marshmallow import Schema, ValidationError

from connector.systems.slack import SYSTEM
from connector.systems.slack.settings import OnAmbiguous


def schema(which: type[Schema] | None) -> Schema:
    assert which is not None
    return which()


def test_a_connection_has_sensible_defaults() -> None:
    got = SYSTEM.connection().load({"auth": {"token": "env:T"}})
    assert SYSTEM.base_url(got) == "https://slack.com/api"
    assert got.on_ambiguous is OnAmbiguous.ASK
    assert got.webhook is None


def test_a_source_may_be_one_channel_or_many() -> None:
    one = schema(SYSTEM.source).load({"channels": "C012AB3CD"})
    many = schema(SYSTEM.source).load({"channels": ["C012AB3CD", "G0A"], "threads": "7d", "bots": True})
    assert (one.channels, one.bots, one.threads) == (("C012AB3CD",), False, timedelta(hours=24))
    assert (many.channels, many.bots, many.threads) == (("C012AB3CD", "G0A"), True, timedelta(days=7))


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"channels": []},
        {"channels": "#general"},
        {"channels": ["general"]},
        {"channels": "C1A\n"},
        {"channels": "C0A", "threads": "1m"},
        {"channels": "C0A", "bots": "yes"},
    ],
)
def test_a_wrong_source_is_refused(source: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        schema(SYSTEM.source).load(source)


@pytest.mark.parametrize("channel", ["C012AB3CD", "#alerts", "#équipe-web", "D0A"])
def test_a_target_is_an_id_or_a_name(channel: str) -> None:
    assert schema(SYSTEM.target_schema).load({"channel": channel}).channel == channel


@pytest.mark.parametrize("channel", ["alerts", "#", "# a", "#a#b", "<!channel>", "C0A/x", 5, None])
def test_a_wrong_channel_is_refused(channel: Any) -> None:
    with pytest.raises(ValidationError):
        schema(SYSTEM.target_schema).load({"channel": channel})


@pytest.mark.parametrize(
    "more",
    [
        {"url": "slack.com"},
        {"url": "https://user@slack.com"},
        {"limits": {"messages_per_second": 0}},
        {"on_ambiguous": "retry"},
        {"webhook": {}},
        {"webhook": {"secret": ["env:A", "env:B", "env:C"]}},
    ],
)
def test_a_wrong_connection_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SYSTEM.connection().load({"auth": {"token": "env:T"}, **more})
