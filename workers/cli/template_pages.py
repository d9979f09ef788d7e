"""Write the page of each ready-made connector from its file: docs/templates/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import yaml

GENERATED: Final = "Generated from the templates by `connector reference --write .`; edit those instead.\n"


def template_pages(templates: Mapping[str, bytes], tests: Mapping[str, bytes]) -> dict[str, str]:
    """Return the pages: name of the file in docs/templates -> Markdown.

    ``templates`` and ``tests`` map a template's name to its YAML and to its mapping tests.  A template begins with
    a comment that says what it does; what is indented there is the YAML that a user writes.
    """
    rows = "".join(
        f"| [{name}]({name}.md) | {yaml.safe_load(text)['description']} |\n" for name, text in sorted(templates.items())
    )
    index = (
        f"# Templates\n\n{GENERATED}\nA connector that names a `template:` takes everything from it that it does not "
        "say itself: a key that stands in both is yours, tables (`mapping:`, `from:`, `to:`) are merged key by key, "
        f"and `null` takes a key away.\n\n| template | what it does |\n|---|---|\n{rows}"
    )
    return {"index.md": index} | {f"{name}.md": page(name, text, tests.get(name)) for name, text in templates.items()}


def page(name: str, template: bytes, tests: bytes | None) -> str:
    """Return the page of one template."""
    text = template.decode()
    head = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        head.append(line[1:].removeprefix(" "))
    whole = text.split("\n", len(head))[-1]
    document = yaml.safe_load(text)
    held = ""
    if tests is not None:
        cases = "".join(f"- {case['name']}\n" for case in yaml.safe_load(tests)["cases"])
        held = (
            "\n## What its mapping tests hold\n"
            "They come with it; write your own beside your connector ([mapping tests](../mapping-tests.md)).\n\n"
            f"{cases}"
        )
    return (
        f"# {name}\n\n{GENERATED}\n" + "\n".join(_fenced(head)) + "\n\n## The whole of it\n"
        "Each key is explained in the [reference](../reference.md); what can be written in `mapping:` is shown in the "
        f'[cookbook](../cookbook.md).\n\n```yaml title="{name}.yaml"\n{whole.rstrip()}\n```\n{held}'
        "\n## What is lost on the way\n"
        f"Texts come from `{document['from']['connection']}` and go to `{document['to']['connection']}`: "
        "[rich text](../rich-text.md) tells what becomes of each construct. What is lost of one item is told before "
        "anything is sent: `connector preview CONNECTOR ITEM`.\n"
    )


def _fenced(lines: list[str]) -> Iterator[str]:
    """Yield the lines with what is indented as a YAML fence."""
    inside = False
    for line in lines:
        indented = line.startswith("  ")
        if indented and not inside:
            yield "```yaml"
        if inside and not indented:
            yield "```"
        inside = indented
        yield line[2:] if indented else line
    if inside:
        yield "```"


__all__ = ["page", "template_pages"]
