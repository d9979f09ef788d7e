"""Open questions of two-way connectors are told to Prometheus and to the connector's owner, as one cause."""

from __future__ import annotations

from dataclasses import replace

from connector.config import Owner
from tests.workers.pairs import Pairs
from workers.alerting import message_of
from workers.operating.acting import Actor
from workers.operating.causes import News, causes, changes
from workers.operating.metrics import Metrics
from workers.operating.questions import decide, questions


def differing(count: int) -> Pairs:
    pairs = Pairs()
    pairs.declare(replace(pairs.config.connectors["pair"], owner=Owner("web")))
    numbers = [pairs.report(f"Broken {one}") for one in range(count)]
    pairs.settle()
    for number, one in zip(numbers, range(count), strict=True):
        pairs.ada.edits(str(pairs.issues()[f"Broken {one}"]["id"]), summary=f"There {one}")
        pairs.person("PATCH", f"/issues/{number}", {"title": f"Here {one}"})
    pairs.settle()
    return pairs


def conflicts_of(pairs: Pairs) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["connector"], sample.labels["team"]): sample.value
        for family in Metrics(lambda: pairs.desk, lambda: 0.0).collect()
        for sample in family.samples
        if sample.name == "connector_conflicts"
    }


def test_the_owner_is_told_of_many_in_one_message_and_of_no_value() -> None:
    pairs = differing(7)
    connector = pairs.config.connectors["pair"]
    assert conflicts_of(pairs) == {("pair", "web"): 7}
    (cause,) = causes(pairs.desk, pairs.config, connector)
    (change,) = changes({}, [cause], pairs.desk.now_ms())
    message = message_of(connector, change, "https://flower.example")
    for part in ("7 fields: Summary of acme/web#", " …", "before they could meet",
                 "https://flower.example/conflicts?connector=pair", "ConnectorConflicts"):  # fmt: skip
        assert part in message.text
    assert "Here" not in message.text
    assert "There" not in message.text
    assert (message.document["count"], change.news) == (7, News.OPENED)


def test_it_is_over_when_the_last_is_decided() -> None:
    pairs = differing(1)
    connector = pairs.config.connectors["pair"]
    (change,) = changes({}, causes(pairs.desk, pairs.config, connector), pairs.desk.now_ms())
    assert change.after is not None
    (question,) = questions(pairs.desk, [connector])
    decide(pairs.desk, pairs.inbox, question, Actor("eve"), take="from")
    pairs.settle()
    assert conflicts_of(pairs) == {("pair", "web"): 0}
    left = causes(pairs.desk, pairs.config, connector)
    assert left == []
    (over,) = changes({change.key: change.after}, left, pairs.desk.now_ms())
    assert over.news is News.RESOLVED
