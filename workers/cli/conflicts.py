"""Show and decide what a person must: fields of two-way connectors that both sides changed."""

from __future__ import annotations

import json
from typing import Any

import click

from workers.cli.look import actor
from workers.cli.output import USAGE, as_json, console, fail, print_json, print_table, say
from workers.cli.parts import connector_named, parts, wired
from workers.operating.acting import Actor
from workers.operating.questions import Question, decide, questions, spoken


@click.group()
def conflicts() -> None:
    """Conflicts: fields of two-way connectors that a person must decide."""


def _open(connector: str | None) -> list[Question]:
    process, _ = parts(need_servers=True)
    chosen = [connector_named(process, connector)] if connector else process.source.current.connectors.values()
    return list(questions(wired(process).desk(), chosen))


@conflicts.command("list")
@click.argument("connector", required=False)
@as_json
def list_conflicts(connector: str | None, *, as_json: bool) -> None:
    """List the fields that wait for a person, with the values of both sides."""
    found = _open(connector)
    if as_json:
        print_json([one.as_json() for one in found])
        return
    if not found:
        console.print("nothing waits for a person")
        return
    print_table(
        ("connector", "source", "target", "field", "at the source", "at the target", "when they agreed", "since"),
        (
            (
                one.connector.name,
                one.pair.source_key,
                one.pair.key,
                one.conflict.name,
                _short(one.conflict.wants),
                _short(one.conflict.holds),
                _short(one.conflict.held) if one.conflict.held is not None else "never",
                one.conflict.at[:16].replace("T", " "),
            )
            for one in found
        ),
    )
    for why in dict.fromkeys(one.why for one in found):
        say(f"- {why}")
    console.print("decide: connector conflicts decide CONNECTOR ITEM FIELD --take from|to, or --value TEXT")


def _short(value: Any) -> str:
    text = " ".join(spoken(value).split())
    return text if len(text) <= 60 else text[:59] + "…"


@conflicts.command("decide")
@click.argument("connector")
@click.argument("item")
@click.argument("field")
@click.option("--take", type=click.Choice(["from", "to"]), help="Let the source's (from) or the target's value hold.")
@click.option("--value", help="Let a third value hold at both sides: text, or JSON.")
def decide_conflict(connector: str, item: str, field: str, take: str | None, value: str | None) -> None:
    """Decide FIELD of the pair that ITEM (a key of either side) belongs to; a worker carries it out."""
    if (take is None) is (value is None):
        fail("say either --take from, --take to or --value", USAGE)
    process, _ = parts(need_servers=True)
    connector_named(process, connector)
    of_item = [one for one in _open(connector) if one.concerns(item)]
    found = [one for one in of_item if one.conflict.name.casefold() == field.casefold()]
    if not found:
        waiting = ", ".join(one.conflict.name for one in of_item) or "nothing"
        fail(f"{field} of {item} is no open question of {connector}; of {item} there waits: {waiting}", USAGE)
    wiring = wired(process)
    decide(
        wiring.desk(),
        wiring.inbox(),
        found[0],
        Actor(actor()),
        take=take or "value",
        value=_value(value) if value is not None else None,
    )
    console.print(f"decided: {found[0].conflict.name} of {found[0].pair.source_key} and {found[0].pair.key}")


def _value(text: str) -> Any:
    """Take JSON that is a list, an object or null as such, and all else as Markdown."""
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    return found if found is None or isinstance(found, list | dict) else text


COMMANDS = (conflicts,)
