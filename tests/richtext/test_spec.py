"""GitHub's own renderer shows every example of its Markdown specification the same after we read and wrote it.

The examples come from the source package of marko, which ships the specification; where that lies is
told by ``CONNECTOR_MARKDOWN_SPEC``; ``make`` fetches it and tells.
"""

from __future__ import annotations

import os
import re
import tarfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from connector.event import Text
from connector.richtext import convert, merge_back
from connector.richtext.slices import sliced
from connector.richtext.tree import Paragraph, Run

cmarkgfm = pytest.importorskip("cmarkgfm", reason="the renderer of GitHub is not installed")

_EXAMPLE = re.compile(r"^`{32} ?example[^\n]*\n(.*?)^\.\n.*?^`{32}$|^#{1,6} *([^\n]*)$", re.MULTILINE | re.DOTALL)
_HTML = {"HTML blocks", "Raw HTML", "Disallowed Raw HTML (extension)"}
"""Chapters about what GitHub renders by rules of its own: for them only that reading settles is tested."""

DIFFERENT = 15
"""Examples that may look different: white space as code, empty quotes, schemes that we do not link."""


@pytest.fixture(scope="module")
def examples() -> list[tuple[str, str]]:
    """Return (chapter, Markdown) of every example."""
    package = os.environ.get("CONNECTOR_MARKDOWN_SPEC", "")
    if not Path(package).is_file():
        pytest.skip("CONNECTOR_MARKDOWN_SPEC names no source package of marko, which holds the specification")
    with tarfile.open(package) as archive:
        name = next(name for name in archive.getnames() if name.endswith("tests/spec/gfm.txt"))
        member = archive.extractfile(name)
        assert member is not None
        text = member.read().decode()
    chapter, done = "", []
    for found in _EXAMPLE.finditer(text):
        if found[2] is not None:
            chapter = found[2]
        else:
            done.append((chapter, found[1].replace("→", "\t")))
    assert len(done) > 600
    return done


class _Shown(HTMLParser):
    """Collect each visible letter with what stands around it, whatever the order of elements is."""

    def __init__(self) -> None:
        super().__init__()
        self.letters: list[tuple[str, frozenset[str]]] = []
        self._open: list[str] = []
        self._points = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._points += tag == "li"
        address = "".join(value or "" for name, value in attrs if name in {"href", "src", "alt", "start", "lang"})
        around = f"{tag}{self._points if tag == 'li' else ''} {address}"
        if tag in {"img", "hr", "input"}:
            self.letters.append((around, frozenset(self._open)))
        elif tag != "br":
            self._open.append(around)

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place].split(" ")[0].rstrip("0123456789") == tag.rstrip("0123456789"):
                del self._open[place]
                return

    def handle_data(self, data: str) -> None:
        around = frozenset(one for one in self._open if not one.startswith(("p ", "tbody", "thead")))
        self.letters += [(letter, around) for letter in data if not letter.isspace() and letter != "\u200b"]


def shown(markdown: str) -> list[tuple[str, frozenset[str]]]:
    options = cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE | cmarkgfm.cmark.Options.CMARK_OPT_HARDBREAKS
    parser = _Shown()
    parser.feed(cmarkgfm.github_flavored_markdown_to_html(markdown, options=options))
    return parser.letters


def test_github_shows_every_example_as_before_or_we_say_what_is_lost(examples: list[tuple[str, str]]) -> None:
    wrong = []
    for chapter, markdown in examples:
        done = convert({"format": "markdown", "content": markdown}, "markdown")
        if chapter not in _HTML and not done.losses and shown(markdown) != shown(done.content):
            wrong.append((chapter, markdown, done.content))
    assert len(wrong) <= DIFFERENT, "\n".join(map(repr, wrong))


def test_every_example_settles_after_one_writing(examples: list[tuple[str, str]]) -> None:
    for _, markdown in examples:
        once = convert({"format": "markdown", "content": markdown}, "markdown").content
        assert convert({"format": "markdown", "content": once}, "markdown").content == once


def test_an_edit_elsewhere_leaves_every_example_letter_by_letter(examples: list[tuple[str, str]]) -> None:
    for _, markdown in examples:
        before: Text = {"format": "markdown", "content": f"{markdown}\n\nSentinel stays"}
        if sliced("markdown", before["content"])[-1].blocks != (Paragraph((Run("Sentinel stays"),)),):
            continue  # the example swallows what follows: an open fence, an open comment
        rendered = convert(before, "wiki").content
        edited: Text = {"format": "wiki", "content": rendered.replace("Sentinel stays", "Sentinel goes")}
        done = merge_back(before, {"format": "wiki", "content": rendered}, edited)
        assert done.text["content"] == before["content"].replace("Sentinel stays", "Sentinel goes"), markdown
