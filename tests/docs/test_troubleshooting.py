"""What the guide to troubles quotes is what the product says."""

from __future__ import annotations

import re

import pytest

from tests.docs.test_docs import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
PLACEHOLDERS = re.compile(r"…|\bNAME\b(?! or|,)|\bGATE\b|\b\d+\b|\bcause:|:(?= |…|$)|@")
"""What stands in a quotation for something that differs, or joins what is said in two places."""


def said() -> str:
    """Return the sources, with texts joined that are written over several lines."""
    folders = (ROOT / "connector", ROOT / "workers")
    texts = [path.read_text() for folder in folders for kind in ("*.py", "*.html") for path in folder.rglob(kind)]
    return re.sub(r"\"\s*\n\s*f?\"", "", "\n".join(texts))


SOURCES = said()


def quoted() -> list[str]:
    """Return what stands in the first column of the tables."""
    return [one for cell in re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE) for one in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("text", quoted())
def test_every_message_in_the_guide_is_said(text: str) -> None:
    pieces = [piece.strip() for piece in PLACEHOLDERS.split(text)]
    assert [piece for piece in pieces if piece and piece not in SOURCES] == []


def test_a_message_that_nobody_says_is_found() -> None:
    assert "must be a reference to the moon" not in SOURCES
    assert len(quoted()) > 40
