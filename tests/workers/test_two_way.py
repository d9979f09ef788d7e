"""A two-way connector over GitHub's and Jira's own code: both sides end equal, and nobody's edit is written over."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from connector.ports import Request
from tests.systems.jira.places import Someone
from tests.workers.pairs import TEXT, Pairs
from workers.delivery import run_turn
from workers.operating.acting import Actor
from workers.operating.questions import Question, decide, questions


@pytest.fixture
def pairs() -> Iterator[Pairs]:
    made = Pairs()
    yield made
    made.check_accounts()
    made.no_effect_is_double()


@pytest.fixture
def pair(pairs: Pairs) -> tuple[int, str]:
    """Return the number and the id of two issues that are equal."""
    number = pairs.report("Broken")
    pairs.settle()
    return number, str(pairs.issues()["Broken"]["id"])


def test_an_issue_made_here_is_made_there_and_edits_of_both_sides_meet(pairs: Pairs) -> None:
    number = pairs.report("Broken")
    pairs.settle()
    assert "Broken" in pairs.issues()
    pairs.person("PATCH", f"/issues/{number}", {"title": "Renamed here"})
    pairs.settle()
    assert "Renamed here" in pairs.issues()


def test_an_edit_of_each_side_comes_to_the_other(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, summary="Renamed there", labels=["urgent"])
    pairs.settle()
    assert pairs.on_git()["title"] == "Renamed there"
    assert pairs.on_git()["labels"] == ["urgent"]
    pairs.person("PATCH", f"/issues/{number}", {"title": "Renamed here"})
    pairs.settle()
    assert pairs.on_jira()["summary"] == "Renamed here"
    assert pairs.on_jira()["labels"] == ["urgent"]


def test_edits_of_different_fields_on_both_sides_both_hold(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, summary="Renamed there")
    pairs.person("PATCH", f"/issues/{number}", {"body": "Told anew here."})
    pairs.settle()
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == "Renamed there"
    assert "Told anew here." in str(pairs.on_jira()["description"])
    assert not pairs.questions()


def test_edits_of_one_field_on_both_sides_wait_for_a_person(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, summary="Mine")
    pairs.person("PATCH", f"/issues/{number}", {"title": "No, mine"})
    pairs.settle()
    assert (pairs.on_git()["title"], pairs.on_jira()["summary"]) == ("No, mine", "Mine")
    asked = pairs.questions()["Summary"]
    assert (asked["wants"], asked["holds"], asked["held"], asked["why"]) == ("No, mine", "Mine", "Broken", "both")


def test_lists_are_merged_where_the_connector_says_so(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, labels=["urgent", "old"])
    pairs.settle()
    pairs.ada.edits(issue, labels=["urgent", "there"])
    pairs.person("PATCH", f"/issues/{number}", {"labels": ["urgent", "old", "here"]})
    pairs.settle()
    assert sorted(pairs.on_jira()["labels"]) == ["here", "there", "urgent"]
    assert sorted(pairs.on_git()["labels"]) == ["here", "there", "urgent"]


def test_a_status_of_many_words_is_not_pulled_back(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.moves(issue, "In Progress")
    pairs.settle()
    assert pairs.on_jira()["status"]["name"] == "In Progress"
    assert pairs.on_git()["state"] == "open"
    pairs.person("PATCH", f"/issues/{number}", {"title": "Renamed here"})
    pairs.settle()
    assert pairs.on_jira()["status"]["name"] == "In Progress"
    pairs.moves(issue, "Done")
    pairs.settle()
    assert pairs.on_git()["state"] == "closed"
    pairs.person("PATCH", f"/issues/{number}", {"state": "open"})
    pairs.settle()
    assert pairs.on_jira()["status"]["name"] == "To Do"


def test_an_issue_born_at_the_target_is_made_at_the_source(pairs: Pairs) -> None:
    pairs.ada.creates("Born there", description="Some *bold* words", labels=["bug"])
    pairs.settle()
    (made,) = pairs.person("GET", "/issues?state=all")
    assert (made["title"], made["labels"][0]["name"]) == ("Born there", "bug")
    assert "**bold**" in made["body"]
    pairs.person("PATCH", f"/issues/{made['number']}", {"title": "Renamed here"})
    pairs.settle()
    assert pairs.on_jira()["summary"] == "Renamed here"
    assert not pairs.questions()


def test_comments_travel_both_ways_once(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.comment(number, "From here")
    pairs.ada.comments(issue, "From there")
    pairs.settle()
    there = [str(one["body"]) for one in pairs.on_jira()["comment"]["comments"]]
    here = [one["body"] for one in pairs.person("GET", f"/issues/{number}/comments")]
    assert len(there) == 2
    assert sum("From there" in one for one in here) == 1
    assert sum("From here" in one for one in here) == 1


def test_quiet_is_quiet(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, summary="Renamed there")
    pairs.settle()
    pairs.person("PATCH", f"/issues/{number}", {"body": "Told *anew* here."})
    pairs.settle()
    before = pairs.writes()
    for _ in range(3):
        pairs.later(60)
        pairs.poll("pair")
        pairs.settle(2)
    assert pairs.writes() == before


# --- what a person decides ---------------------------------------------------------------------------------
def question(pairs: Pairs) -> Question:
    """Return the only open question."""
    (found,) = questions(pairs.desk, pairs.config.connectors.values())
    return found


@pytest.fixture
def asked(pairs: Pairs, pair: tuple[int, str]) -> Question:
    """Return the question about two titles."""
    number, issue = pair
    pairs.ada.edits(issue, summary="Mine")
    pairs.person("PATCH", f"/issues/{number}", {"title": "No, mine"})
    pairs.settle()
    return question(pairs)


@pytest.mark.parametrize(
    ("take", "value", "wanted"), [("from", None, "No, mine"), ("to", None, "Mine"), ("value", "Ours", "Ours")]
)
def test_a_decision_is_carried_out_on_both_sides(
    pairs: Pairs, asked: Question, take: str, value: str | None, wanted: str
) -> None:
    for _ in range(2):  # a double click
        decide(pairs.desk, pairs.inbox, asked, Actor("eve"), take=take, value=value)
    pairs.settle()
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == wanted
    assert not pairs.questions()
    assert not pairs.client.hgetall("jc:{pair}:decisions")
    row = next(one for one in pairs.audit if one["action"] == "decide")
    assert (row["actor"], row["take"], row["fields"]) == ("eve", take, ["Summary"])
    assert "mine" not in str(pairs.audit).casefold()


def test_a_question_that_people_settle_themselves_closes(pairs: Pairs, asked: Question, pair: tuple[int, str]) -> None:
    number, _ = pair
    pairs.person("PATCH", f"/issues/{number}", {"title": "Mine"})
    pairs.settle()
    assert not pairs.questions()
    assert [one["action"] for one in pairs.audit if one["action"] in {"conflict", "agreed"}] == ["conflict", "agreed"]


def test_other_fields_go_on_while_one_is_asked(pairs: Pairs, asked: Question, pair: tuple[int, str]) -> None:
    pairs.ada.edits(pair[1], labels=["urgent"])
    pairs.settle()
    assert pairs.on_git()["labels"] == ["urgent"]
    assert list(pairs.questions()) == ["Summary"]


@pytest.mark.parametrize(("policy", "wanted"), [("from", "No, mine"), ("to", "Mine"), ("newest", "No, mine")])
def test_a_policy_decides_instead(policy: str, wanted: str) -> None:
    pairs = Pairs(TEXT.replace("direction: two-way", f"direction: two-way\n  conflicts: {policy}"))
    number = pairs.report("Broken")
    pairs.settle()
    pairs.ada.edits("10001", summary="Mine")
    pairs.person("PATCH", f"/issues/{number}", {"title": "No, mine"})
    pairs.settle()
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == wanted
    assert not pairs.questions()


def test_an_edit_that_slips_in_while_we_write_is_not_lost(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.person("PATCH", f"/issues/{number}", {"title": "From here"})
    writing: list[str] = []

    def slip(side: str, request: Request) -> None:
        if side == "jira" and not writing:
            writing.append(request.path)
            pairs.ada.edits(issue, summary="Slipped in")

    pairs.told = slip
    pairs.settle()
    assert writing
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == "From here"
    found = question(pairs)
    assert (found.conflict.holds, found.conflict.lost, found.conflict.why) == ("Slipped in", "to", "slipped")
    decide(pairs.desk, pairs.inbox, found, Actor("eve"), take="to")
    pairs.settle()
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == "Slipped in"
    assert not pairs.questions()


@pytest.mark.parametrize("side", ["jira", "git"])
def test_an_edit_right_after_our_write_is_a_persons_and_not_taken_for_ours(
    pairs: Pairs, pair: tuple[int, str], side: str
) -> None:
    """Between our write and our look at what became of it: what is read back then is not what was sent."""
    number, issue = pair

    def edit(where: str, title: str) -> None:
        if where == "git":
            pairs.person("PATCH", f"/issues/{number}", {"title": title})
        else:
            pairs.ada.edits(issue, summary=title)

    edited: list[str] = []

    def after(where: str, request: Request) -> None:
        if where == side and not edited:
            edited.append(request.path)
            edit(where, "Right after")

    pairs.done = after
    edit("git" if side == "jira" else "jira", "From the other side")
    pairs.settle()
    assert edited
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == "Right after"
    assert not pairs.questions()


@pytest.mark.parametrize("side", ["jira", "git"])
def test_a_creation_whose_echo_is_faster_than_its_books_makes_no_third_item(pairs: Pairs, side: str) -> None:
    """Another worker meets the new item, and a comment on it, while the one that made it has not settled yet."""
    turns: list[object] = []

    def after(where: str, request: Request) -> None:
        if where != side or turns or request.method != "POST":
            return
        if side == "jira":
            (issue,) = pairs.benches["jira"].sandbox.state().values()
            pairs.ada.comments(str(issue["id"]), "Already here")
        else:
            pairs.comment(1, "Already here")
        pairs.takes(pairs.hooks(side))
        while pairs.bells:
            turns.append(run_turn(pairs.desk, *pairs.bells.pop(0)))

    pairs.done = after
    if side == "jira":
        pairs.report("Born here")
    else:
        pairs.ada.creates("Born there")
    pairs.settle()
    for _ in range(4):
        pairs.later(60)
        pairs.settle(2)
    assert turns
    assert len(pairs.benches["jira"].sandbox.state()) == 1
    assert len(pairs.person("GET", "/issues?state=all")) == 1
    told = str(pairs.on_jira()["comment"]["comments"]) + str(pairs.person("GET", "/issues/1/comments"))
    assert told.count("Already here") >= 2, "the comment came over once its item was linked"
    assert pairs.book.counts()["dead"] == 0


@pytest.mark.parametrize("side", ["jira", "git"])
def test_a_poll_of_either_side_finds_what_no_webhook_told(pairs: Pairs, pair: tuple[int, str], side: str) -> None:
    number, issue = pair
    pairs.poll("pair")
    if side == "jira":
        pairs.clock.move(60_000)
        pairs.ada.edits(issue, summary="Nobody told")
    else:
        pairs.person("PATCH", f"/issues/{number}", {"title": "Nobody told"})
    assert pairs.hooks(side)  # lost
    pairs.later(120)
    pairs.poll("pair")
    pairs.settle()
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == "Nobody told"


def test_what_is_linked_is_followed_although_it_is_not_wanted_any_more() -> None:
    pairs = Pairs(TEXT.replace("create: true}", "create: true, when: {labels: shared}}"))
    issue = pairs.ada.creates("Born there", labels=["shared"])
    pairs.ada.creates("Not for the other side")
    pairs.settle()
    pairs.ada.edits(issue, labels=[])
    pairs.settle()
    pairs.ada.edits(issue, summary="Renamed there")
    pairs.settle()
    assert [one["title"] for one in pairs.person("GET", "/issues?state=all")] == ["Renamed there"]


def test_a_backlog_of_both_sides_is_made_on_the_other_each(pairs: Pairs) -> None:
    """What goes to Jira goes with one call; what goes the other way must not be among it."""
    for count in range(3):
        pairs.report(f"Born here {count}")
        pairs.ada.creates(f"Born there {count}")
    events = [*pairs.hooks("git"), *pairs.hooks("jira")]
    pairs.inbox.accept(sorted(events, key=lambda one: one.at), lane="backfill")
    pairs.work()
    pairs.settle()
    wanted = sorted(f"Born {where} {count}" for where in ("here", "there") for count in range(3))
    assert sorted(one["title"] for one in pairs.person("GET", "/issues?state=all")) == wanted
    assert sorted(pairs.issues()) == wanted
    assert any(one.path.endswith("/issue/bulk") for one in pairs.benches["jira"].transport.sent)
    assert not pairs.questions()


def test_an_echo_is_known_by_its_values_and_costs_no_call(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair

    def calls() -> int:
        return sum(len(one.transport.sent) for one in pairs.benches.values())

    for edit, echo in (
        (lambda: pairs.person("PATCH", f"/issues/{number}", {"title": "From here"}), "jira"),
        (lambda: pairs.ada.edits(issue, summary="From there"), "git"),
    ):
        edit()
        pairs.deliver_hooks("git" if echo == "jira" else "jira")
        before, events = calls(), pairs.hooks(echo)
        assert events
        pairs.takes(events)
        pairs.work()
        assert calls() == before, echo


def test_a_late_webhook_of_long_before_our_write_is_no_edit_that_slipped_in(
    pairs: Pairs, pair: tuple[int, str]
) -> None:
    number, issue = pair
    pairs.ada.edits(issue, summary="One")
    late = pairs.hooks("jira")
    pairs.later(600)
    pairs.ada.edits(issue, summary="Two")
    pairs.settle()
    pairs.later(600)
    pairs.person("PATCH", f"/issues/{number}", {"title": "Three"})
    pairs.settle()
    pairs.takes(late)
    pairs.settle()
    assert not pairs.questions()
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == "Three"


def test_what_always_puts_its_own_value_back_is_stopped(pairs: Pairs, pair: tuple[int, str]) -> None:
    _, issue = pair
    for number in range(20):
        title = pairs.on_git()["title"]
        if not title.endswith("(robot)"):
            pairs.person("PATCH", f"/issues/{pair[0]}", {"title": f"{number} (robot)"})
        pairs.settle(1)
        if pairs.on_jira()["summary"].endswith("(robot)"):
            pairs.ada.edits(issue, summary=f"{number} (other robot's)")
        pairs.settle(1)
    assert question(pairs).conflict.why == "loop"


def test_one_side_that_is_gone_writes_nothing_to_the_other(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.ask("DELETE", f"/issue/{issue}")
    pairs.settle()
    before = pairs.writes()
    pairs.person("PATCH", f"/issues/{number}", {"title": "Renamed here"})
    pairs.settle()
    assert pairs.writes() == before + 1
    assert pairs.book.counts()["dead"] == 0
    assert not pairs.questions()
    assert "is gone" in pairs.book.settled(most=1)[0]["reason"]


def test_text_that_only_jira_can_hold_survives_an_edit_beside_it(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    panel = {"type": "panel", "attrs": {"panelType": "info"}, "content": [paragraph("Mind the gap")]}
    status = {"type": "status", "attrs": {"text": "READY", "color": "green", "style": "bold"}}
    lozenge = {"type": "paragraph", "content": [{"type": "text", "text": "It is "}, status]}
    document = {"type": "doc", "version": 1, "content": [paragraph("First"), panel, lozenge, paragraph("Last")]}
    Someone(pairs.benches["jira"], api="3").edits(issue, description=document)
    pairs.settle()
    body = pairs.on_git()["body"]
    pairs.person("PATCH", f"/issues/{number}", {"body": body.replace("Last", "Last but not least")})
    pairs.settle()
    first, middle, kept, last = pairs.on_jira()["description"]["content"]
    assert (first, middle, kept) == (paragraph("First"), panel, lozenge)
    assert last == paragraph("Last but not least")


def test_text_that_only_github_can_hold_survives_an_edit_beside_it(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    kept = "* a bullet of another kind\n\n<details><summary>More</summary>\n\nHidden\n\n</details>"
    pairs.person("PATCH", f"/issues/{number}", {"body": f"First\n\n{kept}\n\nLast"})
    pairs.settle()
    document = deepcopy(pairs.on_jira()["description"])
    document["content"][-1] = paragraph("Last but not least")
    Someone(pairs.benches["jira"], api="3").edits(issue, description=document)
    pairs.settle()
    assert pairs.on_git()["body"] == f"First\n\n{kept}\n\nLast but not least"


def paragraph(text: str) -> dict[str, Any]:
    """Return a paragraph of Atlassian's documents."""
    return {"type": "paragraph", "content": [{"type": "text", "text": text}]}


def test_who_changed_a_side_is_told_where_an_event_tells_it(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, summary="Mine")
    pairs.person("PATCH", f"/issues/{number}", {"title": "No, mine"})
    pairs.deliver_hooks("git")
    asked = pairs.questions()["Summary"]
    assert (asked["here"]["by"], asked["there"].get("by")) == ("alice", None)
    pairs.settle()
    asked = pairs.questions()["Summary"]
    assert (asked["here"]["by"], asked["there"]["by"]) == ("alice", "Ada")
    pairs.person("PATCH", f"/issues/{number}", {"title": "Still mine"}, who="ghp_bob")
    pairs.settle()
    asked = pairs.questions()["Summary"]
    assert (asked["here"]["by"], asked["there"]["by"]) == ("bob", "Ada")
    assert "alice" not in str(pairs.book.audit(most=1000))


def test_a_pair_whose_questions_are_all_decided_is_no_longer_looked_up(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, summary="Mine")
    pairs.person("PATCH", f"/issues/{number}", {"title": "No, mine"})
    pairs.settle()
    assert pairs.book.open_questions() == 1
    decide(pairs.desk, pairs.inbox, question(pairs), Actor("eve"), take="to")
    pairs.settle()
    assert pairs.book.open_questions() == 0
    assert not pairs.book.client.exists(pairs.book.tag + "questions")


@pytest.mark.parametrize(("take", "value"), [("from", None), ("value", "A third")])
def test_a_decision_writes_over_nothing_that_came_after_it(
    pairs: Pairs, pair: tuple[int, str], take: str, value: str | None
) -> None:
    number, issue = pair
    pairs.ada.edits(issue, summary="Mine")
    pairs.person("PATCH", f"/issues/{number}", {"title": "No, mine"})
    pairs.settle()
    decide(pairs.desk, pairs.inbox, question(pairs), Actor("eve"), take=take, value=value)
    pairs.ada.edits(issue, summary="Mine, and more")
    pairs.settle()
    assert (pairs.on_git()["title"], pairs.on_jira()["summary"]) == ("No, mine", "Mine, and more")
    assert question(pairs).conflict.holds == "Mine, and more"
    assert "asked again" in {row["action"] for row in pairs.book.audit(most=100)}
    decide(pairs.desk, pairs.inbox, question(pairs), Actor("eve"), take=take, value=value)
    pairs.settle()
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == (value or "No, mine")
    assert not pairs.questions()


def test_a_side_that_was_decided_to_hold_may_be_edited_on(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, summary="Mine")
    pairs.person("PATCH", f"/issues/{number}", {"title": "No, mine"})
    pairs.settle()
    decide(pairs.desk, pairs.inbox, question(pairs), Actor("eve"), take="from")
    pairs.person("PATCH", f"/issues/{number}", {"title": "No, mine, and more"})
    pairs.settle()
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == "No, mine, and more"
    assert not pairs.questions()


def test_a_decision_that_a_side_refuses_is_told_and_asked_again(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, summary="Mine")
    pairs.person("PATCH", f"/issues/{number}", {"title": "No, mine"})
    pairs.settle()
    decide(pairs.desk, pairs.inbox, question(pairs), Actor("eve"), take="value", value=None)
    pairs.settle()
    assert (pairs.on_git()["title"], pairs.on_jira()["summary"]) == ("No, mine", "Mine")
    assert pairs.book.counts()["dead"] == 1
    pairs.person("PATCH", f"/issues/{number}", {"labels": ["bug"]})
    pairs.settle()
    assert pairs.on_jira()["labels"] == ["bug"]
    assert pairs.book.counts()["dead"] == 0, "what came after it succeeded, and told its state"
    decide(pairs.desk, pairs.inbox, question(pairs), Actor("eve"), take="to")
    pairs.settle()
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == "Mine"


def test_a_decision_may_empty_a_field_at_both_sides(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, description="Mine")
    pairs.person("PATCH", f"/issues/{number}", {"body": "No, mine"})
    pairs.settle()
    decide(pairs.desk, pairs.inbox, question(pairs), Actor("eve"), take="value", value=None)
    pairs.settle()
    assert not pairs.on_git()["body"]
    assert not pairs.on_jira()["description"]
    assert not pairs.questions()
