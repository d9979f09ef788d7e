"""What the documents say is true: configurations load, recipes give, commands exist, generated pages are fresh."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from connector.cases import cases
from connector.loading import load
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from connector.trial import differences, tried
from workers.cli import main
from workers.cli.reference import pages
from workers.files import ready_made
from workers.tools import tools

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/templates").glob("*.md"))]
CONNECTIONS = (ROOT / "docs" / "configuration.md").read_text().partition("```yaml\n")[2].partition("```")[0]


def fences(path: Path, language: str) -> Iterator[str]:
    yield from re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


def configurations() -> Iterator[Any]:
    for path in PAGES:
        for number, text in enumerate(fences(path, "yaml")):
            if not text.startswith("mapping:") and "\ncases:" not in text:
                yield pytest.param(text, id=f"{path.name}-{number}")


def registered(text: str) -> str:
    """Return a configuration without the connections of systems that are not registered."""
    document = yaml.safe_load(text)
    known = {name: one for name, one in document["connections"].items() if one["system"] in SYSTEMS}
    return yaml.safe_dump({**document, "connections": known})


@pytest.mark.parametrize("text", list(configurations()))
def test_every_configuration_in_the_docs_loads(text: str) -> None:
    if "connections:" in text:
        texts = {"shown.yaml": registered(text)}
    else:
        template = yaml.safe_load(ready_made()[yaml.safe_load(text)["template"]])
        meant = {str(template[side]["connection"]) for side in ("from", "to")}
        if {name.partition("-")[0] for name in meant} - SYSTEMS.keys():
            pytest.skip("it is for a system that is not registered")
        document = yaml.safe_load(registered(CONNECTIONS))
        for name in meant - document["connections"].keys():
            document["connections"][name] = document["connections"][name.partition("-")[0]]
        texts = {"connections.yaml": yaml.safe_dump(document), "shown.yaml": text}
    config = load(texts, SYSTEMS, TRANSFORMS, dict(ready_made()))
    assert config.connectors or config.connections


def shown_cases() -> Iterator[Any]:
    for path in PAGES:
        for number, text in enumerate(fences(path, "yaml")):
            if "\ncases:" in text:
                yield pytest.param(text, id=f"{path.name}-{number}")


@pytest.mark.parametrize("text", list(shown_cases()))
def test_every_mapping_test_in_the_docs_passes_for_the_first_template(text: str) -> None:
    connector = "version: 1\nname: shown\ntemplate: github-to-jira\nfrom: {repositories: [a/b]}\nto: {project: WEB}\n"
    config = load(
        {"connections.yaml": registered(CONNECTIONS), "shown.yaml": connector}, SYSTEMS, TRANSFORMS, dict(ready_made())
    )
    found, problems = cases({"shown.test.yaml": text}, {"shown": "shown.yaml"})
    assert problems == []
    for one in found:
        got = tried(config, SYSTEMS, tools(), one, lambda _case, _system: ())
        assert list(differences(one.expected, got)) == [], one.name


def recipes() -> Iterator[Any]:
    page = (ROOT / "docs" / "cookbook.md").read_text()
    found = re.findall(r"^## (.+?)\n.*?```yaml\n(.*?)```\n```json\n(.*?)```", page, re.MULTILINE | re.DOTALL)
    assert len(found) == page.count("\n## "), "a recipe has a mapping and its examples"
    for title, mapping, examples in found:
        yield pytest.param(mapping, json.loads(examples), id=title)


@pytest.mark.parametrize(("mapping", "examples"), list(recipes()))
def test_every_recipe_gives_what_it_says(mapping: str, examples: list[dict[str, Any]]) -> None:
    text = "version: 1\nname: recipe\nfrom: {connection: github, repositories: [a/b]}\nto: {connection: jira, project: WEB}\n"
    config = load({"connections.yaml": registered(CONNECTIONS), "recipe.yaml": text + mapping}, SYSTEMS, TRANSFORMS, {})
    for example in examples:
        got = tools().apply(config.connectors["recipe"].mapping, example["given"])
        assert dict(got.values) == example["gives"]


def commands() -> Iterator[Any]:
    for path in PAGES:
        if path.name == "commands.md":
            continue
        inline = re.findall(r"`(connector [a-z][^`]*)`", path.read_text())
        shell = [
            line.partition("#")[0].strip()
            for text in fences(path, "sh")
            for line in text.splitlines()
            if re.match(r"(\.venv/bin/)?connector ", line)
        ]
        for line in dict.fromkeys([*inline, *shell]):
            yield pytest.param(line, id=f"{path.name}: {line}")


@pytest.mark.parametrize("line", list(commands()))
def test_every_command_in_the_docs_exists_with_its_options(line: str) -> None:
    words = shlex.split(line.partition("|")[0])[1:]
    command: click.Command = main
    context = click.Context(main, info_name="connector")
    if words[:1] == ["--home"]:
        words = words[2:]
    while isinstance(command, click.Group) and words:
        below = command.get_command(context, words[0])
        assert below is not None, f"there is no command {words[0]!r}"
        command, words = below, words[1:]
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


def test_the_generated_pages_are_fresh() -> None:
    stale = [path.name for path, text in pages(ROOT).items() if path.read_text() != text]
    assert not stale, "run: connector reference --write ."


@pytest.mark.parametrize("line", [line for text in fences(ROOT / "README.md", "sh") for line in text.splitlines()])
def test_every_make_target_in_the_readme_exists(line: str) -> None:
    for target in re.findall(r"^make ([a-z-]+)", line):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
