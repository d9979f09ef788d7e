"""Gates with a clock: they open by themselves, let canaries through one at a time, and never all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
import pytest
from fakeredis import FakeRedis, FakeServer
from redis import Redis

from tests.workers.stores.books import T0, Ticker, books, letter
from workers.stores.deliveries import Deliveries, Pace
from workers.stores.records import Claim, Settlement

CAUSE = "cause:1"
CANARY = {"first": 100, "longest": 350}


@pytest.fixture
def ticker() -> Ticker:
    return Ticker()


@pytest.fixture(params=["fake", "real"])
def store(request: pytest.FixtureRequest, ticker: Ticker) -> Iterator[Deliveries]:
    """Return books on a fake server and on a real one."""
    client: Redis
    if request.param == "fake":
        client = FakeRedis(server=FakeServer(server_type="valkey"))
    else:
        client = Redis.from_url(request.getfixturevalue("valkey_url"))
        client.flushall()
    made = books(client, ticker, concurrency=1, pace=Pace(ring=10**6, slot=10**6, scan=0, crashes=2))
    yield made
    counts = made.counts()
    assert counts["accepted"] == sum(count for name, count in counts.items() if name != "accepted")
    client.close()


def begin(store: Deliveries) -> Claim:
    """Begin a turn, whoever was called by a bell."""
    store.client.delete(store.tag + "slots")
    return store.begin("any")


class Desk:
    """One turn after another that does with each claimed subject what it is told to."""

    def __init__(self, store: Deliveries) -> None:
        self.store = store

    def work(
        self, what: Any, *, most: int = 10_000, begin: Callable[[Deliveries], Claim] = begin
    ) -> list[tuple[str, str]]:
        """Settle what is ready; ``what(box)`` says how.  Returns (subject, verdict) in order."""
        found: list[tuple[str, str]] = []
        claim: Claim | None = begin(self.store)
        assert claim is not None
        turn = claim.turn
        while claim.status == "work":
            box = claim.boxes[0]
            settlement = what(box)
            claim = self.store.settle(turn, box.subject, settlement, claim=int(len(found) + 1 < most))
            assert claim is not None
            found.append((box.subject, settlement.verdict))
        self.store.end(turn)
        return found


def hold(entities: int = 3, gate: str = CAUSE, **more: Any) -> dict[str, Any]:
    wanted = {"kind": "create", "where": "", "entities": entities, "window": 1000, "canary": CANARY, "why": "no"}
    return {"gate": gate, **wanted, **more}


def rejected(**more: Any) -> Any:
    def what(box: Any) -> Settlement:
        return Settlement(bury=[(box.letters[0].id, {"cause": "x", "attempts": "1"})], hold=hold(**more))

    return what


def delivered(box: Any, **more: Any) -> Settlement:
    return Settlement(settle=[(box.letters[0].id, "delivered", "")], **more)


def limited(box: Any) -> Settlement:
    what = Settlement()
    what.park("class:jira:write", f"429 for {box.subject}", delay=500)
    return what


def accept(store: Deliveries, *numbers: int) -> None:
    store.accept([letter(n, f"git:issue:{n}") for n in numbers])


def scans(store: Deliveries, number: int) -> list[int]:
    return [store.scan()[1] for _ in range(number)]


# --- a clock ---------------------------------------------------------------------------------------------
def test_a_gate_with_a_time_opens_by_itself_and_not_before(store: Deliveries, ticker: Ticker) -> None:
    desk = Desk(store)
    accept(store, 1, 2)
    assert [verdict for _, verdict in desk.work(limited)] == ["shut", "held"]
    gate = store.gates()["class:jira:write"]
    assert (gate["until"], gate["parked"]) == (T0 + 500, 2)
    ticker.move(499)
    assert scans(store, 1) == [0]
    ticker.move(1)
    assert scans(store, 1) == [2]
    assert store.gates() == {}
    assert [subject for subject, _ in desk.work(delivered)] == ["git:issue:1", "git:issue:2"]


def test_a_later_refusal_of_the_class_makes_all_wait_longer(store: Deliveries, ticker: Ticker) -> None:
    desk = Desk(store)
    accept(store, 1, 2)
    desk.work(limited, most=1)
    ticker.move(300)
    desk.work(limited)
    ticker.move(300)
    assert scans(store, 2) == [0, 0]
    ticker.move(200)
    assert scans(store, 1) == [2]


def test_a_shorter_refusal_shortens_no_wait(store: Deliveries, ticker: Ticker) -> None:
    desk = Desk(store)
    accept(store, 1, 2)
    desk.work(limited, most=1)

    def briefly(_box: Any) -> Settlement:
        what = Settlement()
        what.park("class:jira:write", "", delay=5)
        return what

    desk.work(briefly)
    ticker.move(499)
    assert scans(store, 1) == [0]


def test_others_are_not_touched_by_a_closed_class(store: Deliveries) -> None:
    desk = Desk(store)
    accept(store, 1, 2)
    assert len(desk.work(lambda box: limited(box) if box.subject == "git:issue:1" else delivered(box))) == 2
    assert store.counts()["delivered"] == 1


def test_many_go_on_in_slices_that_grow_and_in_order(store: Deliveries, ticker: Ticker) -> None:
    desk = Desk(store)
    accept(store, *range(70))
    desk.work(limited)
    ticker.move(500)
    assert scans(store, 5) == [8, 16, 32, 14, 0]
    assert [subject for subject, _ in desk.work(delivered)] == [f"git:issue:{n}" for n in range(70)]


def test_who_is_refused_again_shuts_the_gate_before_all_have_come(store: Deliveries, ticker: Ticker) -> None:
    desk = Desk(store)
    accept(store, *range(100))
    desk.work(limited)
    ticker.move(500)
    scans(store, 1)
    assert [verdict for _, verdict in desk.work(limited)] == ["failed", *["held"] * 7]
    assert scans(store, 3) == [0, 0, 0]
    assert store.gates()["class:jira:write"]["parked"] == 100


def test_one_scan_lets_no_more_than_five_hundred_go_whatever_opens(store: Deliveries, ticker: Ticker) -> None:
    desk, client, tag = Desk(store), store.client, store.tag
    accept(store, *range(30))
    desk.work(limited)
    ticker.move(500)
    others = [f"git:issue:{n}" for n in range(100, 596)]
    client.zadd(tag + "due", dict.fromkeys(others, 1))
    client.hset(tag + "own", mapping=dict.fromkeys(others, "d"))
    assert scans(store, 3) == [500, 16, 10]


def test_a_scan_that_has_done_enough_leaves_a_gate_as_it_was(store: Deliveries, ticker: Ticker) -> None:
    desk, client, tag = Desk(store), store.client, store.tag
    accept(store, *range(30))
    desk.work(limited)
    ticker.move(500)
    others = [f"git:issue:{n}" for n in range(100, 600)]
    client.zadd(tag + "due", dict.fromkeys(others, 1))
    client.hset(tag + "own", mapping=dict.fromkeys(others, "d"))
    assert scans(store, 3) == [500, 8, 16]


# --- a cause ----------------------------------------------------------------------------------------------
def test_a_cause_on_enough_entities_is_held_and_nothing_more_dies(store: Deliveries) -> None:
    desk = Desk(store)
    accept(store, *range(20))
    assert [verdict for _, verdict in desk.work(rejected())] == ["", "", "shut", *["held"] * 17]
    assert store.counts()["dead"] == 2
    assert store.counts()["in_flight"] == 18
    held = store.letter("d7")
    assert held is not None
    assert (held.attempts, held.fields["cause"], held.state) == (0, "x", "waiting")


def test_one_entity_that_fails_again_and_again_is_not_systemic(store: Deliveries) -> None:
    desk = Desk(store)
    store.accept([letter(n) for n in range(30)])
    desk.work(rejected(entities=2))
    assert store.counts()["dead"] == 30
    assert store.gates() == {}
    (window,) = store.client.hvals(f"{store.tag}window:{CAUSE}")
    assert orjson.loads(window)["ids"] == [f"d{n}" for n in range(10, 30)], "the last few can come back with the gate"
    for key in (f"window:{CAUSE}", "causes"):
        assert 0 < store.client.pttl(store.tag + key) <= 1000


def test_when_a_held_cause_is_over_it_is_counted_from_the_beginning(store: Deliveries, ticker: Ticker) -> None:
    desk = held(store)
    store.open_gate(CAUSE)
    desk.work(delivered)
    for _ in range(2):
        ticker.move(100)
        scans(store, 1)
    assert store.gates() == {}
    assert store.client.keys("*window*") + store.client.keys("*causes*") == []
    accept(store, 50)
    assert desk.work(rejected()) == [("git:issue:50", "")]


def test_failures_that_lie_further_apart_than_the_window_are_not_systemic(store: Deliveries, ticker: Ticker) -> None:
    desk = Desk(store)
    for number in range(9):
        accept(store, number)
        desk.work(rejected())
        ticker.move(600)
    assert store.counts()["dead"] == 9


@pytest.mark.parametrize(
    ("won", "failed", "held"),
    [
        (("create", ["WEB"]), {}, False),
        (("create", ["", "WEB"]), {"where": "WEB"}, False),
        (("create", ["API"]), {"where": "WEB"}, True),
        (("update", ["WEB"]), {}, True),
    ],
)
def test_a_success_of_that_kind_in_between_says_that_it_is_not_the_rule(
    store: Deliveries, won: tuple[str, list[str]], failed: Mapping[str, Any], *, held: bool
) -> None:
    desk = Desk(store)
    accept(store, 1, 2)
    desk.work(rejected(**failed))
    accept(store, 3)
    desk.work(lambda box: delivered(box, won=won))
    accept(store, 4)
    desk.work(rejected(**failed))
    assert (CAUSE in store.gates()) is held


def test_letters_that_went_together_die_together_and_come_back_together(store: Deliveries) -> None:
    desk = Desk(store)

    def digest(box: Any) -> Settlement:
        return Settlement(bury=[(one.id, {}) for one in box.letters], hold=hold(2))

    for number in (1, 2):
        store.accept([letter(10 * number + n, f"git:issue:{number}") for n in range(3)])
        desk.work(digest)
    assert (store.counts()["dead"], store.counts()["in_flight"]) == (3, 3)
    store.open_gate(CAUSE)
    assert store.counts()["dead"] == 0


def test_a_swallowed_letter_stays_with_the_one_that_is_held(store: Deliveries) -> None:
    desk = Desk(store)

    def what(box: Any) -> Settlement:
        first, last = box.letters
        return Settlement(bury=[(last.id, {})], swallow=[(first.id, "merged")], hold=hold(2))

    for number in (1, 2):
        store.accept([letter(10 * number + n, f"git:issue:{number}") for n in range(2)])
        desk.work(what)
    assert store.counts() == {
        "accepted": 4, "delivered": 0, "skipped": 1, "dead": 1, "discarded": 0, "in_flight": 2
    }  # fmt: skip


# --- canaries ---------------------------------------------------------------------------------------------
def held(store: Deliveries, number: int = 6) -> Desk:
    """Make a cause systemic: two dead letters, the rest behind the gate."""
    desk = Desk(store)
    accept(store, *range(number))
    desk.work(rejected())
    return desk


def test_one_canary_goes_at_a_time_at_intervals_that_double(store: Deliveries, ticker: Ticker) -> None:
    desk = held(store)
    went, at = [], []
    for _ in range(28):
        ticker.move(50)
        scans(store, 2)
        for subject, verdict in desk.work(rejected()):
            assert verdict == "failed"
            went.append(subject)
            at.append(ticker() - T0)
    assert at[:5] == [100, 300, 650, 1000, 1350]
    assert went[:5] == [f"git:issue:{n}" for n in (2, 3, 4, 5, 2)], "each in its turn: one may be a case of its own"
    assert store.gates()[CAUSE]["tries"] == len(at)
    assert store.counts()["dead"] == 2


def test_a_canary_that_is_still_out_is_waited_for(store: Deliveries, ticker: Ticker) -> None:
    held(store)
    ticker.move(100)
    assert scans(store, 1) == [1]
    for _ in range(5):
        ticker.move(400)
        assert scans(store, 1) == [0]


def test_a_canary_that_gets_through_opens_the_gate_and_the_dead_come_back_too(
    store: Deliveries, ticker: Ticker
) -> None:
    desk = held(store)
    ticker.move(100)
    scans(store, 1)
    assert desk.work(delivered, most=1) == [("git:issue:2", "opened")]
    scans(store, 1)
    assert sorted(subject for subject, _ in desk.work(delivered)) == [f"git:issue:{n}" for n in (0, 1, 3, 4, 5)]
    assert store.counts() == {
        "accepted": 6, "delivered": 6, "skipped": 0, "dead": 0, "discarded": 0, "in_flight": 0
    }  # fmt: skip
    assert store.gates()[CAUSE]["opening"]
    ticker.move(100)
    scans(store, 1)
    assert store.gates() == {}
    assert store.client.hgetall(store.tag + "canary") == {}


def test_a_canary_that_got_through_by_luck_costs_no_dead_letters(store: Deliveries, ticker: Ticker) -> None:
    desk = held(store, 100)
    ticker.move(100)
    scans(store, 1)
    desk.work(delivered, most=1)
    scans(store, 1)
    verdicts = [verdict for _, verdict in desk.work(rejected())]
    assert verdicts == ["failed", *["held"] * 9]
    assert scans(store, 3) == [0, 0, 0]
    assert store.counts()["dead"] == 0
    assert store.gates()[CAUSE]["parked"] == 99


def test_who_fails_after_the_last_went_on_shuts_the_gate_again(store: Deliveries, ticker: Ticker) -> None:
    desk = held(store)
    ticker.move(100)
    scans(store, 1)
    desk.work(delivered, most=1)
    scans(store, 1)
    desk.work(delivered)
    accept(store, 50)
    assert desk.work(rejected()) == [("git:issue:50", "failed")]
    assert "opening" not in store.gates()[CAUSE]


def test_a_canary_that_is_skipped_proves_nothing_and_the_next_goes_at_once(store: Deliveries, ticker: Ticker) -> None:
    desk = held(store)
    ticker.move(100)
    scans(store, 1)
    desk.work(lambda box: Settlement(settle=[(box.letters[0].id, "skipped", "gone at its source")]))
    assert scans(store, 1) == [1]
    assert desk.work(delivered, most=1) == [("git:issue:3", "opened")]


def test_a_canary_that_waits_for_something_else_is_followed_by_another(store: Deliveries, ticker: Ticker) -> None:
    desk = held(store)
    ticker.move(100)
    scans(store, 1)
    assert desk.work(lambda _box: Settlement(next="due", delay=10**6)) == [("git:issue:2", "")]
    ticker.move(99)
    assert scans(store, 1) == [0]
    ticker.move(1)
    assert scans(store, 1) == [1]
    assert desk.work(delivered, most=1) == [("git:issue:3", "opened")]


def test_a_canary_that_waits_behind_another_gate_is_followed_by_another(store: Deliveries, ticker: Ticker) -> None:
    desk = held(store)
    ticker.move(100)
    scans(store, 1)
    desk.work(limited)
    ticker.move(100)
    assert scans(store, 1) == [1]
    assert desk.work(delivered, most=1) == [("git:issue:3", "opened")]


def test_a_canary_that_leaves_something_and_fails_has_failed(store: Deliveries, ticker: Ticker) -> None:
    desk = held(store)
    store.accept([letter(99, "git:issue:2")])
    ticker.move(100)
    scans(store, 1)

    def both(box: Any) -> Settlement:
        first, second = box.letters
        return Settlement(settle=[(first.id, "delivered", "")], bury=[(second.id, {})], hold=hold())

    assert desk.work(both) == [("git:issue:2", "failed")]
    assert store.counts()["dead"] == 2


def test_a_canary_that_its_gate_no_longer_knows_opens_nothing(store: Deliveries) -> None:
    desk = held(store)
    # A version that knows no canaries opened the gate of this one, and it was shut again since.
    store.client.hset(store.tag + "canary", "git:issue:60", CAUSE)
    accept(store, 60)
    assert desk.work(delivered) == [("git:issue:60", "")]
    assert "opening" not in store.gates()[CAUSE]
    assert store.client.hgetall(store.tag + "canary") == {}


def test_a_gate_that_nobody_waits_behind_any_more_is_forgotten(store: Deliveries, ticker: Ticker) -> None:
    desk = held(store, 3)
    ticker.move(100)
    scans(store, 1)
    desk.work(lambda box: Settlement(settle=[(box.letters[0].id, "skipped", "")]))
    scans(store, 1)
    assert store.gates() == {}
    assert store.counts()["dead"] == 2


def test_a_canary_of_a_turn_that_died_is_still_the_canary(store: Deliveries, ticker: Ticker) -> None:
    desk = held(store)
    ticker.move(100)
    scans(store, 1)
    begin(store)
    ticker.move(10**6)
    assert store.scan()[:2] == (1, 0)
    assert desk.work(delivered, begin=lambda store: store.isolate(), most=1) == [("git:issue:2", "opened")]


def test_any_outcome_of_a_canary_shows_that_a_body_can_be_read(store: Deliveries, ticker: Ticker) -> None:
    desk = Desk(store)

    def unread(_box: Any) -> Settlement:
        what = Settlement()
        what.park("format", "newer", canary={**CANARY, "any": True})
        return what

    accept(store, 1, 2)
    desk.work(unread)
    ticker.move(100)
    scans(store, 1)
    assert desk.work(unread) == [("git:issue:1", "failed")]
    ticker.move(200)
    scans(store, 1)
    assert desk.work(lambda _box: Settlement(next="due", delay=10**6)) == [("git:issue:2", "opened")]
    assert scans(store, 1) == [1]


# --- people, and what meets a parked subject ---------------------------------------------------------------
def test_a_person_opens_a_held_cause_at_once_and_the_dead_come_back(store: Deliveries) -> None:
    desk = held(store, 20)
    opened, bells = store.open_gate(CAUSE, '{"action":"resume"}')
    assert (opened, len(bells)) == (18, 1)
    scans(store, 3)
    assert len(desk.work(delivered)) == 20
    assert store.counts()["dead"] == 0


def test_opening_a_gate_twice_or_one_that_is_not_there_does_no_harm(store: Deliveries) -> None:
    desk = held(store)
    for _ in range(3):
        store.open_gate(CAUSE)
    assert store.open_gate("cause:none") == (0, ())
    assert len(desk.work(delivered)) == 6


def test_what_is_held_can_be_made_dead_letters_by_a_person(store: Deliveries) -> None:
    held(store, 10)
    buried, _ = store.bury_held(CAUSE, '{"action":"bury"}', most=5)
    assert buried == [f"d{n}" for n in range(2, 7)]
    buried, _ = store.bury_held(CAUSE, "")
    assert len(buried) == 3
    assert store.counts()["dead"] == 10
    assert store.counts()["in_flight"] == 0
    gone, _ = store.discard(buried, "not wanted", "{}")
    assert len(gone) == 3


def test_burying_the_held_lets_their_mailboxes_go_on(store: Deliveries) -> None:
    desk = held(store, 3)
    store.accept([letter(99, "git:issue:2")])
    store.bury_held(CAUSE, "")
    assert desk.work(delivered) == [("git:issue:2", "")]


def test_what_was_never_tried_says_why_it_was_buried(store: Deliveries) -> None:
    accept(store, 1)
    Desk(store).work(limited)
    store.bury_held("class:jira:write", "")
    (dead,) = store.dead()
    assert (dead.fields["error"], dead.fields["message"]) == ("Held", "429 for git:issue:1")


def test_a_newer_letter_waits_behind_the_one_that_is_held(store: Deliveries, ticker: Ticker) -> None:
    desk = held(store, 3)
    store.accept([letter(99, "git:issue:2")])
    assert desk.work(delivered) == []
    ticker.move(100)
    scans(store, 1)
    seen: list[str] = []

    def note(box: Any) -> Settlement:
        seen.extend(one.id for one in box.letters)
        return delivered(box)

    desk.work(note, most=1)
    assert seen == ["d2", "d99"]


def test_a_replayed_dead_letter_of_a_held_cause_is_held_and_not_dead_again(store: Deliveries) -> None:
    desk = held(store)
    assert store.replay(["d0", "d1"], "{}")[0] == ["d0", "d1"]
    assert [verdict for _, verdict in desk.work(rejected())] == ["held", "held"]
    assert store.counts()["dead"] == 0


def test_a_dead_letter_that_was_given_up_does_not_come_back_with_the_gate(store: Deliveries) -> None:
    desk = held(store)
    store.discard(["d0"], "no", "{}")
    store.open_gate(CAUSE)
    assert len(desk.work(delivered)) == 5
    assert store.counts()["discarded"] == 1


def test_a_dead_letter_that_was_brought_back_already_is_not_brought_back_again(store: Deliveries) -> None:
    desk = held(store)
    store.replay(["d0"], "{}")
    store.open_gate(CAUSE)
    assert len(desk.work(delivered)) == 6
    assert store.counts()["in_flight"] == 0


def test_a_gate_brings_its_dead_letters_back_once(store: Deliveries) -> None:
    desk = held(store)
    store.open_gate(CAUSE)
    desk.work(lambda box: Settlement(bury=[(box.letters[0].id, {"cause": "another"})]))
    store.open_gate(CAUSE)
    assert store.counts()["dead"] == 6


def test_letters_that_join_a_held_mailbox_wait_with_it(store: Deliveries, ticker: Ticker) -> None:
    desk = held(store, 3)
    store.accept([letter(50, "git:issue:50"), letter(51, "git:issue:50")])
    desk.work(lambda box: delivered(box, aliases=["git:issue:2"]))
    assert store.owner("git:issue:2") == f"p:{CAUSE}"
    assert store.counts()["in_flight"] == 2
    ticker.move(100)
    scans(store, 1)
    assert [subject for subject, _ in desk.work(delivered)].count("git:issue:2") == 2


def test_subjects_that_an_older_version_parked_go_on_too(store: Deliveries, ticker: Ticker) -> None:
    desk = held(store, 4)
    client, tag = store.client, store.tag
    accept(store, 70)
    desk.work(lambda _box: Settlement(next="park", gate=CAUSE))
    client.zrem(f"{tag}held:{CAUSE}", "git:issue:70")
    client.sadd(f"{tag}gate:{CAUSE}", "git:issue:70")
    assert store.gates()[CAUSE]["parked"] == 3
    client.hdel(f"{tag}gates", CAUSE)  # and its way of opening a gate
    ticker.move(100)
    scans(store, 1)
    assert len(desk.work(delivered)) == 3


def test_a_crash_blocks_its_mailbox_where_dead_letters_do(store: Deliveries, ticker: Ticker) -> None:
    store.blocks = True
    store.accept([letter(1), letter(2)])
    begin(store)
    for _ in range(2):
        ticker.move(10**6)
        store.scan()
        assert store.isolate().status == "work"
    ticker.move(10**6)
    assert store.scan().buried == ("d1",)
    assert [one.id for one in store.dead()] == ["d1"]
    assert store.owner("git:issue:1") == "p:dead-d1"
    store.discard(["d1"], "it kills", "{}")
    assert store.owner("git:issue:1") == "s", "what may have been collapsed with it is tried alone, too"


def test_a_subject_that_is_elsewhere_by_now_is_not_let_go_a_second_time(store: Deliveries, ticker: Ticker) -> None:
    desk = held(store, 3)
    store.client.hset(store.tag + "own", "git:issue:2", "d")
    ticker.move(100)
    assert scans(store, 1) == [0]
    assert desk.work(delivered) == []
