"""Lead a person from a template to a connector that works, question by question; nothing is written here.

The order is the one in which a mistake is found soonest: a connection is tried as soon as it is entered, places are
chosen from what it shows, and the newest item goes through the finished mapping before a file is made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from connector.config import Connection
from connector.declare import NAME
from connector.errors import ConfigError, ConnectorError, Problem, Unauthorized
from connector.grammar import AnyConnectionSchema
from connector.listed import KINDS, Listed
from connector.system import System
from workers.cli.output import say
from workers.cli.probing import Finding, show
from workers.env_file import line
from workers.setting_up.asking import Asker, Option
from workers.setting_up.draft import Draft
from workers.setting_up.forms import Blank, blanks, got, put, settled, value_of
from workers.setting_up.given import Given, Template, back, declared, fill, fitting, system_named, variables, way_of
from workers.setting_up.trial import Trial, inside, network_of
from workers.settings import Settings
from workers.wire import tls

_NEW: Final = "+"
_OTHER: Final = "+"
_AGAIN: Final = "again"
_KEEP: Final = "keep"
_STOP: Final = "stop"


class GivenUp(Exception):
    """The person does not want to go on; nothing is written."""


@dataclass(slots=True)
class Interview:
    """One run of questions; what is answered gathers in ``draft``."""

    ask: Asker
    draft: Draft
    settings: Settings
    given: Given
    refused: set[str] = field(default_factory=set)
    """Variables of the environment whose credential did not do."""

    # --- connections ----------------------------------------------------------------------------------------
    def connection(self, side: str, template: Template, name: str) -> str:
        """Return the connection for one end: one that is there, or a new one that has been tried.

        ``name`` is the one that was asked for on the command line, "" where none was.
        """
        word = str(template[side]["connection"])
        system = system_named(word)
        there = self.draft.config().connections
        if name in there:
            return name
        known = fitting(there, system.name)
        if known and not name:
            options = [*(Option(one, one) for one in known), Option(_NEW, "a new connection")]
            # A template that calls for a second one of a system means it.
            default = word if word in there else known[0] if word == system.name else _NEW
            chosen = self.ask.choose(f"Which {system.title} ({_SIDES[side]})", options, default=default)
            if chosen != _NEW:
                return chosen
        elif not name:
            say(f"\n{system.title} ({_SIDES[side]})", style="bold")
        if not name:
            name = word if word not in there else self._name("Name of the new connection", "", there)
        self._enter(name, system)
        return name

    def _enter(self, name: str, system: System) -> None:
        given = self.given.under(name)
        title, members, sure = way_of(system, given)
        answers: dict[str, str] = {}
        while True:
            if not sure:
                title = self.ask.choose("Which one", [Option(one, one) for one in system.ways], default=title)
                members = system.ways[title]
            document: dict[str, Any] = {"system": system.name, **settled(system.connection, members)}
            for use, scopes in system.needs.items():
                if use != "may":
                    say(f"to {use}, the credential needs {', '.join(scopes).replace('|', ' or ')}", style="dim")
            schemas = (system.connection, AnyConnectionSchema)
            raise_all(fill(document, name, schemas, given))
            form = list(blanks(system.connection, members, name=name, system=system.name))
            for blank in form:
                if got(document, blank.path) is None:
                    self._fill(document, blank, answers)
            self.draft.connections[name] = _ordered(document)
            self._permit_inside(name)
            findings = self._tried(name)
            if not any(one.word == "problem" for one in findings) or self._what_now(findings) == _KEEP:
                return
            if any(one.text.startswith(Unauthorized.__name__) for one in findings):
                asked = {self._variable(one.variable) for one in form if one.variable and not one.group}
                self.refused |= asked - self.draft.secrets.keys()
            for variable in variables(document):
                self.draft.secrets.pop(variable, None)

    def _tried(self, name: str) -> list[Finding]:
        """Ask a connection who we are; where nobody known signed its certificate, let a person say who did."""
        while True:
            say(f"asking {name} ...", style="dim")
            findings = Trial.of(self.draft, self.settings).probe(name)
            show(findings)
            if not any("http.ca_file" in one.text for one in findings):
                return findings
            question = "File with the certificates of your own authority (empty: none)"
            path = self.ask.text(question, default="", check=_unreadable)
            if not path:
                return findings
            put(self.draft.connections[name], ("http", "ca_file"), str(Path(path).expanduser().resolve()))

    def _fill(self, document: dict[str, Any], blank: Blank, answers: dict[str, str]) -> None:
        question = f"{blank.name}: {blank.meaning}".rstrip(" .:")
        if not blank.variable:
            hint = f" (such as {_plain(blank.example)})" if blank.name not in answers else ""
            answer = self.ask.text(question + hint, default=answers.get(blank.name, ""), check=blank.objection)
            if answer:
                answers[blank.name] = answer
                put(document, blank.path, value_of(blank.field, answer))
            return
        variable = self._variable(blank.variable)
        if os.environ.get(variable) and variable not in self.draft.secrets:
            say(f"{blank.name}: taken from the environment variable {variable}")
        else:
            optional = " (empty: none)" if blank.group else ""
            secret = self.ask.secret(f"{question}{optional}", check=lambda text: _unfit(blank, text))
            if not secret:
                return
            self.draft.secrets[variable] = secret
        put(document, blank.path, f"env:{variable}")

    def _variable(self, wanted: str) -> str:
        """Return the variable for a credential: the environment wins over ``.env``, so one that did not do is left."""
        found, number = wanted, 2
        while found in self.refused:
            found, number = f"{wanted}_{number}", number + 1
        return found

    def _permit_inside(self, name: str) -> None:
        """Let a person permit what the guard against forged addresses refuses: an own, private network."""
        connection: Connection = self.draft.config().connections[name]
        found = inside(connection)
        if not found:
            return
        told = f"{', '.join(found)} lies inside a private network, which no connection may reach unless it says so."
        say(told, style="yellow")
        if self.ask.confirm(f"May {name} reach it", default=True):
            ranges = [*connection.http.private_addresses, *map(network_of, found)]
            put(self.draft.connections[name], ("http", "private_addresses"), ranges)

    def _what_now(self, findings: list[Finding]) -> str:
        options = [
            Option(_AGAIN, "enter it again"),
            Option(_KEEP, "keep it as it is, I will mend it later"),
            Option(_STOP, "stop here; nothing is written"),
        ]
        problems = sum(one.word == "problem" for one in findings)
        chosen = self.ask.choose(f"{problems} problem{'s' if problems > 1 else ''}", options, default=_AGAIN)
        if chosen == _STOP:
            raise GivenUp
        return chosen

    # --- connectors -----------------------------------------------------------------------------------------
    def connector(self, template_name: str, template: Template, names: Mapping[str, str], name: str) -> str:
        """Ask for both ends and the name of a connector; ``names`` are those of its connections by side."""
        ends: dict[str, dict[str, Any]] = {}
        for side in ("from", "to"):
            say(f"\n{_SIDES[side].capitalize()}: {names[side]}", style="bold")
            ends[side] = {"connection": names[side], **self._end(side, template, names[side])}
        taken = self.draft.config().connectors
        if not name:
            proposed = template_name
            number = 2
            while proposed in taken:
                proposed, number = f"{template_name}-{number}", number + 1
            name = self._name("Name of the connector", proposed, taken)
        self.draft.connectors[name] = {"template": template_name, "mode": "shadow", **ends, **back(template, ends)}
        return name

    def _end(self, side: str, template: Template, connection: str) -> dict[str, Any]:
        system = system_named(str(template[side]["connection"]))
        schema, example = declared(system, side)
        document: dict[str, Any] = {}
        raise_all(fill(document, side, (schema,), self.given.under(side)))
        said = {key: value for key, value in template[side].items() if key != "connection"}
        for blank in blanks(schema, {**example, **said}, name=connection, system=system.name):
            if got(document, blank.path) is not None:
                continue
            default = said.get(blank.path[0])
            value = self._place(blank, connection, {**said, **document}, str(default or ""))
            if value != default:
                put(document, blank.path, value)
        return document

    def _place(self, blank: Blank, connection: str, known: Mapping[str, Any], default: str) -> Any:
        rows: list[Listed] = []
        if blank.chosen is not None:
            rows = self._rows(blank.chosen[0], connection, known)
        question = f"{blank.name}: {blank.meaning}".rstrip(" .")
        if not rows or blank.chosen is None:
            hint = "" if default else f" (such as {_plain(blank.example)})"
            return value_of(blank.field, self.ask.text(question + hint, default=default, check=blank.objection))
        options = [Option(_word(row, blank.chosen[1]), _shown(row)) for row in rows]
        if blank.many:
            return self.ask.choose_many(question, options)
        if default not in {one.value for one in options}:
            default = ""
        return self.ask.choose(question, options, default=default)

    def _rows(self, kind: str, connection: str, known: Mapping[str, Any]) -> list[Listed]:
        query = {name: value for name, value in known.items() if isinstance(value, str)}
        trial = Trial.of(self.draft, self.settings)
        try:
            rows, more = trial.rows(connection, kind, query)
            while more:
                word = self.ask.text(f"There are very many {kind}; a part of the name", default="", check=_any_word)
                rows, more = trial.rows(connection, kind, {**query, "search": word})
        except ConnectorError as error:
            say(f"{KINDS.get(kind, kind)} cannot be listed: {error}", style="yellow")
            return []
        return [row for row in rows if row.facts.get("archived") is not True]

    def _name(self, question: str, proposed: str, taken: Collection[str]) -> str:
        def check(given: str) -> str:
            if not re.fullmatch(NAME, given):
                return "must start with a letter and hold only a-z, 0-9 and -, at most 40 characters"
            return f"there is a {given!r} already" if given in taken else ""

        return self.ask.text(question, default=proposed, check=check)

    # --- the end ----------------------------------------------------------------------------------------------
    def look(self, connector: str, shows: Callable[[Any], None]) -> None:
        """Show what the places and one real item make of the connector; what is wrong is told and may be kept."""
        trial = Trial.of(self.draft, self.settings)
        say("\nlooking at the places and the newest item ...", style="dim")
        findings = trial.ends(connector)
        show(one for one in findings if one.word != "ok")
        try:
            tried = trial.preview(connector)
        except ConnectorError as error:
            say(f"no item can be shown: {error}", style="yellow")
            return
        if tried is None:
            say("the source holds no item yet; preview one when there is", style="yellow")
        elif tried.preview is not None:
            shows(tried.preview)
        else:
            say(f"{tried.event.entity.key} would fail: {tried.verdict()[1]}", style="yellow")


_SIDES: Final = {"from": "where events come from", "to": "where changes go"}


def raise_all(problems: list[Problem]) -> None:
    """Raise `ConfigError` where there are problems."""
    if problems:
        raise ConfigError(tuple(problems))


def _ordered(document: dict[str, Any]) -> dict[str, Any]:
    """Return a connection with its members in the order that people look for them."""
    first = [key for key in ("system", "flavour", "url", "auth", "webhook", "http") if key in document]
    return {key: document[key] for key in (*first, *(key for key in document if key not in first))}


def _unfit(blank: Blank, secret: str) -> str:
    if not secret:
        return blank.objection(secret)
    try:
        line(blank.variable, secret)
    except ValueError as error:
        return str(error)
    return ""


def _unreadable(path: str) -> str:
    if not path:
        return ""
    try:
        tls(str(Path(path).expanduser()))
    except OSError as error:
        return f"{path} holds no certificates: {error.strerror or error}"
    return ""


def _plain(example: Any) -> str:
    return ", ".join(map(str, example)) if isinstance(example, list | tuple) else str(example)


def _any_word(given: str) -> str:
    return "" if given else "is needed"


def _word(row: Listed, word: str) -> str:
    return str(row.facts.get("key") or row.id) if word == "key" else getattr(row, word)


def _shown(row: Listed) -> str:
    key = str(row.facts.get("key", ""))
    told = [name for name in ("private", "subtask") if row.facts.get(name)]
    told += ["the app is not in it"] if row.facts.get("member") is False else []
    name = f"{key}  {row.name}" if key and key != row.name else row.name
    return f"{name}  ({', '.join(told)})" if told else name
