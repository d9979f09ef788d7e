"""Look at the versions of a connector: what decided on its writes when, and what has changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from workers.cli.output import USAGE, as_json, console, fail, print_json, print_table, say, when
from workers.cli.parts import connector_named, parts, wired

if TYPE_CHECKING:
    from connector.comparing import Difference
    from connector.config import Connector
    from workers.stores.versions import Version


@click.group()
def mapping() -> None:
    """Versions of what a connector writes by: its ends, filter, mapping, messages."""


@mapping.command()
@click.argument("connector")
@as_json
def history(connector: str, *, as_json: bool) -> None:
    """List the versions of CONNECTOR that were in force, the one used last first.

    Who owns it, its mode and its speed do not count.  The last 30 versions are kept; 'connector deliveries --settled'
    and every audit row tell by which one a delivery was made.
    """
    one, found = _known(connector)
    rows: list[dict[str, Any]] = [
        {
            "version": each.name,
            "first": each.first,
            "last": each.last,
            "delivered": each.delivered,
            "config": each.config,
            "in_force": each.name == one.made_by,
        }
        for each in found
    ]
    if as_json:
        print_json(rows)
        return
    if not rows:
        console.print(f"{connector} has delivered nothing by any version yet")
        return
    print_table(
        ("version", "first used", "last used", "delivered", "configuration", ""),
        (
            (row["version"], when(row["first"]), when(row["last"]), row["delivered"], row["config"], _mark(row))
            for row in rows
        ),
    )
    console.print(f"connector mapping diff {connector} VERSION · mapping show {connector} VERSION")


def _mark(row: dict[str, Any]) -> str:
    return "in force" if row["in_force"] else ""


@mapping.command()
@click.argument("connector")
@click.argument("before")
@click.argument("after", required=False)
@as_json
def diff(connector: str, before: str, after: str | None, *, as_json: bool) -> None:
    """Show what differs between two versions of CONNECTOR, rule by rule; AFTER is the one in force by default."""
    from connector.comparing import Said, compare

    one, found = _known(connector)
    old = _named(found, one, before)
    new = _named(found, one, after) if after else _in_force(one)
    said = [Said(connectors={connector: each.document}) for each in (old, new)]
    differences = compare(*said).connectors
    people = [
        f"mapping.{target}.people: {old.people.get(target, 'none')} → {new.people.get(target, 'none')}"
        for target in sorted({**old.people, **new.people})
        if old.people.get(target) != new.people.get(target)
    ]
    if as_json:
        print_json(_as_json(old, new, differences, people))
        return
    say(f"{old.name} → {new.name}", style="bold")
    for field in (field for difference in differences for field in difference.fields):
        say(f"  {field.words}")
    for told in people:
        say(f"  {told}")
    if not differences and not people:
        say("  nothing that it writes by has changed")


@mapping.command("show")
@click.argument("connector")
@click.argument("version")
@as_json
def show_version(connector: str, version: str, *, as_json: bool) -> None:
    """Print what a VERSION of CONNECTOR says, as YAML to paste into its file: that is the way back to it.

    Its template is merged in, so the pasted keys stand for themselves whatever the template says now.  Tables of
    people are named by their file; one that stood in the connector itself is not kept.
    """
    import yaml

    one, found = _known(connector)
    chosen = _named(found, one, version)
    if as_json:
        print_json({"version": chosen.name, "config": chosen.config, "document": chosen.document})
        return
    say(f"# {connector}, version {chosen.name}, of configuration {chosen.config}")
    click.echo(yaml.safe_dump(dict(chosen.document), sort_keys=False, allow_unicode=True), nl=False)


def _known(connector: str) -> tuple[Connector, list[Version]]:
    from workers.stores.versions import versions

    process, _ = parts(need_servers=True)
    one = connector_named(process, connector)
    return one, versions(wired(process).desk().deliveries(one))


def _in_force(one: Connector) -> Version:
    from connector.versions import kept, tables
    from workers.stores.versions import Version

    return Version(one.made_by, document=kept(one.document), people=tables(one.document))


def _named(found: list[Version], one: Connector, name: str) -> Version:
    """Return a version by its name or the beginning of it; the one in force need not have been used."""
    known = {one.made_by: _in_force(one), **{each.name: each for each in found if each.document}}
    hits = [each for each in known if each.startswith(name)]
    if not hits:
        fail(f"{one.name} has no version {name!r}; there are: {', '.join(known)}", USAGE)
    if len(hits) > 1:
        fail(f"{name!r} may be {' or '.join(hits)}", USAGE)
    return known[hits[0]]


def _as_json(old: Version, new: Version, differences: tuple[Difference, ...], people: list[str]) -> dict[str, Any]:
    fields = [field.as_json() for difference in differences for field in difference.fields]
    return {"before": old.name, "after": new.name, "fields": fields, "people": people}


COMMANDS = (mapping,)
