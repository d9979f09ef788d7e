"""List what is at a connection, so that a configuration is written with names that are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import click

from connector.config import Config
from connector.declare import near
from connector.listed import ASKED, KINDS, Listed, Lister
from connector.registry import SYSTEMS
from connector.suggesting import lines
from workers.cli.asking import read
from workers.cli.output import USAGE, as_json, console, fail, print_json, print_table, say
from workers.cli.parts import parts

_SHOWN_OPTIONS: Final = 8

Rows = list[Listed]


# --- asking ------------------------------------------------------------------------------------------------
def ask(config: Config, connection: str, kind: str, query: Mapping[str, str], *, quiet: bool) -> Rows:
    """Return a list of a connection; ends with what there is instead where it has no such list, or lacks a word.

    ``quiet`` shows no progress.  Raises `connector.errors` as the connection answers.
    """
    return read(connection, _found(config, connection, kind, query), kind, query, quiet=quiet)


def _found(config: Config, connection: str, kind: str, query: Mapping[str, str]) -> Lister:
    one = config.connections.get(connection)
    if one is None:
        fail(f"there is no connection {connection!r}{near(connection, config.connections)}", USAGE)
    lists = SYSTEMS[one.system].lists
    if kind not in lists:
        has = ", ".join(sorted(lists.keys() & _ASKABLE)) or "none"
        fail(f"{connection} is {SYSTEMS[one.system].title}, which has no {kind}; lists that it has: {has}", USAGE)
    lister = lists[kind]
    for name in query:
        if name not in {*lister.needs, *lister.takes}:
            takes = ", ".join(f"--{word}" for word in (*lister.needs, *lister.takes))
            fail(f"--{name} means nothing for the {kind} of {connection}; there: {takes or 'no options'}", USAGE)
    for name in lister.needs:
        if not query.get(name):
            fail(f"the {kind} of {connection} need --{name}{_ideas(config, connection, name)}", USAGE)
    return lister


def _ideas(config: Config, connection: str, name: str) -> str:
    """Say which values the configuration uses already, and which command lists them all."""
    ends = [end for one in config.connectors.values() for end in (one.source, one.target)]
    used: set[str] = set()
    for end in ends:
        if end.connection == connection:
            one = getattr(end.settings, name, None)
            used |= {*([one] if one else []), *getattr(end.settings, _MANY.get(name, name), ())}
    here = f"in use here: {', '.join(sorted(used))}; " if used else ""
    return f" ({here}all there are: connector {_MANY[name]} {connection})"


_MANY: Final = {"project": "projects", "repository": "repositories"}
_ASKABLE: Final = frozenset({"fields", "statuses", "users", "projects", "repositories", "channels"})
"""Lists that have a command of their own; the others are parts of these."""


def _current() -> Config:
    process, _ = parts()
    return process.source.current


def _query(**given: str | None) -> dict[str, str]:
    return {name: value for name, value in given.items() if value}


def _option(name: str) -> Callable[..., Any]:
    return click.option(f"--{name}", metavar=name.upper(), help=f"{ASKED[name].capitalize()}.")


# --- simple lists ---------------------------------------------------------------------------------------------
def _simple(kind: str, columns: Sequence[tuple[str, str]], *options: str) -> click.Command:
    """Make the command of a list whose rows are shown as they are; ``columns`` are (heading, fact)."""

    def run(connection: str, *, as_json: bool, **given: str | None) -> None:
        rows = ask(_current(), connection, kind, _query(**given), quiet=as_json)
        if as_json:
            print_json([_row(one) for one in rows])
        elif not rows:
            say(f"{connection} shows no {kind}{' like this' if any(given.values()) else ' to this account'}")
        else:
            print_table(
                ("name", *(heading for heading, _ in columns)),
                ((one.name, *(_cell(one, fact) for _, fact in columns)) for one in rows),
            )

    run.__doc__ = f"List {KINDS[kind]}, at CONNECTION."
    command: Callable[..., Any] = as_json(run)
    for name in reversed((*options, "search")):
        command = _option(name)(command)
    return click.command(kind)(click.argument("connection")(command))


def _cell(row: Listed, fact: str) -> str:
    value = row.id if fact == "id" else row.facts.get(fact, "")
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _row(row: Listed) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, **row.facts}


projects = _simple("projects", (("key", "key"), ("type", "type"), ("id", "id")))
repositories = _simple("repositories", (("private", "private"), ("archived", "archived"), ("may write", "writable")))
channels = _simple("channels", (("id", "id"), ("private", "private"), ("app is in it", "member")))
users = _simple("users", (("id", "id"), ("login", "login"), ("e-mail", "email")), "project", "repository")


# --- fields -------------------------------------------------------------------------------------------------------
@click.command()
@click.argument("connection")
@_option("project")
@_option("type")
@_option("repository")
@_option("issue")
@_option("search")
@as_json
def fields(connection: str, *, as_json: bool, **given: str | None) -> None:
    """List fields that a mapping may name at CONNECTION: what each takes, and a line to paste.

    For Jira say the project and type that shall be written to (Task where no type is said); with --issue also what
    can be set on an issue there is, with --search also fields that no screen shows.
    """
    rows = ask(_current(), connection, "fields", _query(**given), quiet=as_json)
    paste = lines(rows)
    if as_json:
        print_json([{**_row(one), "mapping": paste[one.id]} for one in rows])
        return
    if not rows:
        say(f"{connection} has no fields like this")
        return
    screens = any("screens" in one.facts for one in rows)
    print_table(
        ("name", "id", "type", "required", *(("on screens",) if screens else ()), "options"),
        (
            (
                one.name,
                one.id,
                one.facts.get("type", ""),
                "yes" if one.facts.get("required") else "",
                *((_screens(one),) if screens else ()),
                _options(one),
            )
            for one in rows
        ),
    )
    # Plain lines: they are copied.
    console.print("\nLines to paste below mapping: and to edit:\n")
    for line in paste.values():
        if line:
            say(f"  {line}")


def _screens(row: Listed) -> str:
    found = row.facts.get("screens")
    if row.id == "status":
        return "by transition"
    return ", ".join(found) if found else "none looked at"


def _options(row: Listed) -> str:
    options = row.facts.get("options")
    if options is None:
        return ""
    names = [str(one["name"]) for one in options]
    more = f" and {len(names) - _SHOWN_OPTIONS} more" if len(names) > _SHOWN_OPTIONS else ""
    return (", ".join(names[:_SHOWN_OPTIONS]) or "none") + more


# --- statuses -----------------------------------------------------------------------------------------------------
@click.command()
@click.argument("connection")
@_option("project")
@_option("type")
@_option("issue")
@_option("search")
@as_json
def statuses(connection: str, *, as_json: bool, **given: str | None) -> None:
    """List statuses of a project at CONNECTION, and which leads to which.

    The workflow itself is shown to administrators of the site only.  For other accounts an issue in each status is
    asked where it may go: what is found so is right, but may not be all.
    """
    config, query = _current(), _query(**given)
    rows = ask(config, connection, "statuses", {key: query[key] for key in query if key != "issue"}, quiet=as_json)
    graph = "transitions" in SYSTEMS[config.connections[connection].system].lists
    asked = {key: query[key] for key in query if key != "search"}
    ways = ask(config, connection, "transitions", asked, quiet=as_json) if graph else []
    told = {str(one.facts["from"]) for one in ways}
    untold = [] if "" in told else [one.name for one in rows if one.name not in told]
    if as_json:
        shown = [{"id": one.id, "name": one.name, **one.facts} for one in ways]
        print_json({"statuses": [_row(one) for one in rows], "transitions": shown, "not_told": untold})
        return
    if not rows:
        say(f"{connection} has no statuses like this")
        return
    print_table(
        ("name", "id", "category", "types", "leads to"),
        (
            (one.name, one.id, one.facts.get("category", ""), ", ".join(one.facts.get("types", ())), _leads(one, ways))
            for one in rows
        ),
    )
    if ways:
        say(f"Where they lead is told by {', '.join(sorted({str(one.facts['told_by']) for one in ways}))}.")
    if graph and untold:
        say(f"Not known: where {', '.join(untold)} {'lead' if len(untold) > 1 else 'leads'}; no issue is there to ask.")


def _leads(status: Listed, ways: Rows) -> str:
    """Name the statuses that one leads to, each with the transition's name where that differs."""
    found = dict.fromkeys(
        one.facts["to"] if one.facts["to"] == one.name else f"{one.facts['to']} ({one.name})"
        for one in ways
        if one.facts["from"] in {"", status.name} and one.facts["to"] != status.name
    )
    return ", ".join(found)


COMMANDS = (fields, statuses, users, projects, repositories, channels)
