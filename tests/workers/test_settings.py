from __future__ import annotations

import re
from dataclasses import fields
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import ConfigError
from workers.desk import Desk
from workers.settings import DOCUMENTED, LogFormat, LogLevel, Settings
from workers.stores.deliveries import Pace

ROOT = Path(__file__).resolve().parents[2]
SERVERS = {"BROKER_URL": "redis://broker:6379/0", "STORE_URL": "redis://store:6379/0"}


def read(**environment: str) -> Settings:
    return Settings.from_environment(environment, cwd=Path("/srv"))


def problems(**environment: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as refused:
        read(**environment)
    assert {one.file for one in refused.value.problems} == {"environment"}
    return {one.path: one.message for one in refused.value.problems}


def test_an_empty_environment_is_a_working_one() -> None:
    got = read()
    assert got.broker_url is None
    assert got.store_url is None
    assert (got.home, got.config) == (Path("/srv"), Path("/srv"))
    assert (got.log_level, got.log_format) == (LogLevel.INFO, LogFormat.JSON)
    assert (got.receiver_host, got.receiver_port) == ("127.0.0.1", 8787)


def test_a_variable_set_to_nothing_counts_as_not_set() -> None:
    assert read(**{one.name: " " for one in DOCUMENTED}) == read()


def test_every_field_is_read_from_its_variable() -> None:
    got = read(
        **SERVERS,
        CONNECTOR_HOME="/var/lib/connector",
        CONNECTOR_CONFIG="conf",
        SENTRY_DSN="https://key@sentry.example/1",
        LOG_LEVEL="debug",
        LOG_FORMAT="Text",
        RECEIVER_HOST="0.0.0.0",
        RECEIVER_PORT="80",
        PUBLIC_URL="https://connector.acme.example/",
        RECEIVER_PROXIES="10.0.0.0/8, fd00::1",
        FLOWER_ADDRESS="0.0.0.0",
        FLOWER_PORT="5556",
        FLOWER_BASIC_AUTH="ann:one,bob:two",
        FLOWER_ROLES="ann=admin",
        SENTRY_URL="https://acme.sentry.example",
        FLOWER_URL="https://flower.acme.example/",
        SMTP_URL="smtps://bot:secret@mail.acme.example",
        HEALTH_HOST="0.0.0.0",
        HEALTH_PORT="8788",
        WORKER_THREADS="4",
        CONNECTOR_CONFIG_SOURCE="store",
        TURN_SECONDS="5",
        CALL_SECONDS="6",
        SLOT_SECONDS="7",
        RING_SECONDS="8",
        PROBE_SECONDS="11",
        BACKOFF_SECONDS="12",
        HOLD_ENTITIES="7",
        HOLD_WINDOW_SECONDS="70",
        CANARY_SECONDS="6",
        CANARY_LONGEST_SECONDS="77",
        EXAMINE_HOURS="off",
        SCAN_MILLISECONDS="90",
        CRASHES="4",
    )
    default = read()
    assert [one.name for one in fields(got) if getattr(got, one.name) == getattr(default, one.name)] == []
    assert got.store_url is not None
    assert got.store_url.reveal() == SERVERS["STORE_URL"]
    assert got.config == Path("/var/lib/connector/conf")
    assert got.log_level is LogLevel.DEBUG
    assert got.receiver_proxies == (ip_network("10.0.0.0/8"), ip_network("fd00::1"))
    assert (got.turn, got.call, got.slot) == (timedelta(seconds=5), timedelta(seconds=6), timedelta(seconds=7))
    assert got.scan == timedelta(milliseconds=90)


def test_all_problems_are_told_at_once() -> None:
    found = problems(LOG_LEVEL="loud", RECEIVER_PORT="0", STORE_URL="http://store", WORKER_THREADS="many")
    assert set(found) == {"LOG_LEVEL", "RECEIVER_PORT", "STORE_URL", "WORKER_THREADS"}


@pytest.mark.parametrize("text", ["-1", "1.5", "1_0", "١", "70000", "0x10", "1e3"])
def test_a_port_is_a_plain_whole_number_within_bounds(text: str) -> None:
    assert "whole number" in problems(RECEIVER_PORT=text)["RECEIVER_PORT"]


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://h:6379",
        "rediss-cluster://h",
        "redis://a:6379,b:6379",
        "redis://a:6379;redis://b:6379",
        "redis://u:p@a,b:1/0",
    ],
)
def test_a_cluster_is_refused_by_name(url: str) -> None:
    found = problems(BROKER_URL=url, STORE_URL=SERVERS["STORE_URL"])
    assert "cluster" in found["BROKER_URL"]


@pytest.mark.parametrize(
    "url",
    [
        "rediss://h/0?ssl_cert_reqs=none",
        "rediss://h/0?ssl_cert_reqs=CERT_NONE",
        "rediss://h/0?SSL_CERT_REQS=optional",
        "rediss://h/0?ssl_cert_reqs=required&ssl_cert_reqs=none",
        "rediss://h/0?ssl_cert_reqs=",
        "rediss://h/0?ssl_check_hostname=False",
        "rediss://h/0?ssl_check_hostname=0",
    ],
)
def test_a_server_that_is_not_verified_is_refused(url: str) -> None:
    assert "verified" in problems(STORE_URL=url, BROKER_URL=SERVERS["BROKER_URL"])["STORE_URL"]


@pytest.mark.parametrize(
    "url",
    [
        "rediss://h/0?ssl_cert_reqs=required",
        "rediss://h/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/ca.pem",
        "rediss://h",
    ],
)
def test_a_verified_server_is_taken(url: str) -> None:
    got = read(STORE_URL=url, BROKER_URL=SERVERS["BROKER_URL"]).store_url
    assert got is not None
    assert got.reveal() == url


@pytest.mark.parametrize(
    "url",
    [
        "amqp://h",
        "store:6379",
        "redis://",
        "redis://:6379",
        "redis://h:0",
        "redis://h:port",
        "redis://h/name",
        "redis://[::1",
    ],
)
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    assert set(problems(STORE_URL=url, BROKER_URL=SERVERS["BROKER_URL"])) == {"STORE_URL"}


@pytest.mark.parametrize("mark", ["#", "?", "/", "["])
def test_a_password_that_is_not_encoded_never_becomes_another_host(mark: str) -> None:
    url = f"redis://user:1{mark}2@store:6379/0"
    assert set(problems(STORE_URL=url, BROKER_URL=SERVERS["BROKER_URL"])) == {"STORE_URL"}


@pytest.mark.parametrize("name", ["BROKER_URL", "STORE_URL"])
def test_one_server_alone_is_refused(name: str) -> None:
    (missing,) = {"BROKER_URL", "STORE_URL"} - {name}
    assert "too" in problems(**{name: SERVERS[name]})[missing]


@pytest.mark.parametrize("store", ["redis://broker", "redis://:pw@BROKER:6379/1", "rediss://broker:6379/2"])
def test_broker_and_store_are_two_servers(store: str) -> None:
    assert "two" in problems(BROKER_URL="redis://broker:6379/0", STORE_URL=store)["STORE_URL"]


def test_a_lease_outlives_some_scans_because_they_renew_it() -> None:
    assert "lease" in problems(SCAN_MILLISECONDS="1001", SLOT_SECONDS="3")["SLOT_SECONDS"]
    assert read(SCAN_MILLISECONDS="1000", SLOT_SECONDS="3").slot == timedelta(seconds=3)


@pytest.mark.parametrize("text", ["name", "name:", ":password", "ann:one,", "ann:one,bob"])
def test_flower_takes_names_with_passwords_only(text: str) -> None:
    assert set(problems(FLOWER_BASIC_AUTH=text)) == {"FLOWER_BASIC_AUTH"}


@pytest.mark.parametrize("text", ["true", "1", "YES", "anything"])
def test_an_open_flower_api_stops_the_start(text: str) -> None:
    assert "FLOWER_UNAUTHENTICATED_API" in problems(FLOWER_UNAUTHENTICATED_API=text)


def test_a_flower_api_that_is_switched_off_is_fine() -> None:
    assert read(FLOWER_UNAUTHENTICATED_API="false") == read()


def test_proxies_are_networks() -> None:
    assert set(problems(RECEIVER_PROXIES="10.0.0.1/8")) == {"RECEIVER_PROXIES"}
    assert set(problems(RECEIVER_PROXIES="proxy.example")) == {"RECEIVER_PROXIES"}


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    kept = tmp_path / "store_url"
    kept.write_text(SERVERS["STORE_URL"] + "\n")
    got = read(BROKER_URL=SERVERS["BROKER_URL"], STORE_URL_FILE=str(kept)).store_url
    assert got is not None
    assert got.reveal() == SERVERS["STORE_URL"]


def test_a_secret_file_that_cannot_be_used_is_a_problem(tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    for path, why in ((empty, "is empty"), (binary, "is not text"), (tmp_path / "none", "cannot read")):
        assert why in problems(SENTRY_DSN_FILE=str(path))["SENTRY_DSN"]


def test_a_secret_given_twice_is_a_problem(tmp_path: Path) -> None:
    kept = tmp_path / "dsn"
    kept.write_text("https://key@sentry.example/1")
    assert "twice" in problems(SENTRY_DSN="https://key@sentry.example/2", SENTRY_DSN_FILE=str(kept))["SENTRY_DSN"]


def test_only_secrets_are_read_from_files(tmp_path: Path) -> None:
    kept = tmp_path / "port"
    kept.write_text("9")
    assert read(RECEIVER_PORT_FILE=str(kept)).receiver_port == 8787


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=8))
def test_no_credential_is_ever_shown(noise: str) -> None:
    credential = f"Canary{noise}"
    environment = {
        "BROKER_URL": f"redis://user:{credential}@broker",
        "STORE_URL": f"rediss://:{credential}@store?ssl_cert_reqs=required",
        "SENTRY_DSN": credential,
        "FLOWER_BASIC_AUTH": f"ann:{credential}",
    }
    try:
        shown = repr(Settings.from_environment(environment))
    except ConfigError as error:
        shown = str(error) + repr(error)
    assert "Canary" not in shown


def test_every_variable_is_documented_once() -> None:
    names = [one.name for one in DOCUMENTED]
    assert len(names) == len(set(names)) == len(fields(Settings))
    assert [one.name for one in DOCUMENTED if not one.meaning.endswith(".")] == []


def test_every_documented_default_is_the_one_in_force() -> None:
    assert read(**{one.name: one.default for one in DOCUMENTED}) == read()


def test_the_timing_is_that_of_the_protocol() -> None:
    got, pace = read(), Pace()
    in_ms = [span // timedelta(milliseconds=1) for span in (got.ring, got.slot, got.scan)]
    assert [*in_ms, got.crashes] == [pace.ring, pace.slot, pace.scan, pace.crashes]
    desk = {one.name: one.default for one in fields(Desk)}
    names = ("turn", "call", "probe", "backoff")
    assert [getattr(got, name) for name in names] == [desk[name] for name in names]


def test_every_setting_is_used_by_something() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "workers").rglob("*.py") if path.name != "settings.py"
    )
    assert [one.name for one in fields(Settings) if not re.search(rf"settings\.{one.name}\b", code)] == []
