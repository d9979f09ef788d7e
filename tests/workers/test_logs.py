from __future__ import annotations

import base64
import io
import json
import logging
import threading
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.ports import Secret, SecretRef
from workers import logs
from workers.logs import HIDDEN, JsonFormatter, Redactor, TextFormatter, about, one_line, revealing

SECRET = "canary+s3cret/with=signs and space"


def line(formatter: logging.Formatter, message: str, *arguments: object, error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("workers.x", logging.WARNING, __file__, 1, message, arguments, info)
    return formatter.format(record)


def test_a_record_is_one_json_object_that_says_what_it_is_about() -> None:
    with about(connector="bugs", delivery="d1"), about(entity="jira:issue:1"):
        text = line(JsonFormatter(), "it %s", "works")
    assert "\n" not in text
    record = json.loads(text)
    assert record["message"] == "it works"
    assert record["level"] == "warning"
    assert record["at"].endswith("+00:00")
    assert (record["connector"], record["delivery"], record["entity"]) == ("bugs", "d1", "jira:issue:1")
    assert "connector" not in json.loads(line(JsonFormatter(), "after"))


def test_an_unknown_field_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError), about(conector="typo"):
        pass


def test_threads_do_not_speak_for_each_other() -> None:
    seen: list[str] = []
    with about(connector="mine"):
        other = threading.Thread(target=lambda: seen.append(line(JsonFormatter(), "x")))
        other.start()
        other.join()
    assert "mine" not in seen[0]


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
@pytest.mark.parametrize(
    "evil", ["\n", "\r\n", "\x1b[2J", "\x00", "\u2028", "\u202e", "\u2066", "\x85", "\ud800", "\ufeff"]
)
def test_a_payload_cannot_forge_hide_or_reverse_a_line(formatter: logging.Formatter, evil: str) -> None:
    text = line(formatter, "title %s", f'a{evil}{{"level":"critical"}}')
    assert len(text.splitlines()) == 1
    assert evil not in text
    text.encode()


def test_what_is_escaped_is_read_back_by_json() -> None:
    assert json.loads(line(JsonFormatter(), "a\u202e\x7fé\nb"))["message"] == "a\u202e\x7fé\nb"


@given(st.text())
def test_escaping_leaves_one_line_and_loses_nothing(text: str) -> None:
    assert len(f"a{one_line(text)}b".splitlines()) == 1
    assert "\n" not in one_line(text)


def shapes(value: str) -> Iterator[str]:
    yield value
    yield quote(value, safe="")
    yield quote(value)
    yield value.replace("/", "%2F").replace("+", "%2B").replace("=", "%3D").replace(" ", "+")
    yield json.dumps({"a": value})
    yield repr(value)
    for before in ("", "u", "me", "bot@acme.example:"):
        for after in ("", "x", "yz"):
            yield base64.b64encode(f"{before}{value}{after}".encode()).decode()
            yield base64.urlsafe_b64encode(f"{before}{value}{after}".encode()).decode()


@pytest.mark.parametrize("shape", list(shapes(SECRET)))
def test_a_known_secret_is_hidden_in_every_shape(shape: str) -> None:
    redactor = Redactor()
    redactor.remember(SECRET)
    hidden = redactor(f"before {shape} after")
    assert HIDDEN in hidden
    for piece in (SECRET, SECRET[:12], quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode()[4:-4]):
        assert piece not in hidden
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")


@given(st.text(min_size=12), st.text(max_size=4), st.text(max_size=4))
def test_any_secret_is_hidden_and_hiding_it_twice_changes_nothing(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.remember(secret)
    hidden = redactor(f"{before}{secret}{after}")
    assert secret not in hidden or secret in HIDDEN
    assert redactor(hidden) == hidden


def test_a_very_short_secret_does_not_blot_out_words() -> None:
    redactor = Redactor()
    redactor.remember("abc")
    assert redactor("abcdef") == "abcdef"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdefgh12345",
        "authorization: Basic YWJjOmRlZg==",
        '{"Authorization": "Bearer abcdefgh12345"}',
        "{'X-Api-Key': 'abcdefgh12345'}",
        "('Private-Token', 'abcdefgh12345')",
        "Cookie: session=abcdefgh12345",
        "https://x.example/hook?sig=abcdefgh12345&a=1",
        "https://x.example/?access_token=abcdefgh12345",
        '{\\"api_token\\": \\"abcdefgh12345\\"}',
        "password=abcdefgh12345",
        "redis://:abcdefgh12345@127.0.0.1:6379/0",
        "https://user:abcdefgh12345@proxy:3128",
        "x-hub-signature-256: sha256=abcdefgh12345",
    ],
)
def test_a_credential_never_seen_before_is_hidden_by_its_name(text: str) -> None:
    hidden = Redactor()(text)
    assert "abcdefgh12345" not in hidden
    assert "YWJjOmRlZg" not in hidden
    assert HIDDEN in hidden


def test_ordinary_text_stays_as_it_is() -> None:
    text = "WEB-12: the parser took 3 tokens, then http://x.example:8080/a?b=c failed (status 403)"
    assert Redactor()(text) == text


def test_whatever_is_revealed_is_hidden_from_then_on() -> None:
    redactor = Redactor()
    reveal = revealing(lambda _: Secret(SECRET), redactor)
    assert SECRET in redactor(SECRET)
    assert reveal(SecretRef("env", "X")).reveal() == SECRET
    assert SECRET not in redactor(SECRET)


def fail() -> None:
    raise ValueError(SECRET)


def test_a_traceback_hides_secrets_too() -> None:
    redactor = Redactor()
    redactor.remember(SECRET)
    with pytest.raises(ValueError) as raised:
        fail()
    for formatter in (JsonFormatter(redactor), TextFormatter(redactor)):
        text = line(formatter, "failed", error=raised.value)
        assert "ValueError" in text
        assert "in fail" in text
        assert SECRET not in text


def test_a_secret_that_json_must_escape_is_hidden_in_the_line() -> None:
    redactor = Redactor()
    redactor.remember('with"quote\\and\nbreak')
    assert "quote" not in line(JsonFormatter(redactor), "x %s", 'with"quote\\and\nbreak')


def test_starting_leaves_one_handler_for_everybody() -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        stream = io.StringIO()
        logs.start("INFO", stream=stream)
        logging.getLogger("kombu").info("a line")
        logging.getLogger("urllib3").debug("GET /?sig=x")
        (only,) = stream.getvalue().splitlines()
        assert json.loads(only)["logger"] == "kombu"
    finally:
        root.handlers[:] = before
        root.setLevel(level)
