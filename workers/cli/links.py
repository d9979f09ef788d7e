"""Show the pairs that connectors keep, make one of two items that are there, and end one."""

from __future__ import annotations

import csv
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from connector.errors import ConnectorError
from connector.mapping import Policy
from workers.cli.asking import PATIENCE, patient
from workers.cli.look import actor
from workers.cli.output import FAILED, USAGE, as_json, console, errors, fail, print_json, print_table, progressing, say
from workers.cli.parts import connector_named, parts, wired
from workers.operating.acting import Actor
from workers.operating.pairs import Pair, also_tied, found, pairs
from workers.operating.pairs import unlink as end_pair

if TYPE_CHECKING:
    from connector.config import Connector
    from connector.ports import Site
    from workers.desk import Desk
    from workers.operating.adopting import Adoption
    from workers.wiring import Wiring

SHOWN: Final = 100
"""Pairs in a table unless more are asked for."""


@click.command()
@click.argument("connector", required=False)
@click.option("--item", default="", help="Only the pair of this item: its key, URL or ref, of either side.")
@click.option("--most", type=click.IntRange(min=1), help=f"Pairs at most ({SHOWN} in a table; JSON has all).")
@as_json
def links(connector: str | None, item: str, most: int | None, *, as_json: bool) -> None:
    """Show the pairs of CONNECTOR (or of all): both items, when something was last written, how each stands."""
    process, _ = parts(need_servers=True)
    chosen = [connector_named(process, connector)] if connector else list(process.source.current.connectors.values())
    desk = wired(process).desk()
    most = most or (None if as_json else SHOWN)
    rows: list[Pair] = []
    total = 0
    with progressing(quiet=as_json or not errors.is_terminal, where=errors) as progress:
        for one in chosen:
            books = desk.deliveries(one)
            total += books.link_count()
            bar = progress.add_task(f"{one.name}: pairs looked at:", total=None)
            looking = pairs(books, one.name, item=item, looked=lambda n, bar=bar: progress.update(bar, completed=n))  # type: ignore[misc]  # mypy: a default in a lambda
            for pair in looking:
                if most is not None and len(rows) >= most:
                    break
                rows.append(pair)
    process.close()
    if as_json:
        print_json([row.as_json() for row in rows])
    else:
        _table(rows, item)
        if len(rows) == most and total > most and not item:
            console.print(f"{len(rows)} of {total}; --most shows more, --json all")
    if item and not rows:
        raise SystemExit(FAILED)


def _table(rows: list[Pair], item: str) -> None:
    if not rows:
        console.print(f"{item} is in no pair" if item else "there are no pairs")
        return
    print_table(
        ("connector", "source", "target", "state", "last written", "source URL", "target URL"),
        (
            (
                row.connector,
                row.link.source_key or row.link.source,
                row.link.key or row.link.target,
                f"{row.state}: {row.why}" if row.why else row.state,
                row.brought[:19].replace("T", " ") or "not known",
                row.link.source_url,
                row.link.url,
            )
            for row in rows
        ),
    )


@click.command()
@click.argument("connector")
@click.argument("item")
@click.option("--reason", required=True, help="Why; it stays in the audit, and is told where an event is skipped.")
@as_json
def unlink(connector: str, item: str, reason: str, *, as_json: bool) -> None:
    """End the pair that ITEM (key, URL or ref of either side) belongs to.

    Both items stay as they are, our marks in them too.  Nothing flows between them any more and neither is copied
    anew, until 'connector link' ties them again.  Waits for a worker that is at it.
    """
    if not reason.strip():
        fail("the reason must not be empty", USAGE)
    process, _ = parts(need_servers=True)
    one = connector_named(process, connector)
    desk = wired(process).desk()
    with progressing(quiet=as_json or not errors.is_terminal, where=errors) as progress:
        bar = progress.add_task("pairs looked at:", total=None)
        link = found(desk.deliveries(one), one, item, lambda n: progress.update(bar, completed=n))
        end_pair(desk, one, link, Actor(actor()), reason.strip())
    others = also_tied(desk, one, link)
    process.close()
    names = f"{link.source_key or link.source} and {link.key or link.target}"
    if as_json:
        print_json({"unlinked": {"source": link.source, "target": link.target}, "also_tied_by": others})
        return
    say(f"{names} are no pair of {one.name} any more")
    for other in others:
        say(f"{other} ties them too: connector unlink {other} {item} --reason ...", style="yellow")


@dataclass(slots=True)
class _Row:
    """Two items to tie, and what became of them."""

    here: str
    there: str
    line: int = 0
    adoption: Adoption | None = None
    problem: str = ""
    linked: bool = False

    def as_json(self) -> dict[str, Any]:
        told = (
            self.adoption.as_json()
            if self.adoption
            else {"source": {"item": self.here}, "target": {"item": self.there}}
        )
        line = {"line": self.line} if self.line else {}
        return {**line, **told, "linked": self.linked, **({"problem": self.problem} if self.problem else {})}


@click.command()
@click.argument("connector")
@click.argument("here", required=False)
@click.argument("there", required=False)
@click.option(
    "--initial",
    type=click.Choice(["from", "to", "newest", "ask"]),
    help="What holds where they differ (two-way connectors); without it as the connector says.",
)
@click.option(
    "--file",
    "from_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A CSV file of pairs with the columns here and there.",
)
@click.option("--dry-run", is_flag=True, help="Read and compare only.")
@as_json
def link(
    connector: str,
    here: str | None,
    there: str | None,
    initial: str | None,
    from_file: Path | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make a pair of two items that are there: HERE at the source and THERE at the target, by key or URL.

    Both are read and what differs is shown.  Of a two-way connector a worker then brings them to agree, as --initial
    says; of any other the source's next event (or 'connector sync') brings its values over.
    """
    if (from_file is None) == (here is None) or (here is None) != (there is None):
        fail("give either HERE and THERE, or --file", USAGE)
    process, _ = parts(need_servers=True)
    one = connector_named(process, connector)
    if initial and one.back is None:
        fail(f"{connector} flows one way: its source's values hold; leave --initial out", USAGE)
    rows = _rows(from_file) if from_file is not None else [_Row(str(here), str(there))]
    _tie(wired(process), one, rows, Policy(initial) if initial else None, dry=dry_run, quiet=as_json)
    process.close()
    failed = [row for row in rows if row.problem]
    if as_json:
        print_json({"dry_run": dry_run, "pairs": [row.as_json() for row in rows]})
    elif from_file is None:
        _tell(rows[0], one, dry=dry_run)
    else:
        _report(rows, from_file, dry=dry_run)
    if failed:
        raise SystemExit(FAILED)


def _rows(path: Path) -> list[_Row]:
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        fail(f"{path} is not UTF-8; save it as 'CSV UTF-8'", USAGE)
    reader = csv.DictReader(text.splitlines(), strict=True)
    try:
        names = {(name or "").strip().casefold(): name for name in reader.fieldnames or ()}
        if not {"here", "there"} <= names.keys():
            fail(f"{path}: its first line must name the columns here and there", USAGE)
        rows = []
        for row in reader:
            one, other = ((row[names[name]] or "").strip() for name in ("here", "there"))
            if not one or not other:
                fail(f"{path}:{reader.line_num}: {'there' if one else 'here'} is empty", USAGE)
            rows.append(_Row(one, other, reader.line_num))
    except csv.Error as error:
        fail(f"{path}:{reader.line_num}: {error}", USAGE)
    if not rows:
        fail(f"{path} holds no pairs", USAGE)
    return rows


def _tie(
    wiring: Wiring, connector: Connector, rows: list[_Row], initial: Policy | None, *, dry: bool, quiet: bool
) -> None:
    from workers.behalf import on_behalf_of
    from workers.operating.adopting import adopt, look

    desk, inbox = _patient(wiring.desk()), wiring.inbox()
    with (
        progressing(quiet=quiet or not errors.is_terminal, where=errors) as progress,
        on_behalf_of(connector.uid, lane="backfill"),
    ):
        bar = progress.add_task("pairs compared:", total=len(rows))
        for row in rows:
            try:
                row.adoption = look(desk, connector, row.here, row.there, initial=initial)
                if not dry:
                    adopt(desk, inbox, row.adoption, Actor(actor()))
                    row.linked = True
            except ConnectorError as error:
                row.problem = f"{type(error).__name__}: {error}"
            progress.advance(bar)


def _patient(desk: Desk) -> Desk:
    """Let reads wait for a limit: a table of any length is gone through."""
    plain = desk.site

    def site(connection: str, _until: float) -> Site:
        return patient(plain(connection, desk.ticks() + PATIENCE), time.monotonic() + PATIENCE, time.sleep)

    return replace(desk, site=site)


def _tell(row: _Row, connector: Connector, *, dry: bool) -> None:
    found = row.adoption
    if found is not None:
        for event in (found.here, found.there):
            say(f"{event.entity.key}  {event.data.get('title', '')}  {event.entity.url}".rstrip())
        say(f"{len(found.differs)} fields differ" if found.differs else "no field differs")
        if found.differs:
            print_table(
                ("field", "as it stands", "as the other side has it"),
                ((one.name, _short(one.now), _short(one.then)) for one in found.differs),
            )
        for note in found.notes:
            say(f"- {note}", style="yellow")
    if row.problem or found is None:
        say(f"connector: {row.problem}; nothing was changed", style="red", where=errors)
    elif dry:
        console.print("nothing was changed (--dry-run)")
    else:
        console.print("they are a pair now; " + _next(connector, found))


def _next(connector: Connector, found: Adoption) -> str:
    if found.initial is None:
        return (
            f"the next event of {found.here.entity.key} (or 'connector sync {connector.name}') brings its values over"
        )
    what = {
        Policy.FROM: f"the values of {found.here.entity.key} hold",
        Policy.TO: f"the values of {found.there.entity.key} hold",
        Policy.NEWEST: "those of the side that was changed last hold",
        Policy.UNION: "lists are merged, of the rest a person decides",
        Policy.ASK: "'connector conflicts list' asks a person for each",
    }
    return "a worker compares them: " + what[found.initial]


def _short(value: Any) -> str:
    from workers.operating.questions import spoken

    text = " ".join(spoken(value).split())
    return text if len(text) <= 60 else text[:59] + "…"


def _report(rows: list[_Row], path: Path, *, dry: bool) -> None:
    good = [row for row in rows if not row.problem and row.adoption]
    names = Counter(one.name for row in good if row.adoption for one in row.adoption.differs)
    differing = sum(1 for row in good if row.adoption and row.adoption.differs)
    told = "may be pairs (nothing was changed: --dry-run)" if dry else "are pairs now"
    say(f"{len(good)} of {len(rows)} {told}; {differing} of them differ")
    if names:
        print_table(("field", "pairs that differ in it"), names.most_common())
    for row in rows:
        if row.problem:
            say(f"{path}:{row.line}: {row.here}, {row.there}: {row.problem}", style="red", where=errors)


COMMANDS = (links, link, unlink)
