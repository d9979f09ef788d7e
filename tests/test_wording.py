"""Templates word messages; what outsiders write stays words, and nothing runs for long."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from connector import richtext
from connector.errors import Rejected
from connector.markdown import ZERO_WIDTH, escaped
from connector.wording import LIMIT, compile_wording, render

VIEW: dict[str, Any] = {
    "title": "Button is grey",
    "key": "WEB-12",
    "url": "https://acme.example/browse/WEB-12",
    "labels": ["ui", "api"],
    "draft": False,
    "at": "2026-11-23T23:30:00+00:00",
    "actor": {"id": "1", "login": "octocat", "name": "Mona"},
    "change": {"state": {"from": "open", "to": "closed"}, "items": {"from": "x"}},
    "comment": {"url": "https://acme.example/c/1", "body": {"format": "markdown", "content": "It **is** green."}},
    "raw": {"text": "*x*"},
}


def worded(template: str, **seen: Any) -> str:
    return str(compile_wording(template)({**VIEW, **seen})["content"])


# --- the language -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ title }}", "Button is grey"),
        ("{{ change.state.from }} → {{ change.state.to }}", "open → closed"),
        ("{{ change.items.from }}", "x"),
        ("{{ labels }} {{ actor }} {{ draft }}", "ui, api Mona no"),
        ("{{ raw.issue.milestone.title }}|{{ due }}|{{ labels[9] }}", "||"),
        ("{% for l in labels %}{{ loop.index }}{{ l }} {% endfor %}", "1ui 2api"),
        ("{% for l in labels if l != 'ui' %}{{ l }}{% else %}-{% endfor %}", "api"),
        ("{% if 'ui' in labels and not draft %}a{% elif due %}b{% else %}c{% endif %}", "a"),
        ("{% set who = actor.name %}{{ who ~ '!' }}", "Mona!"),
        ("{{ key | link(url) }}", "[WEB-12](<https://acme.example/browse/WEB-12>)"),
        ("[{{ key }}]({{ url }})", "[WEB-12](<https://acme.example/browse/WEB-12>)"),
        ("{{ url }} {{ comment.url }}", "<https://acme.example/browse/WEB-12> <https://acme.example/c/1>"),
        ("{{ at | date }}", "2026-11-23 23:30"),
        ("{{ at | date('%d.%m.%Y', 'Europe/Berlin') }}", "24.11.2026"),
        ("{{ due | date }}", ""),
        ("{{ title | truncate(8) }}", "Button…"),
        ("{{ title | quote }}", "> Button is grey"),
        ("{{ 'a`b' | code }}", "``a`b``"),
        ("{{ due | default('none') }}", "none"),
        ("{{ labels | join(' / ') | upper }}", "UI / API"),
        ("{{ labels | length }} {{ labels | first }} {{ labels | last }}", "2 ui api"),
        ("{{ title if due is defined else key }}", "WEB-12"),
        ("{{ labels[-1] }} {{ labels[:1] }}", "api ui"),
        ("{{ comment.body }}", "It **is** green."),
        ("{{ comment.body | plain }}", "It is green."),
        ("{{ comment.body | quote }}", "> It **is** green."),
        ("{# a remark #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ],
)
def test_the_language_says_what_messages_need(template: str, expected: str) -> None:
    assert worded(template) == expected


def test_the_answer_is_rich_text() -> None:
    assert render("**{{ key }}**", VIEW) == {"format": "markdown", "content": "**WEB-12**"}


# --- attacks by whoever writes a template -----------------------------------------------------------
@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ title.__class__ }}",
        "{{ title['__class__'].__mro__ }}",
        "{{ title | attr('format') }}",
        "{{ title | map(attribute='__class__') }}",
        "{{ labels.append(1) }}",
        "{{ title.format(x) }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ self._TemplateReference__context }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum.__globals__['os'] }}",
        "{{ namespace() }}",
        "{{ range(10**9) }}",
        "{% for i in range(10**9) %}{% endfor %}",
        "{{ 'a' * 10**9 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ title + title }}",
        "{% include 'secrets' %}",
        "{% import 'x' as y %}",
        "{% extends title %}",
        "{% macro m() %}{{ m() }}{% endmacro %}",
        "{% for a in labels recursive %}{{ loop(a) }}{% endfor %}",
        "{% set ns.x = 1 %}",
        "{% set _room = 1 %}",
        "{% for _room in labels %}{% endfor %}",
        "{% filter upper %}x{% endfilter %}",
        "{% with x = 1 %}{% endwith %}",
        "{% block x %}{% endblock %}",
        "{% autoescape false %}{% endautoescape %}",
        "{{ title | default(*labels) }}",
        "{{ labels | _counted }}",
        "{{ config }}",
        "{{ titel }}",
        "{{ title",
        "{% if title %}",
        "{{ " + "(" * 400 + "1" + ")" * 400 + " }}",
        "{{ " + "-" * 300 + "1 }}",
        "{{ " + " ~ ".join(["title"] * 3_000) + " }}",
        "{% if title %}" * 300 + "{% endif %}" * 300,
    ],
)
def test_what_a_template_may_not_do_is_refused_when_it_is_compiled(template: str) -> None:
    with pytest.raises(ValueError):
        compile_wording(template)


def test_a_refusal_names_the_line_and_suggests() -> None:
    with pytest.raises(ValueError, match="line 2 of the template: there is no 'titel'; did you mean 'title'"):
        compile_wording("fine\n{{ titel }}")


def test_members_of_python_objects_are_not_there() -> None:
    assert worded("{{ title['__class__'] }}{{ raw['__class__'] }}{{ labels['sort'] }}{{ change['keys'] }}") == ""


@pytest.mark.parametrize(
    ("template", "cause"),
    [
        ("{% for a in raw.many %}{% endfor %}", "template:loops"),
        ("{% for a in raw.many[:60] %}{% for b in raw.many[:60] %}{% endfor %}{% endfor %}", "template:loops"),
        ("{% set x = title %}" + "{% set x = x ~ x %}" * 60 + "{{ x }}", "template:size"),
        ("{% for a, b in labels %}{% endfor %}", "template:error"),
        ("{{ title | truncate('x') }}", "template:error"),
        ("{{ title | date }}", "template:error"),
    ],
)
def test_what_fails_on_an_event_is_rejected_quickly(template: str, cause: str) -> None:
    compiled = compile_wording(template)
    begun = time.process_time()
    with pytest.raises(Rejected) as caught:
        compiled({**VIEW, "raw": {"many": ["x"] * 100_000}})
    assert caught.value.cause == cause
    assert time.process_time() - begun < 1.0


def test_a_long_output_is_cut_and_says_so() -> None:
    found = worded("{{ title }}", title="_" * 1_000_000)
    assert len(found) < 2 * LIMIT + 100
    assert found.endswith("… (truncated)")


def test_a_loop_of_words_is_cut_and_says_so() -> None:
    found = worded("{% for a in raw %}" + "y" * 9_000 + "{% endfor %}", raw=["x"] * 1_900)
    assert len(found) < 3 * LIMIT
    assert found.endswith("… (truncated)")


def test_a_long_comment_is_carried_whole() -> None:
    body = {"format": "markdown", "content": "word " * 10_000}
    found = worded("**{{ actor.name }}** wrote:\n\n{{ comment.body }}", comment={"body": body})
    assert len(found) > 49_000
    assert "truncated" not in found


# --- attacks by whoever writes an issue -----------------------------------------------------------------
HOSTILE = [
    "**bold** _em_ ~~gone~~ `code`",
    "[click](http://evil.example)",
    "![x](http://evil.example/x.png)",
    "<script>alert(1)</script> <!channel> <@U123> <b>",
    "&lt;b&gt; &#42;",
    "# heading",
    "- item",
    "1. one",
    "> quote",
    "---",
    "===",
    "```\ncode\n```",
    "line\n\n# heading\n\n    code",
    "| a | b |\n|---|---|",
    "https://evil.example www.evil.example",
    "<https://evil.example>",
    "back\\slash \\* \\[",
    "a\r\nb\tc",
    "[ref]: http://evil.example",
    "$x^2$",
]


def shown(markdown: str) -> list[tuple[str, str]]:
    """Parse as GitHub does and return (type, text) of everything that is not plain text in one paragraph."""
    parser = MarkdownIt("gfm-like", {"linkify": False}).enable("table").enable("strikethrough")
    tokens = parser.parse(markdown)
    odd = [
        (token.type, token.content)
        for token in tokens
        if token.type not in {"paragraph_open", "paragraph_close", "inline"}
    ]
    for token in tokens:
        odd += [
            (child.type, child.content)
            for child in token.children or ()
            if child.type not in {"text", "text_special", "hardbreak", "softbreak"}
        ]
    return odd


def words(markdown: str) -> str:
    children = [child for token in MarkdownIt("commonmark").parse(markdown) for child in token.children or ()]
    found = "".join("\n" if child.type in {"hardbreak", "softbreak"} else child.content for child in children)
    return found.replace(ZERO_WIDTH, "")


@pytest.mark.parametrize("value", [*HOSTILE[:3], *HOSTILE[5:10], *HOSTILE[11:14], "<https://evil.example>"])
def test_the_judge_of_these_tests_sees_markup(value: str) -> None:
    assert shown(value) != []


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_title_stays_words(value: str) -> None:
    assert shown(worded("{{ title }}", title=value)) == []


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("target", ["mrkdwn", "wiki", "adf", "markdown"])
def test_a_hostile_title_reads_the_same_in_every_system(value: str, target: str) -> None:
    native = richtext.convert(render("{{ title }}", {"title": value}), target).content
    lines = [re.sub(r"\s+", " ", line).strip() for line in re.split(r"[\r\n]+", value)]
    seen = richtext.plain({"format": target, "content": native}).replace(ZERO_WIDTH, "")
    assert [line.strip() for line in seen.split("\n") if line.strip()] == [line for line in lines if line]


@given(st.text(st.sampled_from("ab1 \n\t*_`~[]()<>#-+=|\\!&:/.@$^{}\"'"), max_size=40) | st.text(max_size=40))
@example("\\")
@example("`" * 9)
@example("1)\n2)")
@example("a\n=")
@example("&copy")
@settings(max_examples=300)
def test_any_value_stays_its_own_words(value: str) -> None:
    found = escaped(value)
    assert shown(found) == []
    squeezed = re.sub(r"\s+", "", re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", "", value))
    assert re.sub(r"\s+", "", words(found)) == squeezed.replace(ZERO_WIDTH, "")


@given(
    st.text(st.sampled_from("ab1 \n*_`[]()<>#-+=\\.)"), max_size=12),
    st.text(st.sampled_from("ab1 \n*_`[]()<>#-+=\\.)"), max_size=12),
)
@settings(max_examples=200)
def test_two_values_side_by_side_stay_words(one: str, two: str) -> None:
    assert shown(worded("{{ title }}{{ key }}", title=one, key=two)) == []


@pytest.mark.parametrize("value", ["@octocat", "hi @acme/web", "#12", "acme/web#12", "Closes #12", "GH-12"])
def test_mentions_and_references_are_parted(value: str) -> None:
    found = worded("{{ title }}", title=value)
    assert not re.search(r"@\w|#\d|GH-\d", found.replace("\\", ""))
    assert found.replace(ZERO_WIDTH, "").replace("\\", "") == value


def test_mail_addresses_are_not_parted() -> None:
    assert ZERO_WIDTH not in worded("{{ title }}", title="mona@acme.example")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "https://a b", "", "ftp://x", "http://a\nb"]
)
def test_only_web_and_mail_addresses_become_links(url: str) -> None:
    assert worded("{{ title | link(raw) }}", raw=url) == "Button is grey"


def test_a_url_cannot_leave_its_link() -> None:
    found = worded("{{ title | link(raw) }}", raw="https://a.example/>)[x](http://evil.example)<")
    assert [child for child in shown(found) if child[0] == "link_open"] == [("link_open", "")]


def test_the_words_of_a_link_cannot_leave_it() -> None:
    found = worded("{{ title | link(url) }}", title="x](http://evil.example) [y")
    assert found.startswith("[x\\](http\\://evil.example) \\[y](<https://acme.example")


def test_a_quoted_value_stays_in_its_quote() -> None:
    found = worded("{{ title | quote }}", title="one\n\n# two\nthree")
    assert all(line.startswith(">") for line in found.split("\n"))


@given(st.text(st.sampled_from("ab`\n "), max_size=12))
def test_inline_code_holds_any_backticks(value: str) -> None:
    tokens = [
        child
        for token in MarkdownIt().parse(worded("{{ title | code }}", title=value))
        for child in token.children or ()
    ]
    wanted = re.sub(r"\s+", " ", value).strip()
    assert [(token.type, token.content) for token in tokens] == ([("code_inline", wanted)] if wanted else [])


def test_readable_titles_stay_readable() -> None:
    plain = "Fix: the 2nd button (top-left) isn't green - it's 50% grey, see WEB-12!"
    assert worded("{{ title }}", title=plain) == plain
