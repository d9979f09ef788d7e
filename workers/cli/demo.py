"""Show the main job against sandboxes of the vendors."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from workers.cli.output import console


@click.command()
@click.option("--once", is_flag=True, help="Play once, print the result as one line of JSON, and end.")
@click.option(
    "--folder",
    default=".demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where its files go; it is emptied first.",
)
def demo(folder: Path, *, once: bool) -> None:
    """Play a day: traffic, an outage, an expired token, a newly required field.

    Real processes (receiver, workers, schedule, Flower, two Valkey servers) against sandboxes of Jira, GitHub and
    Slack.  Exit code 1 unless everything was delivered exactly once and in order.
    """
    from workers.demo.play import play

    for name in ("BROKER_URL", "STORE_URL", "CONNECTOR_CONFIG"):
        os.environ.pop(name, None)  # the demo has servers and files of its own
    sys.exit(play(folder.resolve() / "home", once=once, console=console))


COMMANDS = (demo,)
