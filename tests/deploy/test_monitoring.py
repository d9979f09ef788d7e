"""Dashboard, alerts and runbook speak of what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from redis import Redis

from tests.workers.office import Office
from tests.workers.operating.test_letters import refuse
from workers.operating.meaning import BUG, MEANINGS
from workers.operating.metrics import Metrics

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RECEIVERS = {"connector_webhooks_total"}
"""What the receiver exports itself."""
LABELS = {
    "connector",
    "team",
    "lane",
    "direction",
    "outcome",
    "state",
    "gate",
    "quantile",
    "connection",
    "kind",
    "endpoint",
    "hash",
    "instance",
}


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DEPLOY / "grafana" / "connector.json").read_text())
    return loaded


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def queries() -> Iterator[str]:
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]
    yield from (rule["expr"] for rule in rules())


def exported(client: Redis) -> dict[str, set[str]]:
    """Return every metric's name with the labels it can have."""
    office = Office(client)
    refuse(office, *"abcdefgh")
    found: dict[str, set[str]] = {}
    for family in Metrics(lambda: office.desk, lambda: 0.0).collect():
        names = {family.name, *(sample.name for sample in family.samples)}
        if family.type == "counter":
            names = {f"{family.name}_total"}
        for name in names:
            found.setdefault(name, set()).update(*(sample.labels for sample in family.samples))
    return found


def test_every_metric_that_is_asked_for_is_exported(redis_client: Redis) -> None:
    known = exported(redis_client).keys() | RECEIVERS
    asked = {name for query in queries() for name in re.findall(r"\bconnector_[a-z_]+\b", query)}
    assert asked - known == set()
    assert len(asked) > 15


def test_labels_are_few_and_known(redis_client: Redis) -> None:
    assert {label for labels in exported(redis_client).values() for label in labels} <= LABELS
    asked = {
        label
        for query in queries()
        for label in re.findall(r"(\w+)=~?\"|(?:by|on) \(([^)]*)\)", query)
        for label in label
    }
    assert {one.strip() for group in asked for one in group.split(",") if one.strip()} <= LABELS


def test_every_panel_asks_something_and_none_overlaps() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        assert panel["targets"], panel["title"]
        where = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(where["x"], where["x"] + where["w"])
            for y in range(where["y"], where["y"] + where["h"])
        }
        assert not cells & taken, panel["title"]
        assert where["x"] + where["w"] <= 24
        taken |= cells


def test_every_alert_says_how_bad_it_is_and_where_to_read_on() -> None:
    headings = set(re.findall(r"^### (\w+)$", (DEPLOY / "runbook.md").read_text(), re.MULTILINE))
    by_anchor = {one.lower(): one for one in headings}
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
        assert rule["annotations"]["summary"]
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "deploy/runbook.md"
        assert anchor in by_anchor, rule["alert"]
        assert rule["alert"].startswith(by_anchor[anchor])


def test_every_error_class_has_its_heading() -> None:
    text = (DEPLOY / "runbook.md").read_text()
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)
    for meaning in (*MEANINGS.values(), BUG):
        assert headings.count(meaning.heading) == 1, meaning.heading
    used = {rule["annotations"]["runbook"].partition("#")[2] for rule in rules()}
    classes = {meaning.heading for meaning in (*MEANINGS.values(), BUG)}
    assert {one for one in headings if one not in classes} == {one for one in headings if one.lower() in used}
