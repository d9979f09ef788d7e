"""Make the books anew from the systems, after the store has lost everything."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from connector.errors import ConnectorError
from workers.cli.look import actor
from workers.cli.output import FAILED, USAGE, as_json, console, fail, print_json, print_table, progressing, say
from workers.cli.parts import connector_named, parts, wired

if TYPE_CHECKING:
    from connector.config import Connector
    from workers.rebuild import Outlook, Rebuilding
    from workers.wiring import Wiring

SHOWN: Final = 20


@click.command()
@click.argument("connectors", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Read only: tell what would be found.")
@click.option("--yes", is_flag=True, help="Don't ask, whatever cannot be found.")
@click.option("--since", metavar="DATE", help="When the store was lost, where this folder does not remember it.")
@as_json
def rebuild(connectors: tuple[str, ...], since: str | None, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Make links anew from the markers in the systems, after the store has lost everything.

    Workers may run: what is rebuilt writes nothing meanwhile.  Safe to repeat; interrupted, it goes on where it was.
    """
    process, _ = parts(need_servers=True)
    wiring = wired(process)
    every = process.source.current.connectors.values()
    chosen = [connector_named(process, name) for name in connectors] or list(every)
    at = _time(since) if since else None
    with progressing(quiet=as_json) as shown:
        works = [_work(wiring, one, shown, dry=dry_run) for one in chosen]
        try:
            outlooks = [one.outlook() for one in works]
        except ConnectorError as error:
            fail(f"{type(error).__name__}: {error}; nothing was changed", FAILED)
    hard = [one for one in outlooks if one.why or one.blind]
    if not as_json:
        _tell(hard)
    if hard and not dry_run and not yes and (as_json or not click.confirm("Rebuild all the same?")):
        fail("nothing was changed; give --yes to go on all the same", USAGE)
    with progressing(quiet=as_json) as shown:
        found = [_run(wiring, work, outlook, at) for work, outlook in zip(works, outlooks, strict=True)]
    process.close()
    _report(found, hard, dry=dry_run, as_json=as_json)


def _work(wiring: Wiring, connector: Connector, shown: Any, *, dry: bool) -> Rebuilding:
    from workers.rebuild import Rebuilding

    bar = shown.add_task(f"{connector.name}:", total=None)

    def told(what: str, count: int) -> None:
        shown.update(bar, completed=count, description=f"{connector.name}: {what}:")

    return Rebuilding(wiring.desk(), wiring.inbox(), connector, told, time.sleep, dry)


def _run(wiring: Wiring, work: Rebuilding, outlook: Outlook, at: datetime | None) -> dict[str, Any]:
    from workers.rebuild import lost_since

    lost = at or lost_since(work.desk, work.connector, wiring.epoch.last_seen(work.connector.uid))
    try:
        return work.run(lost, unreadable=bool(outlook.why), actor=actor()).as_json()
    except ConnectorError as error:
        problem = f"{type(error).__name__}: {error}; run it again to go on"
        return {"connector": work.connector.name, "problem": problem, "failed": True}


def _tell(hard: list[Outlook]) -> None:
    for one in hard:
        if one.blind:
            say(f"{one.connector}: its source cannot be read back, so no link is found again", style="yellow")
        if one.why:
            say(f"{one.connector}: what it made cannot be found again: {one.why}", style="yellow")
            say(
                f"  {len(one.affected)} items may have copies. The next event of each becomes a dead letter"
                " 'ambiguous' instead of a second copy; look at the target, then replay or discard it."
            )
            for key in one.affected[:SHOWN]:
                say(f"  {key}")
            if len(one.affected) > SHOWN:
                say(f"  ... and {len(one.affected) - SHOWN} more (--json tells all)")


def _report(found: list[dict[str, Any]], hard: list[Outlook], *, dry: bool, as_json: bool) -> None:
    if as_json:
        unknown = [{"connector": one.connector, "why": one.why, "items": list(one.affected)} for one in hard]
        print_json({"dry_run": dry, "rebuilt": found, "cannot_be_found": unknown})
    else:
        print_table(
            ("connector", "ours in the target", "links", "of them missing", "events read again", "new", "problem"),
            (
                [one.get(name, "") for name in ("connector", "recalled", "links", "fresh", "read_again", "missing")]
                + [one.get("problem", "")]
                for one in found
            ),
        )
        console.print("nothing was changed" if dry else "what was rebuilt is at work again")
    if any(one.get("failed") for one in found):
        raise SystemExit(FAILED)


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--since {text!r} is no date like 2026-11-01 or 2026-11-01T09:00:00Z", USAGE)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


COMMANDS = (rebuild,)
