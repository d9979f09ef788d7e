"""A person sees what both sides hold and decides; who may not, sees no value, and a stale page decides nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from connector.config import Owner
from tests.workers.flower.faces import Faces
from tests.workers.pairs import TEXT, Pairs

ROLES = "ada=admin, bob=operator/web, eve=viewer, tom=operator/other"
ASKING = TEXT.replace("conflict: union", "conflict: ask")


@pytest.fixture
def pairs() -> Iterator[Pairs]:
    made = Pairs(ASKING)
    made.declare(replace(made.config.connectors["pair"], owner=Owner("web")))
    made.report("Broken")
    made.settle()
    yield made
    made.check_accounts()
    made.no_effect_is_double()


@pytest.fixture
def faces(pairs: Pairs) -> Faces:
    return Faces(pairs.desk, pairs.inbox, ROLES)


def differ(pairs: Pairs) -> None:
    """Let both sides change title, text and labels."""
    issue = str(next(iter(pairs.issues().values()))["id"])
    pairs.ada.edits(issue, summary="Broken there", description="It is *mended*.", labels=["there", "both"])
    body = "It is **broken** by <me>.\n\n- ask ada.lovelace@acme.example"
    pairs.person("PATCH", "/issues/1", {"title": "Broken here", "body": body, "labels": ["here", "both"]})
    pairs.settle()


def path_of(faces: Faces, field: str, who: str = "ada") -> str:
    """Return the address of the question about a field."""
    found = re.search(rf'href="(/conflicts/pair/\w+)">{field}<', faces.ask("/conflicts", who).text)
    assert found
    return found[1]


def test_with_nothing_to_decide_the_page_says_so(faces: Faces) -> None:
    assert "Nothing waits for a person" in faces.ask("/conflicts", "ada").words
    assert "No conflict matches" in faces.ask("/conflicts?item=WEB-9", "ada").words
    assert faces.ask("/conflicts?connector=nobody", "ada").status == 404
    assert faces.ask("/conflicts/pair/0123456789abcdef", "ada").status == 404


def test_the_list_filters_and_shows_no_value(pairs: Pairs, faces: Faces) -> None:
    differ(pairs)
    page = faces.ask("/conflicts", "eve")
    for part in ("3 in all", "Summary", "Labels", "Description", "acme/web#1", "WEB-1", "before they could meet"):
        assert part in page.words
    assert "Broken here" not in page.text
    assert "/conflicts/pair/" not in page.text
    assert "3 match" in faces.ask("/conflicts?item=web%231&connector=pair", "eve").words
    assert "No conflict matches" in faces.ask("/conflicts?item=WEB-2", "eve").words
    assert "WEB-1" not in faces.ask("/conflicts", "tom").words


def test_a_question_shows_both_sides_who_changed_them_and_what(pairs: Pairs, faces: Faces) -> None:
    differ(pairs)
    page = faces.ask(path_of(faces, "Summary", "bob"), "bob")
    for part in ("Broken here", "Broken there", "alice changed it on 2027-01-15", "Ada changed it on 2027-01-15",
                 "When both sides agreed Broken Write another", "Take the source's", "Take the target's"):  # fmt: skip
        assert part.replace("'", "&#x27;") in page.words.replace("'", "&#x27;").replace("&#39;", "&#x27;"), part
    assert '<ins class="jc-then"> here</ins>' in page.text
    text = faces.ask(path_of(faces, "Description"), "ada")
    assert "It is broken by &lt;me&gt;." in text.text
    assert "<me>" not in text.text
    assert "ada.lovelace" not in text.text
    assert "Begin anew" in text.words
    labels = faces.ask(path_of(faces, "Labels"), "ada").text
    assert "<li>here</li>" in labels
    assert re.search(r"<textarea[^>]*>\s*both\nhere</textarea>|<textarea[^>]*>\s*here\nboth</textarea>", labels)


def test_looking_and_deciding_are_audited_without_values_and_names(pairs: Pairs, faces: Faces) -> None:
    differ(pairs)
    assert faces.send(path_of(faces, "Summary"), "bob", take="to").status == 303
    rows = [row for row in pairs.book.audit(most=100) if row["actor"] == "bob"]
    assert {row["action"] for row in rows} == {"look", "decide"}
    assert all((row["entity"], row["target"], row["fields"]) == ("acme/web#1", "WEB-1", ["Summary"]) for row in rows)
    told = str(pairs.book.audit(most=1000))
    assert "Broken" not in told
    assert "alice" not in told


def test_a_side_is_taken_and_both_hold_it(pairs: Pairs, faces: Faces) -> None:
    differ(pairs)
    path = path_of(faces, "Summary")
    answer = faces.send(path, "bob", take="to")
    assert (answer.status, answer.headers["Location"]) == (303, "/conflicts")
    assert "the target&#x27;s value will hold" in faces.ask("/conflicts", "bob").text.replace("&#39;", "&#x27;")
    assert "bob decided on" in faces.ask(path, "ada").words
    pairs.settle()
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == "Broken there"
    assert faces.ask(path, "ada").status == 404
    assert "2 in all" in faces.ask("/conflicts", "ada").words


def test_another_value_is_written_to_both_lists_one_per_line(pairs: Pairs, faces: Faces) -> None:
    differ(pairs)
    assert faces.send(path_of(faces, "Summary"), "ada", take="value", value="A third").status == 303
    assert faces.send(path_of(faces, "Labels"), "ada", take="value", value="one\r\n two \r\n\r\n").status == 303
    assert faces.send(path_of(faces, "Description"), "ada", take="value", value="It *was* so.").status == 303
    pairs.settle()
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == "A third"
    assert pairs.on_git()["labels"] == pairs.on_jira()["labels"] == ["one", "two"]
    assert pairs.on_git()["body"] == "It *was* so."
    assert not pairs.questions()


def test_what_has_changed_since_it_was_seen_is_not_decided(pairs: Pairs, faces: Faces) -> None:
    differ(pairs)
    path = path_of(faces, "Summary")
    page = faces.ask(path, "ada").text
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen
    pairs.person("PATCH", "/issues/1", {"title": "Broken again"})
    pairs.settle()
    answer = faces.send(path, "ada", take="from", seen=seen[1])
    assert answer.status == 409
    assert "has changed since you looked" in answer.words
    assert pairs.questions()["Summary"]["wants"] == "Broken again"
    assert faces.send(path, "ada", take="from").status == 303
    pairs.settle()
    assert pairs.on_jira()["summary"] == "Broken again"


def test_who_may_not_neither_sees_values_nor_decides(pairs: Pairs, faces: Faces) -> None:
    differ(pairs)
    path = path_of(faces, "Summary")
    assert [faces.ask(path, who).status for who in ("eve", "tom")] == [403, 404]
    for who in ("eve", "tom"):
        assert faces.call("/api/connector" + path, who, {"take": "from"}).status in {403, 404}
    assert faces.ask(path, "ada", body=b"take=from").status == 403
    assert faces.send(path, "ada", take="all").status == 400
    assert faces.send(path, "ada", take="from", seen="").status == 400
    assert faces.send(path, "ada", take="value", value="x" * 70_000).status == 400
    assert not pairs.book.decisions(next(pairs.book.questions()).source, ["Summary"])


def test_scripts_list_look_and_decide(pairs: Pairs, faces: Faces) -> None:
    differ(pairs)
    listed = faces.ask("/api/connector/conflicts?connector=pair&item=WEB-1", "eve").json()
    assert listed["total"] == 3
    assert "Broken here" not in str(listed)
    one = next(one for one in listed["conflicts"] if one["field"] == "Summary")
    path = f"/api/connector/conflicts/pair/{one['id']}"
    shown = faces.ask(path, "bob").json()
    assert (shown["source"]["value"], shown["target"]["value"]) == ("Broken here", "Broken there")
    assert shown["changed"]["source"]["by"] == "alice"
    assert shown["decided"] is None
    assert faces.call(path, "bob", {"take": "value"}).status == 400
    assert faces.call(path, "bob", {"take": "from", "seen": "0" * 16}).status == 409
    assert faces.call(path, "bob", {"take": "from", "seen": shown["seen"]}).json()["field"] == "Summary"
    assert faces.ask(path, "bob").json()["decided"]["take"] == "from"
    pairs.settle()
    assert pairs.on_jira()["summary"] == "Broken here"


def test_connectors_tell_how_many_wait(pairs: Pairs, faces: Faces) -> None:
    differ(pairs)
    for path in ("/connectors", "/connectors/pair"):
        page = faces.ask(path, "eve")
        assert '/conflicts?connector=pair">3' in page.text
    assert faces.ask("/api/connector/connectors/pair", "eve").json()["conflicts"] == 3
