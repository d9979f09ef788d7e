from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent

BREACHES: Final = [
    ("hands", "connector/planning.py", "workers.outcome"),
    ("pure", "connector/event.py", "time"),
    ("pure", "connector/systems/github/api.py", "requests"),
    ("layers", "connector/errors.py", "connector.event"),
    ("layers", "connector/config.py", "connector.system"),
    ("strangers", "connector/systems/github/text.py", "connector.systems.jira.vocabulary"),
    ("foreign", "connector/systems/github/poll.py", "connector.routing"),
    ("register", "connector/planning.py", "connector.systems.github.settings"),
    ("redis", "workers/attempt.py", "redis"),
    ("http", "workers/stores/keys.py", "requests"),
    ("celery", "workers/stores/keys.py", "celery"),
    ("celery", "workers/stores/records.py", "workers.desk"),
    ("stores", "workers/stores/connections.py", "workers.stores.deliveries"),
]
"""Contract, module, and an import that the contract is there to refuse."""


def declared() -> set[str]:
    told = configparser.ConfigParser(interpolation=None)
    told.read(ROOT / "setup.cfg", encoding="utf-8")
    return {one.rpartition(":")[2] for one in told.sections() if one.startswith("importlinter:contract:")}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what contracts look at, to break it there."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "setup.cfg", folder)
    for package in ("connector", "workers"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def judged(house: Path, contract: str) -> tuple[int, str]:
    program = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    told = subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--contract", contract],
        cwd=house,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return told.returncode, told.stdout + told.stderr


@pytest.mark.parametrize(("contract", "module", "imported"), BREACHES)
def test_a_contract_refuses_what_it_is_there_for(house: Path, contract: str, module: str, imported: str) -> None:
    path = house / module
    kept = path.read_text(encoding="utf-8")
    path.write_text(f"{kept}\nimport {imported}\n", encoding="utf-8")
    try:
        code, told = judged(house, contract)
    finally:
        path.write_text(kept, encoding="utf-8")
    importer = module.removesuffix(".py").replace("/", ".")
    assert code == 1
    assert f"{importer} -> {imported} (" in told


def test_a_module_without_a_place_in_the_layers_is_refused(house: Path) -> None:
    stray = house / "connector" / "stray.py"
    stray.write_text('"""Belong nowhere."""\n', encoding="utf-8")
    try:
        code, told = judged(house, "layers")
    finally:
        stray.unlink()
    assert code == 1
    assert "stray" in told


def test_every_contract_is_tried() -> None:
    assert {contract for contract, _, _ in BREACHES} == declared()
