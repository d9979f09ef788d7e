"""Each script keeps what its head promises, on the fake and on a real server."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from connector.link import Link
from tests.workers.stores.books import T0, Ticker, books, letter
from workers.stores import keys as key_table
from workers.stores import moments
from workers.stores.connections import Bucket, Connections
from workers.stores.deliveries import Deliveries, Pace, scan_all
from workers.stores.examinations import claim_examination, remember_examination
from workers.stores.keys import DAY_MS, DEAD_DAYS, FORMAT, connection_tag, connector_tag, tag_of
from workers.stores.orders import give
from workers.stores.records import Box, Claim, Settlement, UnknownFormat
from workers.stores.scripts import names, text_of
from workers.stores.usage import begin_day
from workers.stores.versions import keep

MAIL = "git:issue:1"


@pytest.fixture
def ticker() -> Ticker:
    return Ticker()


@pytest.fixture
def store(redis_client: Redis, ticker: Ticker) -> Deliveries:
    return books(redis_client, ticker)


def claimed(store: Deliveries, *more: Any, **options: Any) -> tuple[str, Box]:
    """Accept letters and claim the first subject."""
    got = store.accept(list(more) or [letter(1)], **options)
    claim = store.begin(got.bells[0].token)
    return claim.turn, claim.boxes[0]


def adds_up(store: Deliveries, **wanted: int) -> None:
    counts = store.counts()
    assert counts["accepted"] == sum(value for name, value in counts.items() if name != "accepted"), counts
    assert {name: counts[name] for name in wanted} == wanted


def bury(store: Deliveries, *numbers: int, **settle: Any) -> None:
    turn, box = claimed(store, *(letter(n) for n in numbers))
    store.settle(turn, box.subject, Settlement(bury=[(f"d{n}", {"cause": "400"}) for n in numbers], **settle))
    store.end(turn)


# --- the fence ----------------------------------------------------------------------------------------------


def test_a_turn_that_comes_back_after_its_lease_is_refused_and_counted(store: Deliveries, ticker: Ticker) -> None:
    turn, box = claimed(store)
    ticker.move(store.pace.slot + 1)
    assert store.settle(turn, box.subject, Settlement(settle=[("d1", "delivered", "")])) is None
    assert store.tally()["overtaken"] == 1
    announced = store.intend(turn, box.subject, "e1", action="create", delivery="d1", request="", deadline=1)
    assert announced.answer == "stale"
    assert store.tally()["overtaken"] == 2
    adds_up(store, accepted=1, in_flight=1)


def test_a_settlement_that_is_sent_twice_is_overtaken_by_nobody(store: Deliveries) -> None:
    turn, box = claimed(store)
    what = Settlement(settle=[("d1", "delivered", "")])
    assert store.settle(turn, box.subject, what) is not None
    assert store.settle(turn, box.subject, what) is None
    assert store.tally()["overtaken"] == 0


# --- accept -------------------------------------------------------------------------------------------------


def test_a_delivery_is_stored_once(store: Deliveries) -> None:
    assert store.accept([letter(1), letter(1), letter(2)]).outcomes == ("accepted", "duplicate", "accepted")
    assert store.accept([letter(1)]).outcomes == ("duplicate",)
    adds_up(store, accepted=2, in_flight=2)


def test_a_settled_delivery_is_not_taken_again(store: Deliveries) -> None:
    turn, box = claimed(store)
    store.settle(turn, box.subject, Settlement(settle=[("d1", "delivered", "")]))
    assert store.accept([letter(1)], revive=True).outcomes == ("duplicate",)
    adds_up(store, accepted=1, delivered=1)


def test_one_bell_for_one_subject_and_never_more_than_the_concurrency(store: Deliveries) -> None:
    assert len(store.accept([letter(n) for n in range(5)]).bells) == 1
    assert len(store.accept([letter(10 + n, f"git:issue:{n}") for n in range(9)]).bells) == store.concurrency - 1


def test_a_follower_is_taken_only_where_its_entity_is_known(store: Deliveries) -> None:
    assert store.accept([letter(1, follows=True)]).outcomes == ("filtered",)
    store.accept([letter(2)])
    assert store.accept([letter(3, follows=True)]).outcomes == ("accepted",)
    adds_up(store, accepted=2)


def test_a_cursor_moves_with_its_events(store: Deliveries) -> None:
    assert store.cursor("poll") == {}
    store.accept([], cursor=("poll", {"since": 1}))
    store.accept([letter(1)], cursor=("poll", {"since": 2}))
    assert store.cursor("poll") == {"since": 2}


def test_letters_come_in_their_order_with_their_bodies_and_links(store: Deliveries) -> None:
    turn, box = claimed(store, letter(1), letter(2))
    assert [(one.id, one.body, one.seq) for one in box.letters] == [("d1", b"body 1", 1), ("d2", b"body 2", 2)]
    link = '{"v":1,"source":"git:issue:1","target":"jira:issue:9"}'
    what = Settlement(settle=[("d1", "delivered", "")], links=[(MAIL, "jira:issue:9", link, True)])
    claim = store.settle(turn, box.subject, what, claim=1)
    assert claim is not None
    assert claim.boxes[0].links[MAIL].target == "jira:issue:9"
    back = store.link_back("jira:issue:9")
    assert back is not None
    assert back.source == MAIL


# --- lanes ----------------------------------------------------------------------------------------------------


def test_live_goes_first_and_nothing_starves(redis_client: Redis, ticker: Ticker) -> None:
    store = books(redis_client, ticker, concurrency=1)
    for lane in ("backfill", "replay", "live"):
        store.accept([letter(f"{lane}{n}", f"{lane}:{n}", lane=lane) for n in range(20)])
    order: list[str] = []
    ticker.move(61)
    claim = store.begin("none")
    turn = claim.turn
    while claim.status == "work":
        order.append(claim.boxes[0].lane)
        what = Settlement(settle=[(one.id, "delivered", "") for one in claim.boxes[0].letters])
        answer = store.settle(turn, claim.boxes[0].subject, what, claim=1)
        assert answer is not None
        claim = answer
    assert order[0] == "live"
    assert order[:16].count("live") == 12
    assert {"replay", "backfill"} <= set(order[:8])


def test_a_group_is_of_the_backlog_alone_and_only_while_nothing_else_waits(store: Deliveries) -> None:
    got = store.accept(
        [
            *(letter(n, f"git:issue:{n}", lane="backfill") for n in range(5)),
            *(letter(n, f"git:issue:{n}") for n in range(10, 19)),
        ]
    )
    groups: list[list[str]] = []
    claim: Claim | None = store.begin(got.bells[0].token, subjects=20)
    assert claim is not None
    turn = claim.turn
    while claim is not None and claim.boxes:
        groups.append([box.lane for box in claim.boxes])
        for box in claim.boxes:
            what = Settlement(settle=[(one.id, "delivered", "") for one in box.letters])
            claim = store.settle(turn, box.subject, what, claim=20)
    assert groups == [*[["live"]] * 7, ["backfill"], ["live"], ["live"], ["backfill"] * 4]
    adds_up(store, delivered=14, in_flight=0)


def test_a_live_event_lifts_its_mailbox(store: Deliveries) -> None:
    store.accept([letter(1, lane="backfill")])
    assert store.owner(MAIL) == "r:backfill"
    store.accept([letter(2)])
    assert store.owner(MAIL) == "r:live"
    store.accept([letter(3, lane="replay")])
    assert store.owner(MAIL) == "r:live"


# --- begin, end, close -----------------------------------------------------------------------------------------


def test_a_bell_is_traded_once(redis_client: Redis, ticker: Ticker) -> None:
    store = books(redis_client, ticker, concurrency=1)
    (bell,) = store.accept([letter(1), letter(2, "git:issue:2")]).bells
    assert store.begin(bell.token).status == "work"
    assert store.begin(bell.token).status == "full"


def test_a_bell_that_nobody_answers_rings_again_ever_later(store: Deliveries, ticker: Ticker) -> None:
    lives = [store.accept([letter(1)]).bells[0].life]
    for _ in range(30):
        ticker.move(lives[-1] + 1)
        (bell,) = store.scan()[2]
        lives.append(bell.life)
    assert lives == sorted(lives)
    assert lives[0] == store.pace.ring
    assert lives[-1] == 32 * store.pace.ring


def test_ending_gives_back_what_is_held_and_rings_for_it(store: Deliveries) -> None:
    turn, box = claimed(store)
    bell = store.end(turn)
    assert bell is not None
    assert store.owner(box.subject) == "r:live"


def test_a_closed_connector_rings_for_nobody_until_it_opens(store: Deliveries, ticker: Ticker) -> None:
    store.close(T0 + 100, "limit")
    assert store.accept([letter(1)]).bells == ()
    assert store.scan()[2] == ()
    assert store.close(T0 + 50, "shorter") is None
    ticker.move(60)
    assert store.scan()[2] == (), "a closing must not shorten another one"
    ticker.move(41)
    assert len(store.scan()[2]) == 1


def test_a_turn_that_meets_a_closed_connector_leaves(store: Deliveries) -> None:
    (bell,) = store.accept([letter(1)]).bells
    store.close(T0 + 100, "limit")
    claim = store.begin(bell.token)
    assert (claim.status, claim.open_at) == ("closed", T0 + 100)
    assert store.backlog()["slots"] == 0


def test_a_beginning_whose_answer_was_lost_strands_nothing(store: Deliveries) -> None:
    bells = store.accept([letter(1), letter(2, "git:issue:2")]).bells
    turn = store.new_turn()
    first = store.begin(bells[0].token, turn=turn)
    again = store.begin(bells[0].token, turn=turn)
    assert (first.status, again.status) == ("work", "work")
    assert store.backlog()["slots"] == 2, "it must go on with the turn it began, not begin another"
    store.end(turn)
    assert {store.owner(MAIL), store.owner("git:issue:2")} == {"r:live"}


def test_what_is_asked_beside_a_beginning_comes_in_the_same_round_trip(store: Deliveries) -> None:
    (bell,) = store.accept([letter(1)]).bells
    store.client.zadd("failing", {"x": 1})
    claim = store.begin(bell.token, beside=[("ZCARD", "failing"), ("HGETALL", "nothing")])
    assert claim.status == "work"
    assert claim.beside[0] == 1
    assert not claim.beside[1]


# --- settle ----------------------------------------------------------------------------------------------------


def test_settling_without_the_subject_changes_nothing(store: Deliveries, ticker: Ticker) -> None:
    turn, box = claimed(store)
    what = Settlement(settle=[("d1", "delivered", "")])
    assert store.settle("t0-other", box.subject, what) is None
    ticker.move(store.pace.slot)
    assert store.settle(turn, box.subject, what) is None
    adds_up(store, in_flight=1)


def test_a_settlement_that_is_sent_twice_counts_once(store: Deliveries) -> None:
    # A lost answer makes the client send it again; the turn may hold the same subject once more by then.
    turn, box = claimed(store, letter(1), letter(2), letter(3))
    what = Settlement(settle=[("d1", "delivered", "")], bury=[("d2", {"cause": "400"})])
    for _ in range(2):
        assert store.settle(turn, box.subject, what, claim=1) is not None
    adds_up(store, accepted=3, delivered=1, dead=1, in_flight=1)


def test_each_step_renews_the_lease(store: Deliveries, ticker: Ticker) -> None:
    turn, box = claimed(store, letter(1), letter(2))
    for number in (1, 2):
        ticker.move(store.pace.slot - 1)
        asked = store.intend(turn, box.subject, f"e{number}", action="update", delivery="d1", request="", deadline=5)
        assert asked.answer == "go"
        ticker.move(store.pace.slot - 1)
        assert store.settle(turn, box.subject, Settlement(next="keep")) is not None


def test_a_waiting_subject_is_left_alone_until_it_is_due(store: Deliveries, ticker: Ticker) -> None:
    turn, box = claimed(store)
    store.settle(turn, box.subject, Settlement(failed=[("d1", {"error": "x"})], next="due", delay=100))
    store.end(turn)
    store.accept([letter(2)])
    assert store.owner(MAIL) == "d"
    ticker.move(99)
    assert store.scan()[1] == 0
    ticker.move(1)
    assert store.scan()[1] == 1
    found = store.letter("d1")
    assert found is not None
    assert found.attempts == 1


def test_a_parked_subject_waits_for_its_gate(store: Deliveries) -> None:
    turn, box = claimed(store)
    store.settle(turn, box.subject, Settlement(next="park", gate="forbidden", why="403"))
    store.end(turn)
    assert store.accept([letter(2)]).bells == ()
    assert store.gates() == {"forbidden": {"why": "403", "since": T0, "parked": 1}}
    opened, bells = store.open_gate("forbidden")
    assert (opened, len(bells)) == (1, 1)
    assert store.gates() == {}


def test_linked_entities_share_one_mailbox(store: Deliveries) -> None:
    turn, box = claimed(store)
    store.settle(turn, box.subject, Settlement(settle=[("d1", "delivered", "")], aliases=["jira:issue:9"]))
    store.end(turn)
    turn, box = claimed(store, letter(2), letter(3, "jira:issue:9"))
    assert [one.id for one in box.letters] == ["d2", "d3"]


def test_a_long_chain_of_links_still_leads_to_one_mailbox(store: Deliveries) -> None:
    for number in range(1, 12):
        turn, box = claimed(store, letter(number, f"git:issue:{number}"))
        aliases = [f"jira:issue:{number}", f"jira:issue:{number - 1}"]
        store.settle(turn, box.subject, Settlement(settle=[(f"d{number}", "delivered", "")], aliases=aliases))
        store.end(turn)
    store.accept([letter(100 + n, f"git:issue:{n}") for n in range(1, 12)])
    assert store.backlog()["live"] == 1


# --- intents ----------------------------------------------------------------------------------------------------


def test_what_one_write_tells_is_noted_in_each_letter_that_is_there(store: Deliveries) -> None:
    turn, box = claimed(store, letter(1), letter(2), letter(3))
    ask: dict[str, Any] = {"action": "comment", "delivery": "d1", "request": "", "deadline": 1}
    store.intend(turn, box.subject, "e", together=("digest 1", ["d1", "d2", "gone"]), **ask)
    assert [one.fields.get("batch") for one in sorted(store.waiting(), key=lambda one: one.seq)] == [
        "digest 1",
        "digest 1",
        None,
    ]
    assert store.letter("gone") is None


def test_an_intent_says_what_became_of_an_earlier_send(store: Deliveries, ticker: Ticker) -> None:
    turn, box = claimed(store, letter(1), letter(2))
    ask: dict[str, Any] = {"action": "create", "delivery": "d1", "request": "r", "deadline": 10}
    assert store.intend(turn, box.subject, "e", **ask).answer == "go"
    ticker.move(1)
    unknown = store.intend(turn, box.subject, "e", **ask)
    assert (unknown.answer, unknown.at, unknown.deadline, unknown.looks) == ("unknown", T0, T0 + 10, 0)
    assert store.intend(turn, box.subject, "e", **ask).looks == 1
    assert store.intend(turn, box.subject, "e", resend=True, **ask).answer == "go"
    store.settle(turn, box.subject, Settlement(done=[("e", "77", "[]", DAY_MS)], next="keep"))
    done = store.intend(turn, box.subject, "e", **ask)
    assert (done.answer, done.remote, done.entity) == ("done", "77", "[]")
    store.settle(turn, box.subject, Settlement(forget=["e"], next="keep"))
    assert store.intend(turn, box.subject, "e", **ask).answer == "go"
    ticker.move(store.pace.slot)
    assert store.intend(turn, box.subject, "e", **ask).answer == "stale"


# --- dead letters -------------------------------------------------------------------------------------------------


def test_a_replay_returns_to_its_place(store: Deliveries) -> None:
    bury(store, 1)
    turn, _box = claimed(store, letter(2))
    store.end(turn)
    done, _ = store.replay(["d1", "d1", "unknown"], '{"action":"replay"}')
    assert done == ["d1"]
    assert store.replay(["d1"], "{}")[0] == []
    assert [one.id for one in store.begin("any").boxes[0].letters] == ["d1", "d2"]
    assert store.audit()[0]["action"] == "replay"
    adds_up(store, accepted=2, dead=0, in_flight=2)


def test_a_webhook_brings_back_what_is_dead_or_given_up_and_a_poll_does_not(store: Deliveries) -> None:
    bury(store, 1, 2)
    store.discard(["d2"], "not wanted", "{}")
    adds_up(store, dead=1, discarded=1)
    assert store.accept([letter(1), letter(2)]).outcomes == ("duplicate", "duplicate")
    assert store.accept([letter(1), letter(2)], revive=True).outcomes == ("revived", "revived")
    adds_up(store, accepted=2, dead=0, discarded=0, in_flight=2)


def test_discarding_opens_what_the_dead_letter_blocked(store: Deliveries) -> None:
    turn, box = claimed(store, letter(1), letter(2))
    store.settle(turn, box.subject, Settlement(bury=[("d1", {})], next="park", gate="dead-d1"))
    store.end(turn)
    assert store.owner(MAIL) == "p:dead-d1"
    done, bells = store.discard(["d1"], "no", "{}")
    assert (done, len(bells)) == (["d1"], 1)
    assert store.owner(MAIL) == "r:live"


def test_old_dead_letters_are_given_up_by_the_retention(store: Deliveries, ticker: Ticker) -> None:
    bury(store, 1)
    ticker.move(DEAD_DAYS * DAY_MS + 1)
    assert store.trim(ticker()) == 1
    adds_up(store, dead=0, discarded=1)
    assert store.accept([letter(1)], revive=True).outcomes == ("revived",)
    adds_up(store, accepted=1, discarded=0, in_flight=1)


def test_only_states_are_superseded(store: Deliveries) -> None:
    turn, box = claimed(store, letter(1), letter(2, kind="comment.created"), letter(3))
    what = Settlement(bury=[("d1", {}), ("d2", {})], next="keep")
    store.settle(turn, box.subject, what)
    store.settle(turn, box.subject, Settlement(settle=[("d3", "delivered", "")], supersede=[("d3", ["issue.updated"])]))
    assert [one.id for one in store.dead()] == ["d2"]
    adds_up(store, delivered=1, skipped=1, dead=1)


# --- scan -----------------------------------------------------------------------------------------------------------


def test_a_scan_frees_what_the_dead_held(store: Deliveries, ticker: Ticker) -> None:
    store.accept([letter(1)])
    assert store.begin("any").status == "work"
    assert store.scan().freed == 0
    ticker.move(store.pace.slot + 1)
    assert store.scan().freed == 1


def test_scans_come_no_closer_than_they_should(redis_client: Redis, ticker: Ticker) -> None:
    store = books(redis_client, ticker, pace=Pace(ring=60, slot=30, scan=200))
    assert store.scan()[2] == ()
    store.accept([letter(1)])
    ticker.move(61)
    assert store.scan()[2] == (), "somebody has just scanned"
    ticker.move(200)
    assert len(store.scan()[2]) == 1


def test_many_connectors_are_scanned_in_one_round_trip(redis_client: Redis, ticker: Ticker) -> None:
    many = [books(redis_client, ticker, uid=f"c{n}") for n in range(4)]
    for store in many[1:]:
        store.accept([letter(1)])
    ticker.move(61)
    for _ in range(2):  # once with the script unknown to the server, once with it known
        got = scan_all(redis_client, many)
        assert len(got) == len(many)
    assert scan_all(redis_client, []) == []


# --- the whole -------------------------------------------------------------------------------------------------------


def test_a_newer_format_is_refused(store: Deliveries) -> None:
    store.enter()
    store.client.hset(store.tag + "meta", "format", FORMAT + 1)
    with pytest.raises(UnknownFormat):
        store.enter()


def test_views_show_what_is_there(store: Deliveries) -> None:
    bury(store, 1)
    store.accept([letter(2), letter(3, "git:issue:2")])
    assert {one.id for one in store.waiting()} == {"d2", "d3"}
    assert [one.id for one in store.dead()] == ["d1"]
    assert store.backlog()["live"] == 2
    assert store.condition()["seq"] == "3"
    assert store.claim_poll(1000)
    assert not store.claim_poll(1000)


def everything(store: Deliveries, ticker: Ticker) -> None:
    """Make every kind of key exist that a connector can have."""
    store.enter()
    turn, box = claimed(store, letter(1), letter(2), cursor=("poll", {}))
    store.intend(turn, box.subject, "e", action="create", delivery="d1", request="", deadline=1, brake=(5, 9999))
    store.intend(turn, box.subject, "u", action="update", delivery="d1", request="", deadline=1, sets=("Summary",))
    link = '{"v":1,"source":"git:issue:1","target":"jira:issue:9"}'
    what = Settlement(
        bury=[("d1", {})],
        links=[(MAIL, "jira:issue:9", link, True)],
        aliases=["jira:issue:9"],
        audit=["{}"],
        next="park",
        gate="g",
    )
    store.settle(turn, box.subject, what)
    store.end(turn)
    store.care("g", "{}", "{}")
    store.claim_alerts(10_000)
    store.remember_alert("dead:g", b"{}")
    give(store, "o", ["d1"], rate=1, actor="ada", reason="", what="", audit="{}")
    store.claim_poll(10_000)
    store.claim_recovery(10_000)
    store.keep_recalled({"e": "[]"}, {})
    store.accept([letter(99, "git:issue:99", expected=True)])
    lanes = ("live", "replay", "backfill", "live")
    got = store.accept([letter(3 + n, f"git:issue:{3 + n}", lane=lane) for n, lane in enumerate(lanes)])
    claim = store.begin(got.bells[0].token)
    turn = claim.turn
    for how in ("due", "go"):
        first = claim.boxes[0]
        done = [(first.letters[0].id, "delivered", "")] if how == "go" else []
        answer = store.settle(turn, first.subject, Settlement(settle=done, next=how, delay=1000), claim=1)
        assert answer is not None
        claim = answer
    hold_for_causes(store, turn, claim, ticker)
    store.scan()
    ticker.move(61)
    store.accept([letter("later", "git:issue:8"), letter("last", "git:issue:9")])
    scanned = store.scan()
    assert scanned.isolate
    assert store.begin(scanned.bells[0].token).status == "work"


def hold_for_causes(store: Deliveries, turn: str, claim: Claim, ticker: Ticker) -> None:
    """Leave a canary out and another behind its gate, and a cause that has struck once."""
    store.accept([letter(n, f"git:issue:{n}") for n in (11, 12, 13)])
    canary = {"first": 1, "longest": 1}
    for gate, entities in (("cause:a", 1), ("cause:a", 1), ("cause:b", 2)):
        first = claim.boxes[0]
        hold = {"gate": gate, "kind": "k", "where": "", "entities": entities, "window": 9999, "canary": canary}
        what = Settlement(bury=[(first.letters[0].id, {})], hold=hold)
        answer = store.settle(turn, first.subject, what, claim=1)
        assert answer is not None
        claim = answer
    ticker.move(2)
    store.scan()


def test_every_key_stands_in_the_table_and_under_one_tag(store: Deliveries, ticker: Ticker) -> None:
    everything(store, ticker)
    begin_day(store)
    store.shadow({"events": 1}, example={}, entity="git:issue:1", held={})
    keep(store, "v1", {}, {}, config="h1")
    store.note_conflict("git:issue:1")
    store.decide("git:issue:1", "Summary", {"take": "from"})
    assert store.adopt(Link("git:issue:777", "jira:issue:777"), "{}") == "ok"
    assert store.unlink("git:issue:777", "{}", "{}") == "ok"
    claim_examination(store, "of", 1000)
    remember_examination(store, b"{}")
    moments.claim(store, 1, now=1, late=0)
    connections = Connections(store.client, clock=ticker)
    connections.take("jira", [Bucket("rest", 1000, 5)])
    connections.fail("jira", "e", "502")
    connections.claim_probe("jira", timedelta(seconds=10))
    connections.count_calls("jira", {"rest": 1})
    table = (key_table.__doc__ or "").split("Per connection")
    names = [set(re.findall(r"^``([a-z]+)(?::<\w+>)?``", part, re.MULTILINE)) for part in table]
    found: list[set[str]] = [set(), set()]
    for raw in store.client.keys("*"):
        key = raw.decode()
        part = int(tag_of(key).startswith("@"))
        assert key.startswith((connector_tag("bugs"), connection_tag("jira"))[part])
        found[part].add(key.partition("}:")[2].partition(":")[0])
    assert found[0] <= names[0], "a key that the table does not know"
    assert found[1] <= names[1], "a key that the table does not know"
    assert names[0] == found[0], "the table names what nobody writes, or this test makes too little happen"


def test_scripts_build_every_key_from_their_one_tag() -> None:
    for name in names():
        text = re.sub(r"--.*", "", text_of(name))
        assert "KEYS[2]" not in text
        for call in re.findall(r"redis\.call\('(?!TIME)\w+',\s*([^)\s,]+)", text):
            assert call.startswith(("k(", "fx", "d", "window")), f"{name}: {call}"


def test_a_full_store_refuses_only_what_is_new(valkey_url: str, ticker: Ticker) -> None:
    with Redis.from_url(valkey_url) as client:
        store, asked = books(client, ticker), Connections(client, clock=ticker)
        server: Any = client
        bury(store, 50)
        store.accept([letter(n, f"git:issue:{n}") for n in range(6)])
        for name in ("begin", "isolate", "settle", "end", "scan", "intent", "replay", "accept"):
            server.script_load(text_of(name))
        server.config_set("maxmemory", 1)
        try:
            with pytest.raises(ResponseError, match="maxmemory"):
                store.accept([letter(99)])
            with pytest.raises(ResponseError, match="maxmemory"):
                store.accept([], cursor=("poll", {"since": 1}))
            ticker.move(61)
            claim = store.begin("any")
            turn, box = claim.turn, claim.boxes[0]
            go = store.intend(turn, box.subject, "e", action="create", delivery="d", request="", deadline=1)
            assert go.answer == "go"
            what = Settlement(settle=[(box.letters[0].id, "delivered", "")], done=[("e", "1", "[]", DAY_MS)])
            assert store.settle(turn, box.subject, what, claim=1) is not None
            store.end(turn)
            ticker.move(61)
            assert store.begin("any").status == "work"
            ticker.move(store.pace.slot + 1)
            assert store.scan()[2]
            assert store.isolate().status == "work"
            store.close(ticker() + 5, "limit")
            assert store.replay(["d50"], "{}")[0] == ["d50"]
            assert asked.take("jira", [Bucket("rest", 1000, 5)]).calls == 1
            asked.fail("jira", "e", "502")
            assert asked.succeed("jira")
        finally:
            server.config_set("maxmemory", 0)
        assert store.cursor("poll") == {}
        adds_up(store, accepted=7, delivered=1, dead=0)


def test_a_suspect_keeps_the_lane_that_its_calls_are_counted_to(store: Deliveries, ticker: Ticker) -> None:
    store.accept([letter(1, lane="backfill")])
    store.begin("any")
    ticker.move(store.pace.slot + 1)
    store.scan()
    assert store.backlog()["suspect"] == 1
    assert store.isolate().boxes[0].lane == "backfill"
