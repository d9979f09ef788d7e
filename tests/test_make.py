from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Copy what make needs into a folder with a space in its name, without .venv."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    for name in ("Makefile", "setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def run(*command: str | Path, at: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it as from a terminal of its own: what an outer make or CI has set is not passed on."""
    kept = {
        name: text for name, text in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHON"}
    }
    return subprocess.run(
        command,
        cwd=at,
        env=kept | environment,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def python(bare: Path, text: str) -> str:
    """Make an interpreter whose behaviour a test writes in shell."""
    return str(script(bare.parent / "fake python", text))


WORKING: Final = """
case "$*" in
    *"-m venv"*) mkdir -p .venv/bin; echo made >> made; cp "$0" .venv/bin/python;;
    *"-m pip install"*) echo installed >> made; if test -f broken; then exit 1; fi;;
    *"-m pytest"*) echo "tests $*"; exit "$(cat verdict 2>/dev/null || echo 0)";;
esac
"""


def test_bare_make_shows_every_target(bare: Path) -> None:
    told = run("make", at=bare)
    assert told.returncode == 0
    phony = re.search(r"^\.PHONY: (.*)$", (bare / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert re.findall(r"^  make (\S+)", told.stdout, re.MULTILINE) == [
        one for one in phony[1].split() if one != "moved"
    ]


def test_no_python_that_is_new_enough_is_told_with_what_to_do(bare: Path) -> None:
    told = run("make", "install", f"PYTHON={bare}/nowhere", at=bare)
    assert told.returncode != 0
    assert "Python 3.11 or newer is needed" in told.stderr
    assert not (bare / ".venv").exists()


def test_an_old_python_is_not_taken(bare: Path) -> None:
    old = script(bare.parent / "old", 'case "$*" in *version_info*) exit 1;; esac')
    told = run("make", "install", f"PYTHON={old}", at=bare)
    assert "Python 3.11 or newer is needed" in told.stderr


def test_a_python_without_venv_names_the_package_to_install(bare: Path) -> None:
    lacking = script(bare.parent / "lacking", 'case "$*" in *ensurepip*|*"-m virtualenv"*) exit 1;; esac')
    told = run("make", "install", f"PYTHON={lacking}", at=bare, PATH="/usr/bin:/bin")
    if shutil.which("virtualenv", path="/usr/bin:/bin"):
        pytest.skip("virtualenv is installed for everyone here")
    assert told.returncode != 0
    assert "apt install python3-venv" in told.stderr
    assert not (bare / ".venv").exists()


def test_virtualenv_stands_in_for_a_missing_venv(bare: Path) -> None:
    lacking = script(
        bare.parent / "lacking",
        'case "$*" in *ensurepip*) exit 1;; *"-m virtualenv --quiet"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python;; esac',
    )
    told = run("make", "install", f"PYTHON={lacking}", at=bare)
    assert told.returncode == 0, told.stderr
    assert (bare / ".venv" / ".installed").exists()


@pytest.fixture
def working(bare: Path) -> Path:
    """Put an interpreter on a short path; PYTHON may hold several words, so it cannot hold a space."""
    return script(bare.parent / "python", WORKING)


def test_it_installs_once(bare: Path, working: Path) -> None:
    first = run("make", "test", f"PYTHON={working}", at=bare)
    again = run("make", "test", f"PYTHON={working}", at=bare)
    assert (first.returncode, again.returncode) == (0, 0)
    assert (bare / "made").read_text().split() == ["made", "installed"]
    assert "Installing" in first.stdout
    assert again.stdout == "tests -m pytest\n"


def test_it_installs_again_when_what_is_needed_changes(bare: Path, working: Path) -> None:
    run("make", "install", f"PYTHON={working}", at=bare)
    later = (bare / ".venv" / ".installed").stat().st_mtime + 10
    os.utime(bare / "setup.cfg", (later, later))
    run("make", "install", f"PYTHON={working}", at=bare)
    assert (bare / "made").read_text().split() == ["made", "installed", "installed"]


def test_an_install_that_failed_is_tried_again(bare: Path, working: Path) -> None:
    (bare / "broken").touch()
    assert run("make", "install", f"PYTHON={working}", at=bare).returncode != 0
    (bare / "broken").unlink()
    assert run("make", "install", f"PYTHON={working}", at=bare).returncode == 0


def test_an_environment_that_was_moved_is_made_anew(bare: Path, working: Path) -> None:
    run("make", "install", f"PYTHON={working}", at=bare)
    moved = bare.rename(bare.parent / "elsewhere")
    run("make", "install", f"PYTHON={working}", at=moved)
    assert (moved / "made").read_text().split() == ["made", "installed", "made", "installed"]


def test_an_environment_of_somebody_else_is_only_added_to(bare: Path, working: Path) -> None:
    script(bare / ".venv" / "bin" / "python", WORKING)
    run("make", "install", f"PYTHON={working}", at=bare)
    assert (bare / "made").read_text().split() == ["installed"]


def test_it_works_from_any_folder_and_without_a_home(bare: Path, working: Path) -> None:
    told = run(
        "make",
        "--no-print-directory",
        "-C",
        bare,
        "test",
        f"PYTHON={working}",
        "ARGS=-k word",
        at=Path("/"),
        HOME="/nowhere",
    )
    assert told.stdout.endswith("tests -m pytest -k word\n")


def test_from_the_wrong_folder_it_says_how_to_call_it(bare: Path) -> None:
    told = run("make", "-f", bare / "Makefile", at=bare.parent)
    assert "make -C" in told.stderr


@pytest.mark.parametrize(("once", "flag"), [("", False), ("0", False), ("1", True), ("yes", True)])
def test_the_demo_runs_once_when_asked(bare: Path, working: Path, once: str, flag: bool) -> None:
    run("make", "install", f"PYTHON={working}", at=bare)
    script(bare / ".venv" / "bin" / "connector", 'echo "connector $*"')
    told = run("make", "demo", f"ONCE={once}", at=bare)
    assert told.stdout.strip() == ("connector demo --once" if flag else "connector demo")


@pytest.fixture
def ci(bare: Path, working: Path) -> Path:
    """Let CI run against fakes of all tools."""
    (bare / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", bare / ".ci" / "run")
    run("make", "install", f"PYTHON={working}", at=bare)
    script(bare / ".venv" / "bin" / "lint-imports", "echo kept")
    return bare


def closing(ci: Path, *, verdict: int, line: str) -> subprocess.CompletedProcess[str]:
    (ci / "verdict").write_text(str(verdict))
    script(
        ci / ".venv" / "bin" / "python",
        f'case "$*" in *pytest*) test "$CI" = true || exit 9; echo "{line}"; echo after; exit {verdict};; esac',
    )
    return run("bash", ci / ".ci" / "run", at=Path("/"))


def test_ci_ends_with_the_closing_line_of_the_tests(ci: Path) -> None:
    told = closing(ci, verdict=0, line="===== 12 passed, 1 skipped in 3.21s =====")
    assert told.returncode == 0, told.stdout
    assert told.stdout.splitlines()[-1] == "===== 12 passed, 1 skipped in 3.21s ====="


def test_ci_fails_with_the_tests(ci: Path) -> None:
    told = closing(ci, verdict=1, line="1 failed, 12 passed in 3.21s")
    assert told.returncode != 0
    assert told.stdout.splitlines()[-1] == "1 failed, 12 passed in 3.21s"


@pytest.mark.parametrize("tool", ["ruff format", "ruff check", "mypy"])
def test_ci_fails_with_any_check(ci: Path, tool: str) -> None:
    script(
        ci / ".venv" / "bin" / "python", f'case "$*" in *"{tool}"*) exit 1;; *pytest*) echo "1 passed in 1.00s";; esac'
    )
    told = run("bash", ci / ".ci" / "run", at=ci)
    assert told.returncode != 0
    assert "did not run" in told.stdout.splitlines()[-1]


def test_ci_fails_with_a_broken_contract(ci: Path) -> None:
    script(ci / ".venv" / "bin" / "lint-imports", "exit 1")
    assert closing(ci, verdict=0, line="1 passed in 1.00s").returncode != 0


def test_hooks_run_targets_that_exist(bare: Path) -> None:
    told = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    entries = [hook["entry"] for repository in told["repos"] for hook in repository["hooks"]]
    targets = re.findall(r"^([a-z-]+):", (bare / "Makefile").read_text(), re.MULTILINE)
    assert [one for one in entries if one.removeprefix("make ") not in targets] == []
