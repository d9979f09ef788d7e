"""The doorbell protocol holds under every interleaving we can think of, and each part of it is needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from fakeredis import FakeRedis, FakeServer
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from tests.workers.stores.books import Spoilt, Ticker, books
from tests.workers.stores.storm import Broken, Quiet, Storm
from workers.stores.deliveries import Pace

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
HISTORIES = 2000 if NIGHTLY else 12
STEPS = 1500 if NIGHTLY else 400


def fake() -> Redis:
    return FakeRedis(server=FakeServer(server_type="valkey"))


def play(
    kind: type[Storm],
    client: Redis,
    seed: int,
    *,
    steps: int = STEPS,
    spoils: Mapping[str, str] | None = None,
    leaves_late: bool = False,
    crashes: int = 2,
) -> Storm:
    clock = Ticker()
    store = books(
        client,
        clock,
        concurrency=1 + seed % 3,
        pace=Pace(ring=60, slot=30, scan=0, crashes=crashes),
        spoils=spoils,
    )
    storm = kind(store, clock, seed, leaves_late=leaves_late)
    storm.play(steps)
    if isinstance(store, Spoilt):
        assert store.found == set(spoils or ()), "the spoilt piece is not in the scripts any more"
    return storm


@settings(max_examples=HISTORIES, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_accepted_delivery_settles_once_and_in_order_whatever_happens(seed: int) -> None:
    play(Storm, fake(), seed)


@settings(max_examples=HISTORIES, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_without_faults_no_wake_up_is_lost_although_nobody_scans(seed: int) -> None:
    play(Quiet, fake(), seed)


@settings(max_examples=HISTORIES // 2, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_gates_that_open_in_the_smallest_slices_keep_the_same_promises(seed: int) -> None:
    play(Storm, fake(), seed, spoils={"FIRST_SLICE, SLICE = 8, 500": "FIRST_SLICE, SLICE = 1, 2"})


@pytest.mark.parametrize("kind", [Storm, Quiet])
def test_a_real_server_keeps_the_same_promises(kind: type[Storm], valkey_url: str) -> None:
    with Redis.from_url(valkey_url) as client:
        for seed in range(200 if NIGHTLY else 6):
            client.flushall()
            play(kind, client, seed)


HAPPENS = {
    "superseded",
    "discarded",
    "joined",
    "killed",
    "alone",
    "killed alone",
    "known to be dead",
    "begun again",
    "fenced",
    "crash",
    "closed",
    "empty",
    "parked",
    "due",
    "shut",
    "held",
    "failed",
    "opened",
    "risen",
}


def test_a_storm_is_really_one() -> None:
    # A judge that never sees a fault proves nothing: over a few histories everything must have happened.
    seen: set[str] = set()
    for seed in range(12):
        storm = play(Storm, fake(), seed, crashes=1 + seed % 2, steps=700)
        tag = storm.store.tag
        reasons = {row["reason"] for row in storm.store.settled(most=1000)}
        seen |= {"superseded" for reason in reasons if reason.startswith("superseded")}
        seen |= {"discarded" for _ in storm.model.discarded}
        seen |= {"joined" for _ in storm.store.client.hgetall(tag + "alias")}
        seen |= storm.seen
        if seen >= HAPPENS:
            return
    pytest.fail(f"never happened: {sorted(HAPPENS - seen)}")


@dataclass(frozen=True)
class Mistake:
    """A way to get the protocol wrong: pieces of script that are changed."""

    name: str
    kind: type[Storm]
    spoils: Mapping[str, str] = field(default_factory=dict)
    leaves_late: bool = False


MISTAKES = (
    Mistake(
        "settling asks no fence",
        Storm,
        {"if not holds(turn, subject) then return overtaken(turn) end\nlocal what": "local what"},
    ),
    Mistake(
        "a bell that nobody answers keeps its slot for ever",
        Storm,
        {"redis.call('ZREMRANGEBYSCORE', k('slots'), '-inf', now)": ""},
    ),
    Mistake(
        "a doubled bell uses its token again",
        Storm,
        {
            "local mine = redis.call('ZREM', k('slots'), token) == 1": "local mine = redis.call('ZSCORE', k('slots'), token)"
        },
    ),
    Mistake(
        "a bell is answered without looking for a free slot",
        Storm,
        {"  if not (mine or taken() < conc) then return {'full', 0} end\n": ""},
    ),
    Mistake(
        "a script that is sent again forgets what it had taken",
        Storm,
        {"give_back(turn)\nif not alive(turn) then\n": "if not alive(turn) then\n"},
    ),
    Mistake(
        "a quarantine begins beside another",
        Storm,
        {"  if alone > 0 then return {'full', 0} end\n": ""},
    ),
    Mistake(
        "a death accuses whoever was in flight beside it",
        Storm,
        {
            "dead, why = convict(turn, subject) else accuse(subject) end": (
                "dead, why = convict(turn, subject) else redis.call('HSET', k('d:' .. redis.call('ZRANGE',"
                " k('mail:' .. subject), 0, 0)[1]), 'suspect', turn) convict(turn, subject) end"
            )
        },
    ),
    Mistake(
        "suspects are tried beside others",
        Storm,
        {
            "    elseif is_suspect(first) then set_apart(subject)\n": "",
            "    elseif not alone and is_suspect(ids[1]) then\n      set_apart(subject)\n": "",
        },
    ),
    Mistake(
        "a suspect behind an innocent letter is tried with it",
        Storm,
        {"    if n > 1 and not alone and is_suspect(id) then break end\n": ""},
    ),
    Mistake(
        "the quarantine tries several letters at once",
        Storm,
        {
            "    if n > 1 and alone and (batch == '' or redis.call('HGET', k('d:' .. id), 'batch') ~= batch) then break end\n": ""
        },
    ),
    Mistake(
        "new mail lifts a subject out of the quarantine",
        Storm,
        {"  if not owner then\n    set_ready": "  if not owner or owner == 's' then\n    set_ready"},
    ),
    Mistake(
        "the empty lanes are seen in one step and the slot given back in another",
        Quiet,
        {
            "  if #held == 0 then\n    redis.call('ZREM', k('slots'), turn)": "  if #held == 0 then",
            "prune()\nlocal turn = ARGV[5]\ngive_back(turn)\nredis.call": (
                "local turn = ARGV[5]\nif waiting() == 0 then return {} end\nredis.call"
            ),
        },
        leaves_late=True,
    ),
    Mistake(
        "a turn that ends rings for nobody",
        Quiet,
        {"redis.call('ZREM', k('slots'), turn)\nreturn bell()": "redis.call('ZREM', k('slots'), turn)\nreturn {}"},
    ),
    Mistake("what arrives is not rung for", Quiet, {"for _ = 1, fresh do\n": "for _ = 1, 0 do\n"}),
    Mistake(
        "what arrives takes a subject from its owner",
        Storm,
        {"  if not owner then\n    set_ready": "  if true then\n    set_ready"},
    ),
    Mistake("a scan frees nothing", Storm, {"if not alive(turn) then\n    for": "if false then\n    for"}),
    Mistake("a scan wakes nobody", Storm, {"if redis.call('HGET', k('own'), subject) == 'd' then": "if false then"}),
    Mistake(
        "letters of a joined entity stay in their own mailbox",
        Storm,
        {"redis.call('ZADD', k('mail:' .. home), redis.call('HGET', k('d:' .. id), 'seq'), id)": ""},
    ),
    Mistake(
        "a mailbox that somebody holds is renamed",
        Storm,
        {" and redis.call('HEXISTS', k('own'), target) == 0 then": " then"},
    ),
    Mistake(
        "a mailbox is left when one letter is settled",
        Storm,
        {"    else set_ready(subject, lane_of(subject)) end\n": "    else redis.call('HDEL', k('own'), subject) end\n"},
    ),
    Mistake(
        "a dead letter comes back at the end",
        Storm,
        {
            "redis.call('ZADD', k('mail:' .. subject), redis.call('HGET', k('d:' .. id), 'seq'), id)\n  count('in_flight', 1)": "redis.call('ZADD', k('mail:' .. subject), meta('seq'), id)\n  count('in_flight', 1)"
        },
    ),
    Mistake("an opened gate forgets who waited", Storm, {"== 'p:' .. name then return": "== 'never' then return"}),
    Mistake(
        "a canary that gets through opens nothing",
        Storm,
        {"if delivered or gate.canary.any then": "if gate.canary.any then"},
    ),
    Mistake(
        "all that waits is let through when a canary is due",
        Storm,
        {
            "look_at(name, now + gate.wait)\n  release(subject)": "look_at(name, now + gate.wait)\n  release(subject)\n  let_go(name, 99)"
        },
    ),
    Mistake(
        "a canary is sent while another is out",
        Storm,
        {"if owner and owner ~= 'd' and string.sub(owner, 1, 2) ~= 'p:' then": "if false then"},
    ),
    Mistake(
        "a canary that failed is still out",
        Storm,
        {"if gate.out == subject or gate.opening then": "if gate.opening then"},
    ),
    Mistake(
        "nobody looks at a gate with a canary",
        Storm,
        {"wish.canary.first, true\n    look_at(name, now + gate.wait)": "wish.canary.first, true"},
    ),
    Mistake(
        "a gate whose time is over stays shut",
        Storm,
        {"if gate.till > now then": "if true then"},
    ),
    Mistake(
        "those that died of the cause come back with it whatever became of them",
        Storm,
        {
            "if redis.call('ZSCORE', k('dead'), id) and redis.call('EXISTS', k('d:' .. id)) == 1 then revive(id, 'replay') end": "if redis.call('EXISTS', k('d:' .. id)) == 1 then revive(id, 'replay') end"
        },
    ),
    Mistake("burying is not counted", Storm, {"  count('dead', 1)\n": ""}),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.name)
def test_a_mistake_in_the_protocol_is_found(mistake: Mistake) -> None:
    for seed in range(60):
        try:
            play(mistake.kind, fake(), seed, steps=500, spoils=mistake.spoils, leaves_late=mistake.leaves_late)
        except Broken:
            return
    pytest.fail(f"60 histories, and nobody noticed that {mistake.name}")
