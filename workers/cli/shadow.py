"""Look at what a connector in shadow mode would have done."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
from marshmallow import ValidationError

from connector.declare import Duration
from workers.cli.output import USAGE, as_json, fail, print_json, print_table, say, when
from workers.cli.parts import connector_named, parts, wired

if TYPE_CHECKING:
    from workers.operating.fidelity import Fidelity


@click.group()
def shadow() -> None:
    """Shadow mode: everything but the last call, and what would have come of it."""


@shadow.command("report")
@click.argument("connector")
@click.option("--since", default="14d", show_default=True, metavar="SPAN", help="How far to look back: 90m, 24h, 7d.")
@click.option("--markdown", is_flag=True, help="Print Markdown, for the file of a pilot or a ticket.")
@as_json
def report_(connector: str, since: str, *, markdown: bool, as_json: bool) -> None:
    """Show what CONNECTOR would have written, field by field, what would have failed, and what it would cost.

    An item that is changed ten times counts as one create and nine updates, as it would be live.  Counts are kept by
    the hour, for 14 days; values are not kept at all.
    """
    from workers.operating import fidelity

    if markdown and as_json:
        fail("give either --markdown or --json", USAGE)
    back = span(since)
    process, _ = parts(need_servers=True)
    one = connector_named(process, connector)
    found = fidelity.fidelity(wired(process).desk(), one, back)
    if as_json:
        print_json({**found.as_json(), "mode": one.mode.value})
    elif markdown:
        click.echo(fidelity.markdown(found), nl=False)
    else:
        show(found)
        if not found.events:
            say(f"its mode is {one.mode.value}; events come by webhook, or with the next poll")


def span(text: str) -> timedelta:
    """Read a time span; ends where it is none, or longer than reports go back."""
    from workers.operating.fidelity import LONGEST

    try:
        return Duration(least=timedelta(minutes=1), most=LONGEST).deserialize(text)
    except ValidationError as error:
        fail(f"--since {text}: {error.messages[0]}", USAGE)


def show(found: Fidelity) -> None:
    """Print a report for people."""
    from workers.operating.fidelity import VERDICTS, refusals, summary

    first, *rest = summary(found)
    say(first, style="bold")
    for line in rest:
        say(line)
    columns = (*VERDICTS, "lost")
    _table(
        "fields",
        ("field", *columns),
        [(name, *(verdicts[column] for column in columns)) for name, verdicts in found.fields.items()],
    )
    _table("refused: these would have become dead letters", ("error", "events"), refusals(found))
    _table("lost", ("what", "events"), found.losses.items())
    _table("skipped", ("why", "events"), found.skipped.items())
    shown = [one for one in found.examples if one["outcome"] == "refused" or "conflict" in one["fields"].values()][:10]
    _table("examples", ("at", "item", "why"), [(when(one["at"]), one["key"], _why(one)) for one in shown])


def _why(example: Any) -> str:
    conflicts = [name for name, verdict in example["fields"].items() if verdict == "conflict"]
    return str(example["why"]) or f"changed in the target meanwhile: {', '.join(conflicts)}"


def _table(title: str, columns: tuple[str, ...], rows: Any) -> None:
    if rows:
        print_table(columns, rows, title=title)


COMMANDS = (shadow,)
