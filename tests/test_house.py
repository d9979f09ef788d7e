from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
LONGEST: Final = 400
"""Lines beyond which a module has two promises."""

FORBIDDEN: Final = frozenset(
    {"utils", "util", "helpers", "helper", "common", "misc", "manager", "processor", "service", "data", "info", "base"}
)
FORBIDDEN_STARTS: Final = ("do_", "handle_", "process_")
OUR_WORDS: Final = frozenset({"data", "base"})
"""Words of the vocabulary: an event's ``data`` and a link's ``base``; functions may speak of them, no class is one."""

GIVEN: Final = frozenset({"handle_error", "do_GET"})
"""Names that a library calls us by."""


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def texts() -> Iterator[tuple[Path, str]]:
    """Yield every text file of the project, itself included."""
    top = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in (".ci", "connector", "workers", "tests", "docs", "deploy"):
        top += [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    for path in sorted(top):
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def words(name: str) -> set[str]:
    """Split a snake_case or CamelCase name into lower-case words."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def is_pretence(path: Path) -> bool:
    """Say whether a module belongs to a system's sandbox, which carries its vendor's names."""
    return "systems" in path.parts and "sandbox" in {path.stem, path.parent.name}


def wrong_names(path: Path) -> Iterator[str]:
    if words(path.stem) & FORBIDDEN:
        yield named(path)
    for node in ast.walk(tree(path)):
        match node:
            case ast.ClassDef():
                wrong = words(node.name) & FORBIDDEN
            case ast.FunctionDef() | ast.AsyncFunctionDef() if node.name in GIVEN or is_pretence(path):
                continue
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                starts = node.name.lstrip("_").startswith(FORBIDDEN_STARTS)
                wrong = words(node.name) & (FORBIDDEN - OUR_WORDS) or ({node.name} if starts else set())
            case _:
                continue
        if wrong:
            yield f"{named(path)}:{node.lineno}: {node.name}"


def test_names_say_what_a_thing_is() -> None:
    assert [one for path in sources("connector", "workers") for one in wrong_names(path)] == []


@pytest.mark.parametrize(
    "name", ["EventManager", "load_utils", "process_event", "_handle_it", "BaseClient", "HTTPService"]
)
def test_a_name_that_says_nothing_is_found(name: str, tmp_path: Path) -> None:
    path = tmp_path / "events.py"
    path.write_text(f"class {name}: ...\n" if name[0].isupper() else f"def {name}() -> None: ...\n")
    assert list(wrong_names(path)) == [f"events.py:1: {name}"]


def test_no_module_is_too_long_to_be_read() -> None:
    lengths = {
        named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources("connector", "workers")
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_every_module_begins_with_its_promise() -> None:
    without = []
    for path in sources("connector", "workers"):
        promise = (ast.get_docstring(tree(path)) or "").partition("\n")[0]
        if not promise.endswith("."):
            without.append(f"{named(path)}: {promise!r}")
    assert without == []


def test_every_room_is_named_in_the_plan_of_the_house() -> None:
    plan = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = [path for path in sources("workers") if path.parent.name == "workers" and path.name != "__init__.py"]
    assert [path.name for path in rooms if f"`{path.name}`" not in plan] == []


def test_every_folder_of_modules_is_a_package_that_is_shipped() -> None:
    folders = {path.parent for path in sources("connector", "workers")}
    assert [named(one) for one in sorted(folders) if not (one / "__init__.py").is_file()] == []


def impurities(path: Path) -> Iterator[str]:
    """Find calls that ask for the time or open a file without any import that a contract would see."""
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(value=ast.Name(id="datetime" | "date"), attr="now" | "utcnow" | "today"):
                yield f"{named(path)}:{node.lineno}: a clock"
            case ast.Name(id="open" | "__import__" | "input" | "print"):
                yield f"{named(path)}:{node.lineno}: {node.func.id}"
            case _:
                pass


def test_connector_is_handed_its_time_and_its_text() -> None:
    assert [one for path in sources("connector") for one in impurities(path)] == []


@pytest.mark.parametrize("line", ["datetime.now(tz=UTC)", "date.today()", "open('a')", "print(1)"])
def test_a_clock_or_a_file_in_connector_is_found(line: str, tmp_path: Path) -> None:
    path = tmp_path / "event.py"
    path.write_text(f"x = {line}\n")
    assert len(list(impurities(path))) == 1


def test_no_certificate_goes_unchecked() -> None:
    off = re.compile(
        r"verify\s*=\s*" + r"False|CERT_" + r"NONE|_create_unverified" + r"_context|check_hostname\s*=\s*" + r"False"
    )
    found = [named(path) for path in sources("connector", "workers") if off.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_every_silenced_warning_says_why() -> None:
    bare = re.compile(r"#\s*(?:ruff:\s*)?noqa(?::\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)?\s*$")
    silent = [
        f"{named(path)}:{number}"
        for path in sources("connector", "workers", "tests")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if bare.search(line)
    ]
    assert silent == []


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#{1,6} +(.+?)\s*$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def dead_links(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)", prose):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        place, _, anchor = target.partition("#")
        page = (path.parent / place).resolve() if place else path
        if not page.exists() or (
            anchor and page.suffix == ".md" and anchor not in anchors(page.read_text(encoding="utf-8"))
        ):
            yield f"{path.name}: {target}"


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = [path for path, _ in texts() if path.suffix == ".md"]
    assert [one for path in pages for one in dead_links(path)] == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A *fine* head-line (1)\n```\n# no head\n```\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#a-fine-head-line-1) [c](https://x.example/y) `[d](e)`\n"
        "[f](gone.md) [g](there.md#no-head) [h](#nowhere)\n"
    )
    assert list(dead_links(page)) == ["page.md: gone.md", "page.md: there.md#no-head", "page.md: #nowhere"]


def test_decisions_are_numbered_once_and_as_their_titles_say() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    numbers = [int(path.name[:4]) for path in pages]
    titles = [path.read_text(encoding="utf-8").partition("\n")[0] for path in pages]
    assert len(set(numbers)) == len(numbers) > 0
    wrong = [title for title, number in zip(titles, numbers, strict=True) if not title.startswith(f"# {number}. ")]
    assert wrong == []


@pytest.mark.slow
def test_the_wheel_holds_all_that_is_needed_at_run_time(tmp_path: Path) -> None:
    # On a copy: a build leaves a folder behind whose stale modules would get into the next wheel.
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, source)
    for package in ("connector", "workers"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(wheel, check=True, stdin=subprocess.DEVNULL)
    (built,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(built) as packed:
        inside = set(packed.namelist())
    here = {
        named(path)
        for folder in ("connector", "workers")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".md"
    }
    assert any(one.endswith(".lua") for one in here)
    assert here - inside == set()
    assert {one.partition("/")[0] for one in inside if not one.startswith("jira_connector_workers-")} == {
        "connector",
        "workers",
    }
    assert any(one.endswith("/LICENSE") for one in inside)
