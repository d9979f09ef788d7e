# ruff: noqa: INP001  - mkdocs loads it by its path, nobody imports it
"""Bring into the site what is kept elsewhere in the project, and turn the links to it.

A page is written once, where those who look at the files expect it: README.md at the top, a system's README in
its folder. Links in it are those of the repository; here they become those of the site. A link to a file that is
no page (a program, a dashboard) becomes its path, since the site does not know where the repository is shown.
"""

import posixpath
import re
from pathlib import Path, PurePosixPath
from urllib.parse import urldefrag

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from connector.reference import system_reference
from connector.registry import SYSTEMS
from connector.system import System

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "deploy/runbook.md": "runbook.md",
    **{
        path.relative_to(ROOT).as_posix(): f"systems/{path.parent.name}.md"
        for path in sorted(ROOT.glob("connector/systems/*/README.md"))
    },
}
"""Path in the project -> path in the site."""
HOME = {there: here for here, there in ELSEWHERE.items()}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
CODE_BLOCK = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
LIST = re.compile(r"^((?![-*|#>\s]|\d+\. ).+)\n(?=[-*] |1\. )", re.MULTILINE)
CODE = re.compile(r"(^```.*?^```$|`[^`\n]*`)", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List every decision in the navigation, by its title."""
    decisions = next(
        under["Decisions"]
        for part in config.nav
        for below in part.values()
        for under in below
        if isinstance(under, dict) and "Decisions" in under
    )
    decisions += [f"decisions/{path.name}" for path in sorted((ROOT / "docs" / "decisions").glob("0*.md"))]
    return config


def parted(markdown: str) -> str:
    """Put a blank line before each list: GitHub needs none after a paragraph, Python-Markdown does."""
    parts = CODE_BLOCK.split(markdown)
    return "".join(part if at % 2 else LIST.sub(r"\1\n\n", part) for at, part in enumerate(parts))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are kept elsewhere; that of a system gets what its declarations say."""
    for here, there in ELSEWHERE.items():
        text = (ROOT / here).read_text(encoding="utf-8")
        if there.startswith("systems/"):
            text += declared(SYSTEMS[PurePosixPath(there).stem])
        files.append(File.generated(config, there, content=text))
    return files


def declared(system: System) -> str:
    """Return what a manifest says: scopes, what polls do not see, and every key with its type."""
    scopes = {"read": "to be read", "write": "to be written to", "may": "of use, not needed"}
    rows = "".join(
        f"| {meaning} | {', '.join(f'`{one}`'.replace('|', '` or `') for one in system.needs[use])} |\n"
        for use, meaning in scopes.items()
        if system.needs.get(use)
    )
    table = f"\n## Scopes that are checked\n\n| for | scopes |\n|---|---|\n{rows}" if rows else ""
    blind = "".join(f"- {one}\n" for one in system.blind_spots)
    unseen = f"\n## What polling alone does not see\n\n{blind}" if blind else ""
    return f"{table}{unseen}\n{system_reference(system)}\n"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of one page."""
    del config
    markdown = parted(markdown)
    there = page.file.src_uri
    home = posixpath.dirname(HOME.get(there, f"docs/{there}"))
    known = {file.src_uri for file in files}

    def turned(found: re.Match[str]) -> str:
        picture, words, target = found.groups()
        path, anchor = urldefrag(target)
        if not path or re.match(r"[a-z]+:", path):
            return found[0]
        at = posixpath.normpath(posixpath.join(home, path))
        to = ELSEWHERE.get(at, at.removeprefix("docs/") if at.startswith("docs/") else "")
        if to in known:
            way = posixpath.relpath(to, posixpath.dirname(there) or ".")
            return f"{picture}[{words}]({way}{f'#{anchor}' if anchor else ''})"
        # What is not in the project either stays, and fails the build.
        return f"{words} (`{at}`)" if (ROOT / at).exists() else found[0]

    # Code may look like a link.  It stays as it is, except in the words of a link.
    parts, last = [], 0
    spans = [(one.start(), one.end()) for one in CODE.finditer(markdown)]
    for found in LINK.finditer(markdown):
        if any(start <= found.start() and found.end() <= end for start, end in spans):
            continue
        parts += [markdown[last : found.start()], turned(found)]
        last = found.end()
    return "".join([*parts, markdown[last:]])
