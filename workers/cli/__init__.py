"""Offer everything on the command line: set up, run, look, mend.

Exit codes: 0 done; 1 it failed, or something is wrong with what was asked about; 2 bad usage or
configuration; 3 broker or store cannot be reached.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import click

from workers.cli import (
    bench,
    capacity,
    change,
    conflicts,
    demo,
    held,
    init,
    links,
    listing,
    look,
    mend,
    payloads,
    promote,
    rebuild,
    reference,
    run,
    sandboxes,
    setup,
    shadow,
    snapshot,
    status,
    switches,
    trials,
    usage,
    versions,
    webhook,
)
from workers.cli.output import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("jira-connector-workers"), prog_name="connector")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with connections/ and connectors/; the working directory by default (CONNECTOR_HOME).",
)
def main(home: Path | None) -> None:
    """Connect Jira to everything else a company runs: nothing lost, nothing doubled, in order."""
    if home is not None:
        if not home.is_dir():
            raise click.BadParameter(f"{home} is no folder", param_hint="--home")
        os.environ["CONNECTOR_HOME"] = str(home)


for group in (
    init,
    setup,
    change,
    listing,
    run,
    webhook,
    payloads,
    shadow,
    snapshot,
    trials,
    promote,
    status,
    look,
    mend,
    held,
    switches,
    conflicts,
    links,
    usage,
    capacity,
    versions,
    rebuild,
    reference,
    demo,
    sandboxes,
    bench,
):
    for command in group.COMMANDS:
        main.add_command(command)
