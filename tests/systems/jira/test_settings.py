"""What users may write about a Jira connection, and what is refused with its place."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from marshmallow import ValidationError

from connector.systems.jira import SYSTEM
from tests.systems.direct import reveals
from tests.systems.jira.places import CONNECTIONS, SECRETS

CLOUD: Mapping[str, Any] = {
    "url": "https://acme.atlassian.net",
    "auth": {"email": "bot@acme.example", "token": "env:TOKEN"},
}
SERVER: Mapping[str, Any] = {
    "url": "https://jira.acme.example/jira/",
    "flavour": "data-center",
    "auth": {"token": "env:TOKEN"},
}


def load(connection: Mapping[str, Any]) -> Any:
    return SYSTEM.connection().load(dict(connection))


def test_a_cloud_connection_is_basic_with_the_e_mail() -> None:
    headers = SYSTEM.authorize(load(CLOUD), reveals(SECRETS))
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")) == b"bot@acme.example:jira-bot-token"


def test_a_data_center_token_is_a_bearer() -> None:
    assert SYSTEM.authorize(load(SERVER), reveals(SECRETS)) == {"authorization": "Bearer jira-bot-token"}


def test_a_data_center_password_is_basic() -> None:
    settings = load({**SERVER, "auth": {"user": "bot", "password": "env:TOKEN"}})
    assert SYSTEM.authorize(settings, reveals(SECRETS))["authorization"].startswith("Basic ")


def test_the_context_path_is_kept_and_a_slash_at_its_end_is_not() -> None:
    assert SYSTEM.base_url(load(SERVER)) == "https://jira.acme.example/jira"


def test_the_index_lag_follows_the_flavour_unless_it_is_told() -> None:
    assert load(CLOUD).index_lag == timedelta(seconds=90)
    assert load(SERVER).index_lag == timedelta(minutes=5)
    assert load({**CLOUD, "index_lag": "10s"}).index_lag == timedelta(seconds=10)


def test_a_token_may_have_an_end() -> None:
    assert load({**CLOUD, "auth": {**CLOUD["auth"], "expires": "2027-05-01"}}).auth.expires == date(2027, 5, 1)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"auth": {"token": "env:TOKEN"}}, "auth"),
        ({"auth": {"email": "a@b.example", "user": "x", "token": "env:T"}}, "auth"),
        ({"flavour": "server"}, "flavour"),
        ({"flavour": "data-center"}, "auth"),
        ({"url": "acme.atlassian.net"}, "url"),
        ({"url": "https://u:p@acme.example"}, "url"),
        ({"url": "https://api.atlassian.com/ex/jira/1"}, "site"),
        ({"webhook": {}}, "webhook"),
        ({"webhook": {"secret": ["env:A", "env:B", "env:C"]}}, "webhook"),
        ({"webhook": {"from": "10.0.0.300"}}, "webhook"),
        ({"limits": {"requests_per_second": 0}}, "limits"),
        ({"limits": {"requests_per_second": "10"}}, "limits"),
        ({"index_lag": "soon"}, "index_lag"),
    ],
)
def test_a_mistake_is_refused_where_it_stands(wrong: Mapping[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        load({**CLOUD, **wrong})
    assert isinstance(caught.value.messages, dict)
    assert where in caught.value.messages


@pytest.mark.parametrize("wrong", [{}, {"project": "WEB", "projects": ["OPS"]}, {"project": "web"}, {"projects": []}])
def test_a_source_names_its_projects(wrong: Mapping[str, Any]) -> None:
    assert SYSTEM.source is not None
    with pytest.raises(ValidationError):
        SYSTEM.source().load(dict(wrong))


def test_every_member_has_a_description() -> None:
    assert SYSTEM.source is not None
    assert SYSTEM.target_schema is not None
    for schema in (SYSTEM.connection, SYSTEM.source, SYSTEM.target_schema):
        for name, field in schema().fields.items():
            assert field.metadata.get("description"), f"{schema.__name__}.{name}"


def test_cloud_has_limits_and_data_center_only_those_it_is_given() -> None:
    published = {(row.endpoint, row.amount) for row in SYSTEM.limits(load(CLOUD))}
    assert {("get", 100), ("put", 50), ("entity", 20), ("entity", 100)} <= published
    assert list(SYSTEM.limits(load(SERVER))) == []
    own = SYSTEM.limits(load({**SERVER, "limits": {"requests_per_second": 5, "points_per_hour": 1000}}))
    assert [(row.endpoint, row.amount, row.unit) for row in own] == [("*", 5, "calls"), ("*", 1000, "points")]


def test_links_for_people_point_to_the_site_where_calls_go_to_the_gateway() -> None:
    settings = load({**CLOUD, "url": "https://api.atlassian.com/ex/jira/1", "site": "https://acme.atlassian.net/"})
    assert settings.browse == "https://acme.atlassian.net"
    assert CONNECTIONS["cloud"]["url"] == load(CONNECTIONS["cloud"]).browse
