"""Set up a connector: by questions on a terminal, by flags in a script, or as example files to fill in."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import yaml

from connector.errors import ConfigError, Problem
from connector.gathering import TESTS
from workers.cli.output import FAILED, USAGE, console, fail, print_table, say

if TYPE_CHECKING:
    from workers.setting_up.draft import Draft
    from workers.setting_up.given import Given
    from workers.settings import Settings

FIRST: Final = "github-to-jira"
"""The template of who names none."""


@click.command()
@click.option("--template", "names", multiple=True, help="A ready-made connector to start from; may be repeated.")
@click.option("--list", "listing", is_flag=True, help="List the ready-made connectors.")
@click.option("--name", default="", help="Name of the connector; that of its template otherwise.")
@click.option("--from", "source", default="", metavar="CONNECTION", help="The connection that events come from.")
@click.option("--to", "target", default="", metavar="CONNECTION", help="The connection that changes go to.")
@click.option(
    "--set",
    "pairs",
    multiple=True,
    metavar="WORD.PATH=VALUE",
    help="An answer: of a connection (jira.url=https://...) or an end (to.project=WEB); may be repeated.",
)
@click.option("--yes", is_flag=True, help="Ask nothing: take what --set and the environment say, try it, write it.")
@click.option("--no-probe", is_flag=True, help="With --yes: write without asking the systems anything.")
@click.option(
    "--ask/--no-ask",
    default=None,
    help="Ask questions (default on a terminal), or write example files to fill in (default elsewhere).",
)
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
def init(
    folder: Path | None,
    names: tuple[str, ...],
    *,
    name: str,
    source: str,
    target: str,
    pairs: tuple[str, ...],
    listing: bool,
    yes: bool,
    no_probe: bool,
    ask: bool | None,
) -> None:
    """Set up a connector in FOLDER: connections, credentials, places; what is there already is never overwritten.

    On a terminal it asks, tries each connection, lets you choose projects, repositories and channels from lists,
    shows what the newest item would become, and writes everything at the end: YAML files, and credentials into
    .env.  Run it again to add a connector.  In scripts --yes takes answers from --set and credentials from the
    environment; without a terminal and without --yes it writes example files.
    """
    from workers.files import ready_made
    from workers.setting_up.given import Given

    known = {one: text.decode() for one, text in ready_made().items()}
    if listing:
        print_table(("template", "what it does"), ((one, _headline(text)) for one, text in sorted(known.items())))
        return
    for one in names:
        if one not in known:
            fail(f"there is no template {one!r}; there are: {', '.join(sorted(known))}", USAGE)
    templates = {one: yaml.safe_load(text) for one, text in known.items()}
    asks = ask if ask is not None else (not yes and sys.stdin.isatty() and sys.stdout.isatty())
    if yes and ask:
        fail("--yes asks nothing, so --ask contradicts it", USAGE)
    if not (asks or yes):
        if pairs or name or source or target:
            fail("--set, --name, --from and --to need a terminal to ask for the rest, or --yes", USAGE)
        _examples(folder or _home(), names or (FIRST,), templates)
        return
    if len(names) > 1:
        fail("one template at a time; run it again to add the next", USAGE)
    made = _Making(folder or _home(), Given.of(pairs), name, {"from": source, "to": target})
    try:
        if yes:
            made.by_script(names[0] if names else FIRST, templates, probed=not no_probe)
        else:
            made.by_questions(names[0] if names else "", templates)
    except (KeyboardInterrupt, click.Abort):
        console.print()
        fail("stopped; nothing was written")


def _home() -> Path:
    return Path(os.environ.get("CONNECTOR_HOME") or ".")


def _headline(text: str) -> str:
    return next((line.lstrip("# ") for line in text.splitlines() if line.startswith("#")), "")


class _Making:
    """One connector in the making: where it goes, and what was said of it."""

    def __init__(self, folder: Path, given: Given, name: str, names: Mapping[str, str]) -> None:
        from connector.declare import NAME
        from workers.env_file import filled
        from workers.setting_up.draft import Draft
        from workers.settings import Settings

        for word in (name, *names.values()):
            if word and NAME.fullmatch(word) is None:
                fail(f"{word!r} must start with a letter and hold only a-z, 0-9 and -, at most 40 characters", USAGE)
        os.environ["CONNECTOR_HOME"] = str(folder)
        self.settings: Settings = Settings.from_environment(filled(os.environ))
        self.draft: Draft = Draft(self.settings.home, self.settings.config)
        self.given, self.name, self.names = given, name, dict(names)
        config = self.draft.config()
        self.there = config.connections
        if name in config.connectors:
            fail(f"there is a connector {name!r} already; give another --name, or edit its file", USAGE)
        self.taken = config.connectors

    # --- questions ------------------------------------------------------------------------------------------
    def by_questions(self, template: str, templates: Mapping[str, Any]) -> None:
        """Ask, try, show, and write what is agreed to."""
        from workers.cli.look import print_preview
        from workers.setting_up.asking import Option, asker
        from workers.setting_up.interview import GivenUp, Interview

        ask = asker()
        say(f"Setting up in {self.settings.home}; nothing is written before the end.")
        if not template:
            options = [Option(one, f"{one}: {document['description']}") for one, document in sorted(templates.items())]
            template = ask.choose("What do you want to connect", options, default=FIRST)
        interview = Interview(ask, self.draft, self.settings, self.given)
        try:
            for side in ("from", "to"):
                self.names[side] = interview.connection(side, templates[template], self.names[side])
            self._refuse_unknown()
            name = interview.connector(template, templates[template], self.names, self.name)
            interview.look(name, print_preview)
        except GivenUp:
            fail("stopped; nothing was written")
        say("")
        for path in self.draft.planned():
            say(f"  {path}")
        if not ask.confirm("Write these files", default=True):
            fail("nothing was written")
        self._write(name)

    # --- flags ----------------------------------------------------------------------------------------------
    def by_script(self, template: str, templates: Mapping[str, Any], *, probed: bool) -> None:
        """Take everything from flags and the environment; all that is missing is told at once, and nothing written."""
        from workers.setting_up import given

        document, problems = templates[template], list[Problem]()
        ends: dict[str, Any] = {}
        for side in given.ENDS:
            word = str(document[side]["connection"])
            system = given.system_named(word)
            fitting = given.fitting(self.there, system.name)
            # A template that calls for a second one of a system means it.
            meant = word if word in self.there or word != system.name or not fitting else ""
            name = self.names[side] or meant or (fitting[0] if len(fitting) == 1 else "")
            if not name:
                told = f"is needed, there are several connections to {system.title}: {', '.join(fitting)}"
                problems.append(Problem(f"--{side}", 0, "", told))
                continue
            if name not in self.there and name not in self.draft.connections:
                self.draft.connections[name], wrong = given.connection(name, system, self.given.under(name))
                problems += wrong
            self.names[side] = name
            place, wrong = given.end(side, system, document, self.given.under(side))
            problems += wrong
            ends[side] = {"connection": name, **place}
        problems += self.given.unknown((*given.ENDS, *self.draft.connections))
        if probed:
            problems += given.lacking(list(self.draft.connections.values()), os.environ)
        if problems:
            raise ConfigError(tuple(problems))
        name = self.name or template
        if name in self.taken:
            fail(f"there is a connector {name!r} already; give --name", USAGE)
        self.draft.connectors[name] = {"template": template, "mode": "shadow", **ends, **given.back(document, ends)}
        self.draft.config()
        if probed:
            self._probe(name)
        self._write(name)

    def _probe(self, connector: str) -> None:
        from workers.cli.probing import show
        from workers.setting_up.trial import Trial

        trial = Trial.of(self.draft, self.settings)
        findings = [one for name in dict.fromkeys(self.names.values()) for one in trial.probe(name)]
        if not any(one.word == "problem" for one in findings):
            findings += trial.ends(connector)
        show(findings)
        if any(one.word == "problem" for one in findings):
            fail("what is set up would not work; nothing was written (--no-probe writes it all the same)", FAILED)

    # --- both -----------------------------------------------------------------------------------------------
    def _refuse_unknown(self) -> None:
        from workers.setting_up.given import ENDS

        if problems := self.given.unknown((*ENDS, *self.draft.connections)):
            raise ConfigError(tuple(problems))

    def _write(self, name: str) -> None:
        from workers.settings import ConfigSource

        for path in self.draft.write():
            console.print(f"wrote {path}")
        at = "" if self.settings.home == Path.cwd() else f" --home {self.settings.home}"
        follows = self.settings.config_source is ConfigSource.STORE
        console.print(
            f"Next:  connector{at} preview {name} --last 10\n"
            f"       connector{at} {'apply' if follows else 'up'}\n"
            f"{name} starts in shadow mode: it plans and shows, and writes nothing until connector promote {name}."
        )


# --- examples ------------------------------------------------------------------------------------------------
def _examples(folder: Path, chosen: tuple[str, ...], templates: Mapping[str, Any]) -> None:
    """Write files to fill in; asks nobody, neither a person nor a system."""
    from workers.files import ready_made_cases
    from workers.setting_up.given import back, system_named, variables

    tests = ready_made_cases()
    ends = {name: templates[name] for name in chosen}
    wanted = sorted({str(end[side]["connection"]) for end in ends.values() for side in ("from", "to")})
    systems = {name: system_named(name) for name in wanted}
    connections = {
        name: {"system": one.name, **_named(one.example["connection"], name, one.name)} for name, one in systems.items()
    }
    main = {"version": 1, "instance": "main", "connections": connections}
    files = {folder / "connections" / "main.yaml": _yaml(main)}
    for name, end in ends.items():
        here, there = (systems[str(end[side]["connection"])].example for side in ("from", "to"))
        document: dict[str, Any] = {
            "version": 1,
            "name": name,
            "template": name,
            "mode": "shadow",
            "from": {"connection": end["from"]["connection"], **here["source"]},
            "to": {"connection": end["to"]["connection"], **there["target"]},
        }
        if end.get("direction") == "two-way":
            document["back"] = {"from": dict(there["source"]), "to": dict(here["target"])}
        files[folder / "connectors" / f"{name}.yaml"] = _yaml({**document, **back(end, document)})
        if name in tests:
            files[folder / "connectors" / f"{name}{TESTS[0]}"] = tests[name].decode()
    env = "".join(f"{name}=\n" for name in sorted(set(variables(connections))))
    files[folder / ".env.example"] = "# Copy to .env, chmod 600, fill in.\n" + env
    for path, text in files.items():
        if path.exists():
            say(f"kept {path}, it is there already", style="yellow")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        console.print(f"wrote {path}")
    console.print(
        "Next: put your site, projects and channels into these files and the credentials into .env,\n"
        "then: connector check --live, connector preview CONNECTOR ITEM, connector up.\n"
        "Everything starts in shadow mode: it plans and shows, and writes nothing until connector promote NAME.\n"
        "On a terminal 'connector init' asks for all of this instead."
    )


def _named(value: Any, name: str, system: str) -> Any:
    """Return a copy of an example with the credentials named after their connection."""
    from workers.setting_up.forms import variable_for

    match value:
        case dict():
            return {key: _named(one, name, system) for key, one in value.items()}
        case str() if value.startswith("env:"):
            return f"env:{variable_for(value.removeprefix('env:'), name, system)}"
        case _:
            return value


def _yaml(document: Any) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


COMMANDS = (init,)
