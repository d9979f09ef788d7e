"""A person on call finds out what is wrong and mends it, in a real browser, at a desk and on a phone."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.e2e.town import Town, until
from workers.demo.stage import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DESK = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
SCREENSHOTS = os.environ.get("SCREENSHOTS", "")
"""A folder for pictures of the pages, for the docs."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start a browser."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: install Debian's package chromium, and pages are tested in a real browser")
    with sync_playwright() as playwright:
        quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
        running = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-quic", *quiet]
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def flower(running_town: Town) -> Iterator[str]:
    """Run Flower; returns its address."""
    port = free_port()
    running_town.spawn(
        "pages", "flower", FLOWER_PORT=str(port), FLOWER_BASIC_AUTH="ada:secret", FLOWER_ROLES="ada=admin"
    )
    until(lambda: running_town.get(port, "/healthcheck")[0] == 200, 40, told=lambda: running_town.log("pages")[-2000:])
    yield f"http://127.0.0.1:{port}"
    running_town.stop("pages")


def enter(chromium: Browser, flower: str, *, phone: bool = False, scripts: bool = True) -> BrowserContext:
    """Open a browser as Ada."""
    return chromium.new_context(
        base_url=flower,
        viewport=PHONE if phone else DESK,  # type: ignore[arg-type]  # a plain dict is what it takes
        http_credentials={"username": "ada", "password": "secret"},
        java_script_enabled=scripts,
    )


@pytest.fixture
def page(chromium: Browser, flower: str) -> Iterator[Page]:
    """Open a page at a desk; whatever the browser complains about fails the test."""
    context = enter(chromium, flower)
    page = context.new_page()
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    page.on("console", heard)
    yield page
    context.close()
    assert complaints == []


def picture(page: Page, name: str) -> None:
    """Keep a picture where somebody asked for it."""
    if SCREENSHOTS:
        page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"))


def row_of(page: Page, connector: str) -> str:
    """Return what the list says of a connector."""
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=connector, exact=True)).inner_text()


def test_an_expired_token_is_seen_and_gone_once_it_is_mended(town: Town, page: Page) -> None:
    title = town.title("Token")
    with town.fault("jira", "expired_token"):
        town.report(title)
        until(lambda: town.json("status", "web")[0]["state"] == "refused")
        page.goto("/connectors")
        assert "refused" in row_of(page, "web")
        picture(page, "connectors")
        page.get_by_role("link", name="web", exact=True).click()
        assert "401" in page.inner_text("main") or "credential" in page.inner_text("main")
    town.issue(title, seconds=60)
    until(lambda: town.json("status", "web")[0]["state"] == "running")
    page.goto("/connectors")
    assert "running" in row_of(page, "web")


def test_a_target_that_is_down_is_told_and_nothing_dies(town: Town, page: Page) -> None:
    titles = [town.title("Outage") for _ in range(4)]
    with town.fault("jira", "status", status=503):
        for title in titles:
            town.report(title)

        def told() -> bool:
            # Now and then the breaker lets a call through by count; the connector runs for that moment.
            page.goto("/connectors")
            return "open" in row_of(page, "web")

        until(told, 40)
    for title in titles:
        town.issue(title, seconds=60)
    assert town.settled("web")["dead"] == len(town.json("dead", "list", "web"))


def test_a_refused_field_is_found_mended_and_its_letters_replayed(town: Town, page: Page) -> None:
    title, good = town.title("Required"), town.title("Good")
    town.report(good)
    town.issue(good)
    with town.fault("jira", "status", status=400, method="POST", path=".*/issue"):
        number = town.report(title)
        key = f"acme/web#{number}"
        until(lambda: any(one["key"] == key for one in town.json("dead", "list", "web")))
        until(lambda: town.counts("web")["in_flight"] == 0)
        page.goto("/dead-letters?connector=web")
        picture(page, "dead-letters")
        page.get_by_role("link", name=key, exact=True).first.click()
        assert "Mend the mapping" in page.inner_text("main")
        assert title in page.inner_text("main")
        picture(page, "dead-letter")
    page.get_by_role("button", name="Replay…").click()
    assert "none would fail" in page.inner_text("main")
    picture(page, "replay")
    page.get_by_role("button", name=re.compile("^Replay [0-9]+$")).click()
    page.get_by_text("of 1 replayed · done").or_(page.get_by_text("replayed · done")).wait_for(timeout=20_000)
    town.issue(title)
    for one in [one for one in town.json("dead", "list", "web") if one["key"] == key]:
        town.connector("dead", "replay", one["id"])
    town.settled("web")
    page.goto("/why")
    page.get_by_label("Key or URL").fill(key)
    page.get_by_role("button", name="Tell me").click()
    assert "delivered" in page.inner_text("main")
    picture(page, "why")


PAIR = (
    "template: github-jira-two-way\nfrom: {repositories: [acme/pair]}\nto: {project: PAIR}\n"
    "back: {from: {project: PAIR}, to: {repository: acme/pair}}\n"
)


@pytest.fixture
def disputed(town: Town) -> Iterator[tuple[int, str]]:
    """Let two people rename the two sides of a pair at once; returns the issue's number here and its key there."""
    with town.followed("w1", "w2", "receive"):
        town.declare("pair", PAIR)
    try:
        title = town.title("Pair")
        number = town.report(title, repository="acme/pair")
        key = town.issue(title)["key"]
        town.settled("pair")
        town.connector("pause", "pair")
        town.act("jira", "ada", "PUT", f"/rest/api/3/issue/{key}", {"fields": {"summary": f"{title} as Ada sees it"}})
        town.act("github", "bob", "PATCH", f"/repos/acme/pair/issues/{number}", {"title": f"{title} as Bob sees it"})
        town.connector("resume", "pair")
        until(lambda: town.json("conflicts", "list", "pair"))
        yield number, key
    finally:
        with town.followed("w1", "w2", "receive"):
            (town.home / "connectors" / "pair.yaml").unlink()


def test_a_conflict_is_decided_at_a_desk_or_on_a_phone_without_scripts(
    town: Town, page: Page, chromium: Browser, flower: str, disputed: tuple[int, str]
) -> None:
    number, key = disputed
    page.goto("/connectors")
    page.get_by_role("link", name="1 conflict", exact=True).click()
    picture(page, "conflicts")
    page.get_by_role("link", name="Summary", exact=True).click()
    assert "as Ada sees it" in page.get_by_label("At the target").inner_text()
    assert "bob changed it" in page.get_by_label("At the source").inner_text()
    picture(page, "conflict")
    address = page.url
    page.get_by_label("It goes to both sides").fill("What both can live with")
    page.get_by_role("button", name="Write this to both").click()
    assert "another value will hold" in page.inner_text("main")

    def titles() -> set[str]:
        issues = town.state("github")["repositories"]["acme/pair"]["issues"]
        return {one["title"] for one in issues if one["key"] == f"acme/pair#{number}"} | {
            town.state("jira")[key]["fields"]["summary"]
        }

    until(lambda: titles() == {"What both can live with"}, told=titles)
    until(lambda: not town.json("conflicts", "list", "pair"))
    assert page.request.get(address).status == 404

    town.connector("pause", "pair")
    town.act("jira", "ada", "PUT", f"/rest/api/3/issue/{key}", {"fields": {"summary": "Ada again, " + "x" * 60}})
    town.act("github", "bob", "PATCH", f"/repos/acme/pair/issues/{number}", {"title": "Bob again"})
    town.connector("resume", "pair")
    until(lambda: town.json("conflicts", "list", "pair"))
    context = enter(chromium, flower, phone=True, scripts=False)
    phone = context.new_page()
    for name in ("phone-conflicts", "phone-conflict"):
        phone.goto("/conflicts" if name == "phone-conflicts" else address)
        picture(phone, name)
        widths = phone.locator("main *").evaluate_all("all => all.map(one => one.getBoundingClientRect().right)")
        assert max(widths) <= PHONE["width"]
    phone.get_by_role("button", name="Take the target's").click()
    assert "the target's value will hold" in phone.inner_text("main")
    context.close()
    until(lambda: titles() == {"Ada again, " + "x" * 60}, told=titles)
    town.settled("pair")


def test_everything_works_without_scripts(town: Town, chromium: Browser, flower: str) -> None:
    context = enter(chromium, flower, scripts=False)
    page = context.new_page()
    page.goto("/connectors/polled")
    page.get_by_role("button", name="Pause").click()
    assert "paused by ada" in page.inner_text("main")
    page.get_by_role("button", name="Resume").click()
    assert "goes on" in page.inner_text("main")
    assert town.json("status", "polled")[0]["state"] == "running"
    context.close()


@pytest.mark.parametrize(
    "path",
    [
        "/connectors",
        "/connectors/web",
        "/dead-letters",
        "/conflicts",
        "/why?item=WEB-1",
        "/mappings/web",
        "/audit",
        "/replays",
    ],
)
def test_nothing_runs_off_the_side_of_a_phone(town: Town, chromium: Browser, flower: str, path: str) -> None:
    context = enter(chromium, flower, phone=True)
    page = context.new_page()
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    picture(page, f"phone-{path.strip('/').split('?')[0].replace('/', '-')}")
    context.close()


def test_stock_pages_are_as_they_were_with_our_links_in_front(town: Town, page: Page) -> None:
    for path in ("/workers", "/tasks", "/broker"):
        page.goto(path)
        labels = page.locator("nav .nav-link").all_inner_texts()
        assert labels[:7] == ["Connectors", "Dead letters", "Conflicts", "Why not?", "Mappings", "Audit", "Workers"]
