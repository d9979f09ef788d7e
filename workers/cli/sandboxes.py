"""Serve sandboxes of the vendors, to set up and try connectors against something that nobody minds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from workers.cli.output import as_json, console, fail, print_json

if TYPE_CHECKING:
    from workers.sandbox import Served

SECRET: Final = "sandbox-secret"  # noqa: S105 - it opens a sandbox, and is printed for whoever wants in
"""What the sandboxes sign their webhooks with."""

ISSUES: Final = (
    ("Login fails on Mondays", ("bug", "p1"), "It **fails** with `HTTP 500`:\n\n1. open the page\n2. sign in"),
    ("Upload hangs at 99 %", ("bug",), "Only for files over *2 GB*."),
    ("A dark theme would be nice", ("idea",), "Nobody has asked for it yet."),
)
"""What GitHub's acme/web holds from the start: title, labels, text."""


@click.command()
@click.option(
    "--port", default=8900, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option(
    "--webhooks",
    default="http://127.0.0.1:8787",
    show_default=True,
    metavar="URL",
    help="The receiver that their webhooks go to; empty sends none.",
)
@as_json
def sandbox(port: int, webhooks: str, *, as_json: bool) -> None:
    """Serve sandboxes of Jira, GitHub and Slack until Ctrl-C, and say how to get in.

    They keep everything in memory, know limits, refusals and webhooks as the vendors do, and listen on this machine
    only.  GitHub's acme/web holds a few issues.  What was done to one is at /_control/NAME/ledger.
    """
    from workers.cli.run import cannot_listen
    from workers.demo.stage import TOKENS
    from workers.sandbox import Served, builders

    if port and (why := cannot_listen("127.0.0.1", port)):
        fail(f"{why}; give another --port")
    if webhooks and not webhooks.startswith("http://"):
        fail(f"--webhooks {webhooks!r} is no address like http://127.0.0.1:8787", 2)
    with Served(port=port) as served:
        for name, build in builders().items():
            served.add(name, build(webhook_secret=SECRET, url=served.url(name)))
            if webhooks:
                served.subscribe(name, f"{webhooks.rstrip('/')}/hooks/{name}")
        _furnish(served)
        doors = {
            name: {"url": served.url(name), "token": TOKENS.get(f"{name.upper()}_TOKEN", "")}
            for name in served.sandboxes
        }
        if as_json:
            print_json({"sandboxes": doors, "webhook_secret": SECRET})
        else:
            for name, door in doors.items():
                console.print(f"{name:<8} {door['url']}   token {door['token'] or 'see its README'}")
            console.print(f"Jira's e-mail is bot@example.com; webhooks are signed with {SECRET}; stop with Ctrl-C")
        try:
            served.stopping.wait()
        except KeyboardInterrupt:
            return


def _furnish(served: Served) -> None:
    """Let somebody open the issues that are there from the start."""
    from workers.demo.stage import Person

    alice = Person(served, "github", {"authorization": "Bearer ghp_alice"})
    for title, labels, text in ISSUES:
        alice("POST", "/repos/acme/web/issues", {"title": title, "labels": list(labels), "body": text})


COMMANDS = (sandbox,)
