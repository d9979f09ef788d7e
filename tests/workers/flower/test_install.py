"""Our pages fit into the Flower that is installed."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import flower.urls
import pytest
from tornado.escape import url_escape
from tornado.routing import URLSpec

from workers.flower import api
from workers.flower.audit import harmless
from workers.flower.connectors import SHOWN
from workers.flower.install import HERE, LINKS, Templates, routes, with_letter, with_links
from workers.flower.show import ago, bars, readable, redacted, span, when
from workers.operating.fidelity import VERDICTS, Fidelity

THEIRS = Path(flower.urls.settings["template_path"])


def test_our_links_find_their_place_in_the_navigation_bar() -> None:
    navbar = with_links((THEIRS / "navbar.html").read_text())
    for name, label in LINKS:
        assert f"reverse_url('{name}')" in navbar
        assert f">{label}</a>" in navbar
    assert navbar.index("reverse_url('connectors')") < navbar.index("reverse_url('workers')")


def test_a_changed_navigation_bar_is_noticed() -> None:
    with pytest.raises(RuntimeError, match="has changed"):
        with_links("<nav></nav>")


@pytest.mark.parametrize("path", sorted((HERE / "templates").glob("*.html")), ids=lambda path: path.stem)
def test_every_template_compiles_and_nothing_in_it_is_raw_or_inline(path: Path) -> None:
    Templates(THEIRS).load(path.name)
    text = path.read_text()
    assert "{% raw" not in text
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", text, re.IGNORECASE)


def test_the_names_of_our_templates_are_not_flowers() -> None:
    ours, theirs = ({path.name for path in folder.glob("*.html")} for folder in (HERE / "templates", THEIRS))
    assert not ours & theirs


def test_a_failed_task_that_stands_for_a_dead_letter_links_to_it() -> None:
    Templates(THEIRS).load("task.html")
    assert '"letter", task.name' in with_letter((THEIRS / "task.html").read_text())
    with pytest.raises(RuntimeError, match="has changed"):
        with_letter("<main></main>")


def test_our_routes_are_named_where_pages_link_and_keep_clear_of_flowers() -> None:
    names = {one.name for one in routes() if isinstance(one, URLSpec) and one.name}
    linked = {
        name
        for path in (HERE / "templates").glob("*.html")
        for name in re.findall(r"reverse_url\('(\w+)'", path.read_text())
    }
    assert linked <= names
    theirs = {one.regex.pattern for one in flower.urls.handlers if isinstance(one, URLSpec)}
    assert not theirs & {one.regex.pattern for one in routes()}


def test_every_operation_is_described() -> None:
    told = api.description()
    assert len([method for path in told["paths"].values() for method in path]) == len(api.OPERATIONS)
    for path, methods in told["paths"].items():
        for method in methods.values():
            named = {one["name"] for one in method["parameters"] if one["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
            assert method["summary"].endswith(".")


def test_no_cell_of_an_export_is_a_formula() -> None:
    for start in ("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"):
        assert harmless(start) == f"'{start}"
    assert harmless("WEB-1") == "WEB-1"
    assert harmless("") == ""


# --- showing --------------------------------------------------------------------------------------------------
def test_spans_and_times_are_readable() -> None:
    assert [span(ms) for ms in (0, 999, 1000, 61_000, 3_600_000, 90_061_000)] == [
        "0 ms", "999 ms", "1 s", "1 min 1 s", "1 h", "1 d 1 h",
    ]  # fmt: skip
    assert ago(0, 10) == when(0) == ""
    assert ago(1000, 4000) == "3 s"
    assert when(1_800_000_000_000) == "2027-01-15 08:00:00 UTC"


def test_a_chart_is_filled_by_its_highest_bar() -> None:
    assert bars([0, 2, 4]) == [(3.0, 12.0, 12.0), (6.0, 0.0, 24.0)]
    assert bars([]) == []


def test_what_is_shown_holds_no_credential_and_no_address_of_a_person() -> None:
    shown = redacted(
        {"token": "abc", "who": "ann.lee+x@acme.example", "list": [{"password": "p"}, 3, None], "token_": ""}
    )
    assert shown == {
        "token": "[redacted]",
        "who": "a…@acme.example",
        "list": [{"password": "[redacted]"}, 3, None],
        "token_": "",
    }
    assert "hunter2" not in readable("https://user:hunter2@host/path")
    assert readable({"type": "doc", "version": 1, "content": []}) == ""


def test_what_shadow_mode_has_seen_is_shown_and_nothing_of_it_is_markup() -> None:
    seen = Fidelity(
        "web",
        0,
        3_600_000,
        first=3_600_000,
        events=3,
        outcomes={"would": 2, "refused": 1},
        would={"create": 2},
        fields={"<b>Summary": dict.fromkeys((*VERDICTS, "lost"), 1)},
        refused={"Rejected:unknown_option": 1},
        examples=[{"outcome": "refused", "key": "acme/web#1", "why": "<script>", "at": 1, "fields": {}}],
    )
    shown = (
        Templates(THEIRS)
        .load("fidelity.html")
        .generate(
            seen=seen,
            row=SimpleNamespace(connector=SimpleNamespace(name="web")),
            **_shown(),
            reverse_url=lambda *_: "/why",
        )
        .decode()
    )
    assert "2 would be written" in shown
    assert "Rejected (unknown_option)" in shown
    assert "acme%2Fweb%231" in shown
    assert "<script>" not in shown
    assert "&lt;b&gt;Summary" in shown


def _shown() -> dict[str, Any]:
    return {**SHOWN, "url_escape": url_escape}
