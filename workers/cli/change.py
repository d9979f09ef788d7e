"""Change what is in force: say what would change, publish it, list what was published, go back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from workers.cli.look import actor
from workers.cli.output import (
    FAILED,
    USAGE,
    as_json,
    console,
    errors,
    fail,
    print_json,
    print_table,
    progressing,
    say,
    when,
)
from workers.cli.planned import lines
from workers.cli.status import tell_followers, tell_refusals

if TYPE_CHECKING:
    from connector.config import Config
    from workers.bundle import Bundle
    from workers.operating.applying import Publisher
    from workers.operating.changing import Plan
    from workers.process import Process
    from workers.settings import Settings
    from workers.stores.published import Follower, Version

CHANGES: Final = 4
"""Exit code of ``plan --exit-code`` where anything would change: 0 to 3 have their meaning everywhere."""

PATIENCE: Final = 15.0
"""Seconds that processes are given to follow before it is said who does not."""

Command = TypeVar("Command", bound=Callable[..., Any])

_PATH = click.argument("path", required=False, type=click.Path(path_type=Path))


def _removing(command: Command) -> Command:
    for option in (
        click.option(
            "--patience", default=600.0, show_default=True, type=click.FloatRange(1, 86_400), metavar="SECONDS",
            help="How long --drain may take; then nothing is removed.",
        ),
        click.option("--abandon", is_flag=True, help="Remove connectors with open deliveries: they stay parked."),
        click.option("--drain", is_flag=True, help="Let connectors that are removed deliver what they have first."),
        click.option("--message", default="", help="Why; it is shown with the version."),
        click.option("--yes", is_flag=True, help="Do not ask."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command()
@_PATH
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Compare with this folder instead of what is in force; needs no servers and tells of no deliveries.",
)
@click.option("--exit-code", is_flag=True, help="Exit with 4 where anything would change (0 where nothing would).")
@click.option("--no-trials", is_flag=True, help="Do not ask the systems whether dead letters would be delivered now.")
@click.option("--markdown", is_flag=True, help="Print Markdown, for a comment on a pull request.")
@as_json
def plan(
    path: Path | None, against: Path | None, *, exit_code: bool, no_trials: bool, markdown: bool, as_json: bool
) -> None:
    """Say what the configuration in PATH would change: nothing is changed.

    Compared is with the published version, or with the files of CONNECTOR_CONFIG where none is published: every
    field, what is open of connectors that change, dead letters that would now be delivered, and what to think of
    first.  Exit codes besides the usual: 4 with --exit-code where anything would change.
    """
    settings = _settings()
    bundle, config = _read(settings, path)
    if against is not None:
        planned, held = _against(against, bundle, config), None
    else:
        process, publisher = _publisher(settings, config)
        planned = _planned(publisher, bundle, config, desk=None if no_trials else process.wiring.desk())
        held = publisher.published.held()
    _show(planned, as_json=as_json, markdown=markdown)
    if held is not None and not (as_json or markdown):
        tell_refusals(held, publisher.followers())
    if not planned and planned.number == 0 and against is None and not (as_json or markdown):
        console.print("nothing is published; processes follow these files themselves")
    if planned and exit_code:
        sys.exit(CHANGES)


@click.command()
@_PATH
@_removing
@as_json
def apply(path: Path | None, *, yes: bool, as_json: bool, **how: Any) -> None:
    """Publish the configuration in PATH: an immutable version that every process follows within seconds.

    Processes follow it with CONNECTOR_CONFIG_SOURCE=store.  Refused where somebody else has published since the
    plan, and where connectors with open deliveries would be removed (--drain, --abandon).  Exit code 1 where it is
    refused, or where a process refuses the version.
    """
    settings = _settings()
    bundle, config = _read(settings, path)
    process, publisher = _publisher(settings, config)
    planned = _planned(publisher, bundle, config, desk=process.wiring.desk())
    if not planned and planned.number:
        print_json({"applied": False, **planned.as_json()}) if as_json else console.print("nothing would change")
        return
    if not as_json:
        _show(planned)
    _sure("Apply this?", yes=yes, as_json=as_json)
    _put(publisher, planned, bundle, config, word="apply", as_json=as_json, **how)


@click.command()
@click.argument("version_hash", metavar="[HASH]", required=False)
@_removing
@as_json
def rollback(version_hash: str | None, *, yes: bool, as_json: bool, **how: Any) -> None:
    """Put an earlier version in force again: HASH, as connector versions lists it; without one, the one before.

    It is a new version that says what the earlier one said; everything that holds for apply holds for it.
    """
    from workers.bundle import Bundle

    settings = _settings()
    _, publisher = _publisher(settings, None)
    earlier = _earlier(publisher, version_hash)
    packed = publisher.published.documents(earlier.hash)
    if packed is None:
        fail(f"the documents of {earlier.hash} are not kept any more")
    bundle = Bundle.unpack(packed)
    config = bundle.load()
    process, publisher = _publisher(settings, config)
    planned = _planned(publisher, bundle, config, desk=process.wiring.desk())
    if not as_json:
        _show(planned)
    _sure(f"Go back to {earlier.hash}, of {when(earlier.at)}?", yes=yes, as_json=as_json)
    how["message"] = how["message"] or f"back to version {earlier.number}"
    _put(publisher, planned, bundle, config, word="rollback", as_json=as_json, **how)


def _earlier(publisher: Publisher, prefix: str | None) -> Version:
    held = publisher.published.held()
    others = [one for one in publisher.published.versions() if held is None or one.hash != held.hash]
    if not others:
        fail("there is no earlier version; connector versions lists what was published", USAGE)
    if prefix is None:
        return others[0]
    found = {one.hash: one for one in reversed(others) if one.hash.startswith(prefix)}
    if len(found) > 1:
        fail(f"{prefix} begins several: {', '.join(found)}", USAGE)
    if held is not None and not found and held.hash.startswith(prefix):
        fail(f"{held.hash} is in force already", USAGE)
    if not found:
        fail(f"there is no version {prefix}; connector versions lists what was published", USAGE)
    return found.popitem()[1]


@click.command()
@as_json
def versions(*, as_json: bool) -> None:
    """List the published versions, the one in force first, and which process follows which."""
    _, publisher = _publisher(_settings(), None)
    found, followers = publisher.published.versions(), publisher.followers()
    if as_json:
        print_json({"versions": [one.as_json() for one in found], "followers": [one.as_json() for one in followers]})
        return
    if not found:
        console.print("nothing is published yet: connector apply")
        return
    following = [one.number for one in followers]
    print_table(
        ("version", "hash", "when (UTC)", "who", "connectors", "followed by", "message"),
        (
            (
                f"{one.number}{' (in force)' if number == 0 else ''}",
                one.hash,
                when(one.at),
                one.by,
                one.connectors,
                following.count(one.number) or "",
                one.message,
            )
            for number, one in enumerate(found)
        ),
    )
    if followers:
        print_table(
            ("process", "name", "follows", "product", "refuses"),
            ((one.role, one.name, one.number or "files", one.product, one.refused) for one in followers),
        )


# --- what they share ------------------------------------------------------------------------------------------
def _settings() -> Settings:
    from workers.env_file import filled
    from workers.settings import Settings

    return Settings.from_environment(filled(os.environ))


def _read(settings: Settings, path: Path | None) -> tuple[Bundle, Config]:
    """Read a folder (or a file) as it would be published; raises `ConfigError`."""
    from workers.files import Folder

    if path is not None and not path.exists():
        fail(f"there is no {path}", USAGE)
    single = path if path is not None and path.is_file() else None
    where = settings.config if path is None else path if single is None else path.parent
    bundle = Folder(where, only=single).bundle()
    config = bundle.load()
    for warning in config.warnings:
        say(f"warning: {warning}", style="yellow", where=errors)
    return bundle, config


def _publisher(settings: Settings, config: Config | None) -> tuple[Process, Publisher]:
    from workers.files import Folder
    from workers.operating.acting import Actor
    from workers.operating.applying import Publisher
    from workers.process import looking
    from workers.publishing import NOTHING
    from workers.settings import ConfigSource

    process = looking(settings, config or NOTHING)
    files = Folder(settings.config).bundle if settings.config_source is ConfigSource.FOLDER else None
    return process, Publisher(process.wiring.store, Actor(actor()), process.wiring.desk().record, files)


def _planned(publisher: Publisher, bundle: Bundle, config: Config, *, desk: Any) -> Plan:
    from workers.operating.applying import Refused

    try:
        return publisher.plan(bundle, config, desk=desk)
    except Refused as error:
        fail(str(error))


def _against(folder: Path, bundle: Bundle, config: Config) -> Plan:
    from workers.files import Folder
    from workers.operating.changing import plan as compared

    if not folder.is_dir():
        fail(f"--against: {folder} is no folder", USAGE)
    before = Folder(folder).bundle()
    return compared(before.said(), bundle.said(), config, hashes=(before.load().hash, config.hash))


def _show(planned: Plan, *, as_json: bool = False, markdown: bool = False) -> None:
    if as_json:
        print_json(planned.as_json())
        return
    if markdown:
        click.echo("\n".join(lines(planned, markdown=True)))
        return
    for line in lines(planned):
        say(line)
    for warning in planned.warnings:
        say(f"warning: {warning}", style="yellow", where=errors)


def _sure(question: str, *, yes: bool, as_json: bool) -> None:
    if not yes and (as_json or not click.confirm(question)):
        fail("nothing was changed; give --yes to go on without being asked", USAGE)


def _put(
    publisher: Publisher,
    planned: Plan,
    bundle: Bundle,
    config: Config,
    *,
    word: str,
    message: str,
    drain: bool,
    abandon: bool,
    patience: float,
    as_json: bool,
) -> None:
    """Publish, draining first where that is wanted, and say who follows."""
    from workers.operating.applying import Refused

    if drain and abandon:
        fail("--drain and --abandon are two ways; give one", USAGE)
    try:
        if drain and planned.abandoned:
            bundle.pack()  # what would be refused is refused before anybody has to wait
            with progressing(quiet=as_json) as shown:
                bar = shown.add_task("draining", total=None)
                planned = publisher.drain(
                    planned, patience=patience, told=lambda text: shown.update(bar, description=f"draining: {text};")
                )
        version = publisher.publish(planned, bundle, config, message=message, abandon=abandon, word=word)
    except Refused as error:
        fail(str(error))
    found: list[Follower] = []
    with progressing(quiet=as_json) as shown:
        bar = shown.add_task("processes that follow:", total=None)
        for found in publisher.followed(version, patience=PATIENCE):
            shown.update(bar, completed=sum(one.number == version.number for one in found))
    if as_json:
        print_json({"applied": True, **version.as_json(), "followers": [asdict(one) for one in found]})
    else:
        console.print(f"version {version.number} ({version.hash}) is in force")
        tell_followers(version, found)
    if any(one.number != version.number for one in found):
        sys.exit(FAILED)


COMMANDS = (plan, apply, versions, rollback)
