"""One word of a configuration changes, and nothing else of its text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.config import Mode
from connector.editing import CannotEdit, Edit, switched
from tests.configuring import TEMPLATES

CONNECTIONS = """\
version: 1
connections:
  github: {system: github, auth: {token: env:T}}
  jira: {system: jira, url: https://acme.atlassian.net, auth: {email: a@b.example, token: env:T}}
"""
OTHER = "version: 1\nname: other\ntemplate: github-to-jira\nmode: shadow\n"


def switch(text: str | bytes, mode: Mode = Mode.LIVE, name: str = "web", **variables: str) -> Edit:
    content = text if isinstance(text, bytes) else text.encode()
    texts = {"connections.yaml": CONNECTIONS.encode(), "web.yaml": content, "other.yaml": OTHER.encode()}
    return switched(texts, name, mode, TEMPLATES, variables=variables)


HEAD = "version: 1\nname: web\ntemplate: github-to-jira\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("mode: shadow\n", "mode: live\n"),
        ("mode: shadow", "mode: live"),
        ("mode:   'shadow'  # until May\n", "mode:   'live'  # until May\n"),
        ('"mode": "shadow"\r\n', '"mode": "live"\r\n'),
        ("# mode: shadow\nmode: shadow # shadow\nto: {project: WEB}\n", "# mode: shadow\nmode: live # shadow\nto: {project: WEB}\n"),
    ],
)  # fmt: skip
def test_a_mode_that_is_there_is_replaced_and_all_else_kept(before: str, after: str) -> None:
    edit = switch(HEAD + before)
    assert edit.text == (HEAD + after).encode()
    assert edit.file == "web.yaml"
    assert edit.text.splitlines()[edit.line - 1].decode() == edit.after


def test_a_mode_that_nobody_said_is_added_below_the_name() -> None:
    edit = switch("\ufeff# ours\nversion: 1\nname: web  # the shop\ntemplate: github-to-jira\n", Mode.SHADOW)
    assert edit.text.decode() == (
        "\ufeff# ours\nversion: 1\nname: web  # the shop\nmode: shadow\ntemplate: github-to-jira\n"
    )
    assert (edit.line, edit.before, edit.after) == (4, "", "mode: shadow")


def test_a_connector_in_a_list_is_found_by_its_name() -> None:
    text = (
        "version: 1\nconnectors:\n"
        "  - name: api\n    template: github-to-jira\n    mode: shadow\n"
        "  - name: web\n    template: github-to-jira\n    mode: shadow\n"
        "  - {name: cli, template: github-to-jira, mode: shadow}\n"
        "  - template: github-to-jira\n    name: docs\n"
    )
    assert switch(text).text.decode() == text.replace(
        "web\n    template: github-to-jira\n    mode: shadow", "web\n    template: github-to-jira\n    mode: live"
    )
    assert "{name: cli, template: github-to-jira, mode: live}" in switch(text, name="cli").text.decode()
    assert "    name: docs\n    mode: shadow\n" in switch(text, Mode.SHADOW, "docs").text.decode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (HEAD + "mode: ${CONNECTOR_MODE}\n", "by hand: mode: live"),
        (HEAD + "mode:\n  shadow\n", "by hand"),
        (HEAD + "mode: &m shadow\ndescription: *m\n", "by hand"),
        (OTHER, "no file declares web"),
        (HEAD + "mode: live\n", "web.yaml says mode: live already"),
        (HEAD, "says mode: live already"),
    ],
)
def test_what_cannot_be_changed_safely_is_left_to_a_person(text: str, why: str) -> None:
    with pytest.raises(CannotEdit, match=why):
        switch(text, CONNECTOR_MODE="shadow")


def test_a_line_that_cannot_be_added_is_left_to_a_person() -> None:
    with pytest.raises(CannotEdit, match=r"web.yaml:1: .*by hand: mode: shadow"):
        switch("{version: 1, name: web, template: github-to-jira}", Mode.SHADOW)


@given(comment=st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20), crlf=st.booleans())
def test_whatever_stands_beside_it_only_the_mode_changes(comment: str, *, crlf: bool) -> None:
    text = f"# {comment}\n{HEAD}mode: shadow  # {comment}\n"
    content = (text.replace("\n", "\r\n") if crlf else text).encode()
    try:
        edit = switch(content)
    except CannotEdit:
        # A character that YAML takes for the end of a line: what is left to a person is not changed.
        assert any(char in comment for char in "\u2028\u2029\x85")
        return
    assert edit.text == content.replace(b"mode: shadow  #", b"mode: live  #", 1)
