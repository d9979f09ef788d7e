"""What has not changed at its source is not paid for twice."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from connector.errors import ConnectorError, Retryable
from connector.ports import Request, Response
from tests.systems.github import scene
from workers.unchanged import LARGEST, Unchanged

ISSUE = Request("GET", "/repos/acme/web/issues/1")


class Origin:
    """Answers with an ETag, as GitHub does."""

    def __init__(self, body: bytes = b'{"n": 1}', etag: str = '"a"') -> None:
        self.body, self.etag = body, etag
        self.seen: list[Request] = []
        self.fails: Callable[[], ConnectorError] | None = None

    def __call__(self, request: Request, /) -> Response:
        self.seen.append(request)
        if self.fails is not None:
            raise self.fails()
        if self.etag and request.headers.get("If-None-Match") == self.etag:
            return Response(304, {"etag": self.etag})
        return Response(200, {"etag": self.etag} if self.etag else {}, self.body)


def test_what_has_not_changed_is_answered_from_memory() -> None:
    origin, memory = Origin(), Unchanged()
    first = memory.send(ISSUE, origin)
    assert memory.send(ISSUE, origin) == first
    assert [one.headers.get("If-None-Match") for one in origin.seen] == [None, '"a"']


def test_what_has_changed_is_read_and_kept_anew() -> None:
    origin, memory = Origin(), Unchanged()
    memory.send(ISSUE, origin)
    origin.body, origin.etag = b'{"n": 2}', '"b"'
    assert memory.send(ISSUE, origin).json() == {"n": 2}
    assert memory.send(ISSUE, origin).json() == {"n": 2}
    assert origin.seen[-1].headers["If-None-Match"] == '"b"'


def test_another_question_has_another_answer() -> None:
    origin, memory = Origin(), Unchanged()
    memory.send(ISSUE, origin)
    memory.send(Request("GET", ISSUE.path, {"page": "2"}), origin)
    memory.send(Request("GET", ISSUE.path, headers={"Accept": "text/html"}), origin)
    assert all("If-None-Match" not in one.headers for one in origin.seen)


@pytest.mark.parametrize(
    ("request_", "body", "etag"),
    [
        (Request("POST", ISSUE.path, json={}), b"{}", '"a"'),
        (Request("GET", ISSUE.path, headers={"if-none-match": '"mine"'}), b"{}", '"a"'),
        (ISSUE, b"[1]", '"a"'),
        (ISSUE, b"{}", ""),
        (ISSUE, b'{"x": "' + b"x" * LARGEST + b'"}', '"a"'),
    ],
    ids=["a write", "the caller's own condition", "a list", "no etag", "too large"],
)
def test_what_is_not_kept(request_: Request, body: bytes, etag: str) -> None:
    origin, memory = Origin(body, etag), Unchanged()
    for _ in range(2):
        memory.send(request_, origin)
    assert origin.seen == [request_, request_]


def test_memory_is_bounded_and_the_longest_unused_goes_first() -> None:
    origin, memory = Origin(b'{"x": "' + b"x" * 91 + b'"}'), Unchanged(most=250)
    names = ["/1", "/2", "/1", "/3", "/1", "/2"]
    for name in names:
        memory.send(Request("GET", name), origin)
    conditional = [one.path for one in origin.seen if "If-None-Match" in one.headers]
    assert conditional == ["/1", "/1"], "the third made the second go"


def test_a_failed_read_keeps_what_was_known() -> None:
    origin, memory = Origin(), Unchanged()
    memory.send(ISSUE, origin)
    origin.fails = lambda: Retryable("cut", sent=False)
    with pytest.raises(Retryable):
        memory.send(ISSUE, origin)
    origin.fails = None
    assert memory.send(ISSUE, origin).json() == {"n": 1}
    assert origin.seen[-1].headers["If-None-Match"] == '"a"'


def test_github_takes_nothing_from_the_quota_for_it() -> None:
    here = scene.scene()
    memory = Unchanged()
    number = scene.act(here, "POST", "/repos/acme/web/issues", {"title": "Broken"})["number"]
    read = Request("GET", f"/repos/acme/web/issues/{number}")

    def left() -> tuple[int, str]:
        got = memory.send(read, here.site.send)
        return int(here.transport.answers[-1].headers["x-ratelimit-remaining"]), json.loads(got.body)["title"]

    first = left()
    assert left() == first
    scene.act(here, "PATCH", f"/repos/acme/web/issues/{number}", {"title": "Mended"})
    assert left()[1] == "Mended"
