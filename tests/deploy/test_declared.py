from __future__ import annotations

import contextlib
import importlib.util
import re
from datetime import timedelta
from typing import Any

import click
import pytest

from tests.deploy.declared import (
    COMPOSE,
    FOREIGN,
    IMAGE,
    ROOT,
    UNITS,
    Process,
    compose,
    instructions,
    processes,
    resolved,
    unit,
)
from workers.settings import DOCUMENTED, Settings

KNOWN = {one.name for one in DOCUMENTED} | {f"{one.name}_FILE" for one in DOCUMENTED if one.secret}
INTERPRETER = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


def ours() -> dict[str, Any]:
    return {name: one for name, one in compose()["services"].items() if name not in FOREIGN}


def cli() -> Any:
    """Return the command group."""
    from workers.cli import main

    return main


@pytest.mark.parametrize("process", processes(), ids=str)
def test_every_command_exists_with_its_options(process: Process) -> None:
    program, *words = process.command
    if program == "python":
        assert words[0] == "-m"
        assert importlib.util.find_spec(words[1]) is not None
        return
    assert program == "connector"
    command, options = cli(), words
    if not words[0].startswith("-"):
        verb, *options = words
        assert verb in command.commands, f"there is no `connector {verb}`"
        command = command.commands[verb]
    with pytest.raises(click.exceptions.Exit) if "--help" in options else contextlib.nullcontext():
        # Only parsed: an option that is not there, or lacks its value, is refused here.
        command.make_context(command.name, list(options))


@pytest.mark.parametrize("process", processes(), ids=str)
def test_every_variable_is_a_setting(process: Process) -> None:
    assert set(process.environment) - KNOWN - INTERPRETER == set()


@pytest.mark.parametrize("process", processes(), ids=str)
def test_every_environment_is_one_that_starts(process: Process) -> None:
    plain = {name: resolved(text) for name, text in process.environment.items() if not name.endswith("_FILE")}
    assert Settings.from_environment(plain).store_url is None


@pytest.mark.parametrize("process", [one for one in processes() if "work" in one.command], ids=str)
def test_a_worker_has_time_to_finish_its_call(process: Process) -> None:
    assert process.grace is not None
    assert timedelta(seconds=process.grace) > Settings().call + timedelta(seconds=10)


def test_there_is_a_worker_in_compose_and_in_systemd() -> None:
    kinds = {one.source.partition(":")[0] for one in processes() if "work" in one.command}
    assert kinds == {"compose", "systemd"}


def test_compose_and_systemd_start_the_same_commands() -> None:
    verbs: dict[str, set[str]] = {"compose": set(), "systemd": set(), "image": set()}
    for one in processes():
        if one.command[0] == "connector":
            verbs[one.source.partition(":")[0]].add(one.command[1])
    assert verbs["compose"] == verbs["systemd"] == {"receive", "work", "schedule", "flower"}


def test_workers_of_one_machine_have_names_of_their_own() -> None:
    # Celery takes two workers of one name for one: a warning in the log, and one of them missing in Flower.
    (start,) = unit(UNITS / "connector-worker@.service")["ExecStart"]
    assert "--name w%i" in start


def test_every_substitution_in_compose_has_a_default() -> None:
    holes = re.findall(r"\$\{[^}]*\}", COMPOSE.read_text(encoding="utf-8"))
    assert [one for one in holes if ":-" not in one] == []


def test_compose_names_only_what_it_declares() -> None:
    told = compose()
    for name, service in told["services"].items():
        assert set(service.get("networks", [])) <= set(told["networks"]), name
        assert set(service.get("secrets", [])) <= set(told["secrets"]), name
        assert set(service.get("depends_on", {})) <= set(told["services"]), name
        for volume in service.get("volumes", []):
            kept = volume.partition(":")[0]
            assert kept.startswith((".", "/", "$")) or kept in told["volumes"], volume


def test_every_secret_variable_points_at_a_secret_of_its_service() -> None:
    for name, service in ours().items():
        for variable, path in service["environment"].items():
            if variable.endswith("_FILE"):
                assert path.removeprefix("/run/secrets/") in service["secrets"], f"{name}: {variable}"


def test_every_secret_variable_of_a_unit_is_loaded() -> None:
    for path in UNITS.glob("*.service"):
        told = unit(path)
        loaded = {one.partition(":")[0] for one in told["LoadCredential"]}
        used = {one for line in told["Environment"] for one in re.findall(r"=%d/([a-z_]+)", line)}
        assert used == loaded, path.name


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_the_stores_keep_what_they_are_trusted_with(name: str) -> None:
    command = compose()["services"][name]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == {"broker": "everysec", "store": "always"}[name]
    assert options["--maxmemory-policy"] == "noeviction"
    assert any(volume.endswith(":/data") for volume in compose()["services"][name]["volumes"])


def test_the_stores_cannot_be_reached_from_outside() -> None:
    told = compose()
    assert told["networks"]["inside"]["internal"] is True
    for name in FOREIGN:
        assert told["services"][name]["networks"] == ["inside"]
        assert "ports" not in told["services"][name]


def test_what_is_published_is_published_to_this_machine_only() -> None:
    ports = [port for one in ours().values() for port in one.get("ports", [])]
    assert len(ports) == 3
    assert [port for port in ports if not resolved(port).startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", ["receiver", "worker", "beat", "flower"])
def test_every_process_is_probed_where_it_listens(name: str) -> None:
    service = ours()[name]
    found = re.search(r"http://127\.0\.0\.1:(\d+)(/[a-z]+)", " ".join(service["healthcheck"]["test"]))
    assert found
    listens = {"receiver": "RECEIVER_PORT", "flower": "FLOWER_PORT"}.get(name, "HEALTH_PORT")
    assert service["environment"][listens] == found[1]
    # Flower answers /healthcheck without asking for a password.
    assert found[2] in ({"/healthcheck"} if name == "flower" else {"/healthz", "/readyz"})


@pytest.mark.parametrize("name", ["health.py", "receiver.py"])
def test_the_paths_that_probes_ask_for_are_served(name: str) -> None:
    served = (ROOT / "workers" / name).read_text(encoding="utf-8")
    assert '"/healthz"' in served
    assert '"/readyz"' in served


def test_no_process_runs_as_root_or_gains_rights() -> None:
    for name, service in compose()["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    for name in FOREIGN:
        assert not compose()["services"][name]["user"].startswith("0")
    (user,) = [rest for told, rest in instructions() if told == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    for path in UNITS.glob("*.service"):
        told = unit(path)
        assert told["NoNewPrivileges"] == ["yes"], path.name
        assert told["DynamicUser"] == ["yes"], path.name


def test_the_image_is_built_from_what_the_context_lets_through() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    copied = {
        source
        for told, rest in instructions()
        if told == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert copied == let_through
    assert ours()["receiver"]["build"] == {"context": ".", "dockerfile": str(IMAGE.relative_to(ROOT))}


def test_the_image_can_be_built_from_this_folder() -> None:
    copied = [rest.split()[:-1] for told, rest in instructions() if told == "COPY" and "--from" not in rest]
    assert [one for sources in copied for one in sources if not (ROOT / one).exists()] == []
