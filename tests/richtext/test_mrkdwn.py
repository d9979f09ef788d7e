"""Slack's mrkdwn: shows what it can, calls nobody, and says what it cannot show."""

from __future__ import annotations

from typing import Any

import pytest

from connector.richtext import FORMATS, convert, plain
from connector.richtext.tree import Document, Opaque, Paragraph, Style


def slack(text: str, source: str = "markdown", **options: Any) -> str:
    return str(convert({"format": source, "content": text}, "mrkdwn", **options).content)


def markdown(text: str, **options: Any) -> str:
    return str(convert({"format": "mrkdwn", "content": text}, "markdown", **options).content)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("**b** *i* ~~s~~ `c`", "*b* _i_ ~s~ `c`"),
        ("# Title", "*Title*"),
        ("[words & more](https://x.y/?a=1&b=2)", "<https://x.y/?a=1&amp;b=2|words &amp; more>"),
        ("https://x.y", "<https://x.y>"),
        ("- a\n  - b\n- c", "• a\n    ◦ b\n• c"),
        ("2. a\n3. b", "2. a\n3. b"),
        ("> a\n> b", "> a\n> b"),
        ("```py\na < b\n```", "```\na &lt; b\n```"),
        ("- [x] done", "• ☑ done"),
        (":tada:", ":tada:"),
    ],
)
def test_what_slack_has_is_written(source: str, expected: str) -> None:
    assert slack(source) == expected


@pytest.mark.parametrize(
    "call", ["<!channel>", "<!here>", "<!everyone|x>", "<@U123ABC>", "<!subteam^S123|@team>", "@channel"]
)
@pytest.mark.parametrize("source", ["plain", "wiki", "mrkdwn", "markdown"])
def test_nothing_that_was_copied_calls_anybody(source: str, call: str) -> None:
    done = slack(f"a {call} b", source)
    assert "<!" not in done
    assert "<@" not in done
    assert "@channel" not in done
    assert "@here" not in done


def test_a_person_who_is_known_is_called() -> None:
    assert slack("ask @octocat", people={"octocat": "U123ABC"}.get) == "ask <@U123ABC>"
    assert markdown("ask <@U123ABC>", people={"U123ABC": "octocat"}.get) == "ask @octocat"


def test_a_person_who_is_not_known_is_named_and_that_is_said() -> None:
    done = convert({"format": "mrkdwn", "content": "ask <@U123ABC|ann>"}, "wiki")
    assert done.content == "ask @ann"
    assert any("mention" in loss for loss in done.losses)


def test_a_link_cannot_be_turned_into_a_call() -> None:
    source: Any = {"format": "wiki", "content": "[everybody|#C1] [x|/y]"}
    assert "<" not in convert(source, "mrkdwn").content


@pytest.mark.parametrize(
    "text", ["*not bold*", "_x_", "~x~", "`x`", "> x", "1. x", "• x", "———", "a * b", "2*3*4", "a_b_c"]
)
def test_signs_of_the_text_itself_stay_signs(text: str) -> None:
    done = slack(text, "plain")
    assert plain({"format": "mrkdwn", "content": done}) == text
    assert markdown(done).replace("\\", "") == text


def test_a_message_becomes_markdown() -> None:
    message = "*Deploy* failed: <https://x.y/1|log>\nSteps:\n1. a\n2. b\n• c\n&gt; said\n```x &lt; 1```"
    assert markdown(message) == (
        "**Deploy** failed: [log](https://x.y/1)\nSteps:\n\n1. a\n2. b\n\n- c\n\n> said\n\n```\nx < 1\n```"
    )


def test_a_table_is_drawn_and_that_is_said() -> None:
    done = convert({"format": "markdown", "content": "| a | b |\n|---|---|\n| long | c |"}, "mrkdwn")
    assert done.content == "```\na    | b\n-----+--\nlong | c\n```"
    assert "table shown as a code block: Slack has none" in done.losses


def test_channels_are_carried_within_slack_and_named_elsewhere() -> None:
    assert slack("see <#C123|general>", "mrkdwn") == "see <#C123|general>"
    assert markdown("see <#C123|general>") == "see #general"


def test_markup_carried_along_is_written_only_if_it_calls_nobody() -> None:
    for native in ("<!channel>", "<@U123ABC>", "<#C1|x> <!here>", "<http://x.y|z>"):
        document = Document((Paragraph((Opaque("mrkdwn", native, "its words"),)),))
        assert FORMATS["mrkdwn"].write(document, Style()).content == "its words"


def test_what_is_no_address_is_no_link() -> None:
    assert markdown("<a href='javascript:x'>y</a>") == r"\<a href='javascript:x'>y\</a>"
