"""The documentation as a site: it is whole, a broken link is an error, and it fetches nothing from elsewhere."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from connector.registry import SYSTEMS
from connector.system import System
from workers.files import ready_made

ROOT = Path(__file__).resolve().parents[2]

pytest.importorskip("material", reason="the extra docs is not installed")


def build(project: Path, to: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(to)],
        cwd=project,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("site")
    built = build(ROOT, to)
    assert built.returncode == 0, built.stderr
    return to


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Copy what the site is made of."""
    for name in ("docs", ".ci", "deploy"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for path in (*ROOT.glob("*.md"), ROOT / "mkdocs.yml", *ROOT.glob("connector/systems/*/README.md")):
        to = tmp_path / path.relative_to(ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    return tmp_path


def test_every_page_is_there(site: Path) -> None:
    wanted = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    wanted |= {Path("index"), Path("changelog"), Path("runbook")}
    wanted |= {Path("systems") / path.parent.name for path in ROOT.glob("connector/systems/*/README.md")}
    wanted = {path.with_name("index") if path.name == "README" else path for path in wanted}
    assert {path for path in wanted if not (site / f"{path}.html").exists()} == set()


def test_every_template_has_a_page_and_no_page_outlives_its_template() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "templates").glob("*.md")}
    assert pages == {"index", *ready_made()}


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    fetched = re.compile(
        r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^\"'>]*", re.IGNORECASE
    )
    found = [f"{path.name}: {one}" for path in site.rglob("*.html") for one in fetched.findall(path.read_text())]
    assert found == []
    # The theme fetches a renderer from elsewhere where it meets one of these.
    assert [path.name for path in site.rglob("*.html") if 'class="mermaid"' in path.read_text()] == []


def test_links_to_pages_that_are_kept_elsewhere_lead_to_the_site(site: Path) -> None:
    assert 'href="runbook.html#error-classes"' in (site / "troubleshooting.html").read_text()
    assert '<a href="systems/jira.html">Jira Cloud and Data Center</a>' in (site / "index.html").read_text()
    assert '<a href="index.html#what-is-supported">' in (site / "getting-started.html").read_text()


def test_every_list_and_table_is_one(site: Path) -> None:
    shown = {path: re.sub(r"<pre.*?</pre>", "", path.read_text(), flags=re.DOTALL) for path in site.rglob("*.html")}
    raw = [f"{path.name}: {one}" for path, text in shown.items() for one in re.findall(r"\n(?:[-*] |1\. |\|).*", text)]
    assert raw == []


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_the_page_of_a_system_names_all_that_it_declares(site: Path, system: System) -> None:
    page = (site / "systems" / f"{system.name}.html").read_text()
    assert system.source is not None
    assert system.target_schema is not None
    keys = {*system.connection().fields, *system.source().fields, *system.target_schema().fields}
    assert {key for key in keys if f"<code>{key.rstrip('_')}</code>" not in page} == set()
    scopes = {one for needed in system.needs.values() for either in needed for one in either.split("|")}
    assert {one for one in scopes if f"<code>{one}</code>" not in page} == set()
    assert ('id="what-polling-alone-does-not-see"' in page) == bool(system.blind_spots)
    assert {one for one in system.blind_spots if html.escape(one, quote=False).partition("`")[0] not in page} == set()


@pytest.mark.parametrize(
    ("page", "text", "said"),
    [
        ("docs/pilot.md", "[gone](nowhere.md)", "nowhere.md"),
        ("docs/pilot.md", "[gone](delivery.md#no-such-heading)", "no-such-heading"),
        ("connector/systems/slack/README.md", "[gone](../../../docs/nowhere.md)", "nowhere.md"),
        ("docs/unlisted.md", "# Nobody lists me", "unlisted.md"),
    ],
)
def test_what_leads_nowhere_fails_the_build(copied: Path, page: str, text: str, said: str) -> None:
    with (copied / page).open("a") as file:
        file.write(f"\n{text}\n")
    built = build(copied, copied / "site")
    assert built.returncode == 1
    assert said in built.stderr
