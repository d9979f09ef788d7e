"""Play the doorbell protocol in random interleavings and judge it by a model of its own.

One seed is one history: events come in, bells are lost, doubled and reordered, answers are lost and scripts sent
again, workers are killed between any two steps or frozen past their lease and thawed, what they held is tried alone
by a quarantine that is killed as well, subjects wait, are parked, joined; a cause strikes some entities for a while
and holds the connector, canaries find out when it is mended; dead letters are replayed and discarded; the connector
closes and opens.  Afterwards everything heals, gates with a clock by themselves, and everything that was accepted
must have been settled once.

`Quiet` is the same without any fault, without a scan and without time passing: there a wake-up that is
lost is lost for good, which a storm's scans would hide.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.workers.stores.books import Ticker, letter
from workers.stores.deliveries import Deliveries, Signs
from workers.stores.records import Bell, Box, Claim, Settlement

ENTITIES: Final = tuple(f"git:issue:{n}" for n in range(5))
TARGETS: Final = tuple(f"jira:issue:{n}" for n in range(4))
STRUCK: Final = ENTITIES[1:]
"""What fails while the cause is there."""
CAUSE: Final = "cause:x"
HOLD: Final = {"gate": CAUSE, "kind": "k", "where": "", "entities": 2, "window": 300}
LANES: Final = ("live", "live", "live", "replay", "backfill")


class Broken(AssertionError):
    """A promise of the protocol does not hold."""


@dataclass(eq=False)
class Worker:
    """One thread of a worker; ``steps`` stops at every place where a real one can be killed or frozen."""

    steps: Generator[None, None, None]
    turn: str = ""
    frozen_until: int = 0


@dataclass
class Model:
    """What must be true, told without looking at the keys."""

    entity: dict[str, str] = field(default_factory=dict)
    """Delivery -> entity, in order of acceptance."""
    settled: Counter[str] = field(default_factory=Counter)
    dead: set[str] = field(default_factory=set)
    discarded: set[str] = field(default_factory=set)
    of_cause: set[str] = field(default_factory=set)
    """What died of the cause before it was held."""
    holder: dict[str, str] = field(default_factory=dict)
    """Subject -> the turn that claimed it last."""
    tried: dict[str, str] = field(default_factory=dict)
    """Turn -> the letter that it tries alone."""
    accused: Counter[str] = field(default_factory=Counter)
    """Letter -> turns of the quarantine that were killed, frozen or forgotten while they tried it."""

    def in_flight(self, entity: str) -> list[str]:
        gone = self.settled.keys() | self.dead | self.discarded
        return [one for one, its in self.entity.items() if its == entity and one not in gone]

    def counts(self) -> dict[str, int]:
        settled, dead, discarded = len(self.settled), len(self.dead), len(self.discarded)
        return {
            "accepted": len(self.entity),
            "dead": dead,
            "discarded": discarded,
            "in_flight": len(self.entity) - settled - dead - discarded,
        }


class Storm:
    """A history with faults."""

    faults = True

    def __init__(self, store: Deliveries, clock: Ticker, seed: int, *, leaves_late: bool = False) -> None:
        """``leaves_late``: a worker gives an empty turn's slot back in a second step (a mistake to find)."""
        self.store, self.clock, self.leaves_late = store, clock, leaves_late
        self.rnd = random.Random(seed)
        self.bells: list[str] = []
        self.workers: list[Worker] = []
        self.model = Model()
        self.healing = False
        self.broken = self.faults and seed % 2 == 0
        """A cause is there that makes some entities fail."""
        self.numbers = 0
        self.isolated = 0
        """Quarantines that a scan has asked for and nobody has started yet."""
        self.seen: set[str] = set()
        """What happened, for the test that asks whether a storm is one."""

    # --- the play ---------------------------------------------------------------------------------------
    def play(self, steps: int) -> Model:
        """Run the history and the healing; raises `Broken`."""
        for step in range(steps):
            self.step(calm=step > steps * 0.6)
            if step % 4 == 0:
                self.check()
        self.heal()
        self.check()
        self.check_all_settled()
        return self.model

    def step(self, *, calm: bool) -> None:
        x = self.rnd.random()
        if x < 0.2:
            if not calm:
                self.arrive()
        elif x < 0.35:
            self.answer()
        elif x < 0.8:
            self.advance()
        elif x < 0.9:
            self.clock.move(self.rnd.randint(1, 20))
        elif x < 0.95:
            self.scan()
        else:
            self.operate()

    def arrive(self) -> None:
        entity = self.rnd.choice(ENTITIES)
        fresh = []
        for _ in range(self.rnd.choice((1, 1, 1, 3))):
            self.numbers += 1
            fresh.append(letter(self.numbers, entity, lane=self.rnd.choice(LANES)))
            self.model.entity[fresh[-1].id] = entity
        if self.rnd.random() < 0.1:
            fresh.append(fresh[0])
        self.ring(self.store.accept(fresh).bells)

    def ring(self, bells: Sequence[Bell | None]) -> None:
        for bell in bells:
            if bell is None:
                continue
            lost = self.faults and not self.healing and self.rnd.random() < 0.15
            doubled = self.faults and self.rnd.random() < 0.1
            self.bells += [bell.token] * (0 if lost else 2 if doubled else 1)

    def answer(self) -> None:
        if self.bells:
            token = self.bells.pop(self.rnd.randrange(len(self.bells)))
            self.start(token)
        if self.isolated:
            self.isolated -= 1
            self.start("")

    def start(self, token: str) -> None:
        """Start a turn: the answer to a bell, or (no token) one of the quarantine."""
        worker = Worker(iter(()))  # type: ignore[arg-type]  # replaced at once: steps need the worker
        worker.steps = self.turn(worker, token)
        self.workers.append(worker)

    def advance(self) -> None:
        for worker in self.rnd.sample(self.workers, min(3, len(self.workers))):
            if worker.frozen_until > self.clock():
                continue
            if next(worker.steps, self) is self:
                self.workers.remove(worker)
            elif self.faults and not self.healing:
                self.spoil(worker)

    def spoil(self, worker: Worker) -> None:
        x = self.rnd.random()
        if x < 0.03:
            self.seen.add("killed")
            self.workers.remove(worker)  # SIGKILL: nothing of it runs any more, not even a finally
            self.accuse(worker)
            if self.rnd.random() < 0.3:
                self.seen.add("known to be dead")
                self.scan(died=(worker.turn.rpartition("-")[2],) if worker.turn.startswith("q") else ())
        elif x < 0.07:
            worker.frozen_until = self.clock() + self.rnd.randint(10, 100)  # SIGSTOP, then SIGCONT
            self.accuse(worker)

    def accuse(self, worker: Worker) -> None:
        if worker.turn in self.model.tried:
            self.seen.add("killed alone")

    def scan(self, died: Sequence[str] = ()) -> None:
        for turn, one in list(self.model.tried.items()):
            if not self.alive(turn) or turn.rpartition("-")[2] in died:
                # Killed, frozen or just too slow: this scan sees it, unless its letter has been settled meanwhile.
                self.model.accused[one] += 1
                del self.model.tried[turn]
        running = [one.turn for one in self.workers if one.turn and one.frozen_until <= self.clock()]
        before = Keys(self.store)
        got = self.store.scan(Signs(running if self.rnd.random() < 0.5 else (), died))
        self.judge_canaries(before, Keys(self.store))
        for gone in self.store.dead(most=1000):
            if gone.id in self.model.dead:
                continue
            # The scan gives up on what killed its process too often.
            self.seen.add("crash")
            if gone.id not in got.buried:
                raise Broken(f"{gone.id} died, and the scan does not say so: {got}")
            if self.model.accused[gone.id] < self.store.pace.crashes:
                raise Broken(f"{gone.id} is innocent: accused {self.model.accused[gone.id]} times")
            self.model.accused[gone.id] = 0
            self.model.dead.add(gone.id)
        self.isolated += got.isolate
        self.ring(got.bells)

    def operate(self) -> None:
        dead = sorted(self.model.dead)
        match self.rnd.randrange(11):
            case 0:
                self.ring([self.store.close(self.clock() + self.rnd.randint(5, 60), "limit")])
            case 1:
                self.ring([self.store.close(0, "")])
            case 2:
                self.open_gates()
            case 3 | 4 if dead:
                self.replay(self.rnd.sample(dead, min(2, len(dead))))
            case 5 if dead:
                ids, bells = self.store.discard([self.rnd.choice(dead)], "no", '{"action":"discard"}')
                self.model.dead -= set(ids)
                self.model.discarded |= set(ids)
                self.ring(bells)
            case 6:
                ids, bells = self.store.bury_held(self.rnd.choice((CAUSE, "class:a")), "", most=2)
                self.model.dead |= set(ids)
                self.ring(bells)
            case 7 | 8:
                self.broken = not self.broken
            case 10:
                self.isolated += 1  # a person runs the command
            case _:
                pass

    def open_gates(self, *, clocked: bool = True) -> None:
        """Open what is shut, as a person may; without ``clocked`` only what nothing else would open."""
        for gate, shut in self.store.gates().items():
            if clocked or not {"until", "next"} & shut.keys():
                self.ring(self.store.open_gate(gate)[1])
                self.risen()

    def risen(self) -> None:
        """Take note of the dead letters that came back with a gate."""
        left = {one.decode() for one in self.store.client.zrange(self.store.tag + "dead", 0, -1)}
        back = self.model.dead - left
        if back - self.model.of_cause:
            raise Broken(f"{back} came back with a gate, of the cause were {self.model.of_cause}")
        self.seen |= {"risen"} if back else set()
        self.model.dead -= back

    def replay(self, ids: Sequence[str]) -> None:
        back, bells = self.store.replay(ids, '{"action":"replay"}')
        if set(back) != set(ids):
            raise Broken(f"replayed {back} of {ids}")
        self.model.dead -= set(ids)
        self.ring(bells)

    # --- a worker -----------------------------------------------------------------------------------------
    def turn(self, worker: Worker, token: str) -> Generator[None, None, None]:
        turn = self.store.new_turn(alone=not token)
        claim: Claim | None = self.begun(worker, turn, token)
        if self.faults and self.rnd.random() < 0.1:
            self.seen.add("begun again")
            yield
            claim = self.begun(worker, turn, token)  # the first answer was lost
        for _ in range(self.rnd.randint(1, 5)):
            yield
            if claim is None or claim.status != "work":
                break
            box = claim.boxes[0]
            intent = self.store.intend(
                worker.turn,
                box.subject,
                f"e-{box.letters[0].id}",
                action="update",
                delivery="d",
                request="r",
                deadline=9,
            )
            yield
            if intent.answer == "stale":
                break
            what = self.decide(box)
            more = self.rnd.random() < 0.7
            out = Keys(self.store).canaries.get(box.subject)
            answer = self.store.settle(worker.turn, box.subject, what, claim=int(more))
            if answer is not None:
                self.judge_verdict(out, what)
            claim = self.settled(worker, box, what, answer)
        if not worker.turn:
            return
        if claim is not None and claim.status == "empty":
            if self.leaves_late:
                yield
                self.store.client.zrem(self.store.tag + "slots", worker.turn)
            if self.rnd.random() < 0.5:
                return  # a turn that saw the lanes empty has left already; a worker may die here
        yield
        self.ring([self.store.end(worker.turn)])

    def begun(self, worker: Worker, turn: str, token: str) -> Claim:
        claim = self.store.begin(token, turn=turn) if token else self.store.isolate(turn=turn)
        # Begun again: what it held by the answer that was lost has gone back.
        self.model.holder = {subject: one for subject, one in self.model.holder.items() if one != turn}
        if claim.status == "full" and any(one.turn == turn for one in self.workers if one is not worker):
            raise Broken(f"{turn} has begun twice")
        worker.turn = turn if claim.status == "work" or self.leaves_late else ""
        return self.claimed(worker, claim)

    def claimed(self, worker: Worker, claim: Claim) -> Claim:
        self.seen.add(claim.status)
        alone = worker.turn.startswith("q")
        self.model.tried.pop(worker.turn, None)
        for one in [one for box in claim.boxes for one in box.letters]:
            if ("suspect" in one.fields) and not alone:
                raise Broken(f"{one.id} is a suspect and in the ordinary turn {worker.turn}")
            if alone:
                self.seen.add("alone")
                self.model.tried[worker.turn] = one.id
        if alone and sum(len(box.letters) for box in claim.boxes) > 1:
            raise Broken(f"{worker.turn} tries more than one letter: {claim.boxes}")
        for box in claim.boxes:
            holder = self.model.holder.get(box.subject)
            if holder not in {None, worker.turn} and self.alive(holder):
                raise Broken(f"{box.subject} is held by {holder} and by {worker.turn}")
            self.model.holder[box.subject] = worker.turn
            for entity in {one.entity for one in box.letters}:
                mine = [one.id for one in box.letters if one.entity == entity]
                due = self.model.in_flight(entity)
                if due[: len(mine)] != mine:
                    raise Broken(f"order: claimed {mine} of {entity} where {due} are in flight")
        return claim

    def settled(self, worker: Worker, box: Box, what: Settlement, answer: Claim | None) -> Claim | None:
        if answer is None:
            self.seen.add("fenced")
            return None
        self.seen |= {"parked"} if what.next == "park" else {"due"} if what.next == "due" else set()
        if self.model.holder.get(box.subject) != worker.turn:
            raise Broken(f"{worker.turn} settled {box.subject}, which {self.model.holder.get(box.subject)} holds")
        self.model.holder.pop(box.subject)
        for one, _, _ in what.settle:
            self.model.settled[one] += 1
        for one, _ in what.bury if not what.held else ():
            self.model.dead.add(one)
            self.model.of_cause |= {one} if what.hold else set()
        for one, _ in what.failed:
            self.model.accused[one] = 0  # it came to an end
        for one in self.superseded(what):
            self.model.dead.discard(one)
            self.model.settled[one] += 1
        if what.verdict == "opened":
            self.risen()
        return self.claimed(worker, answer)

    def superseded(self, what: Settlement) -> list[str]:
        order = list(self.model.entity)
        return [
            old
            for one, _ in what.supersede
            for old in self.model.dead
            if self.model.entity[old] == self.model.entity[one] and order.index(old) < order.index(one)
        ]

    def decide(self, box: Box) -> Settlement:
        """Choose what becomes of the first letters, as a worker may."""
        first = box.letters[0]
        x = self.rnd.random() if self.faults and not self.healing else 1.0
        if self.broken and x < 0.6 and not self.healing and first.entity in STRUCK:
            canary = {"first": 4, "longest": 20}
            return Settlement(bury=[(first.id, {"cause": "x"})], hold={**HOLD, "canary": canary})
        if x < 0.1:
            return Settlement(failed=[(first.id, {"error": "Retryable"})], next="due", delay=self.rnd.randint(1, 40))
        if x < 0.12:
            return Settlement(next="park", gate="plain", why="a person opens it")
        if x < 0.16:
            return Settlement(next="park", gate="class:a", why="429", delay=self.rnd.randint(1, 40))
        if x < 0.22:
            gate = self.rnd.choice(("", f"dead-{first.id}"))
            return Settlement(bury=[(first.id, {"cause": "400"})], next="park" if gate else "go", gate=gate)
        count = self.rnd.randint(1, len(box.letters))
        what = Settlement(settle=[(one.id, "delivered", "") for one in box.letters[:count]])
        if self.rnd.random() < 0.3:
            what.aliases.append(self.rnd.choice(TARGETS + ENTITIES))
        if self.faults and self.rnd.random() < 0.25:
            what.supersede.append((first.id, ["issue.updated"]))
        return what

    # --- the judge ------------------------------------------------------------------------------------------
    def judge_verdict(self, out: str | None, what: Settlement) -> None:
        """A canary's gate opens when it gets through, stays shut when it fails; anything else says nothing."""
        self.seen |= {what.verdict}
        if out is None:
            if what.verdict == "opened":
                raise Broken(f"{what.gate} was opened by what was no canary")
            return
        through = any(outcome == "delivered" for _, outcome, _ in what.settle)
        if through and (what.verdict, what.gate) != ("opened", out):
            raise Broken(f"the canary of {out} got through, and it was {what.verdict or 'nothing'}")
        if what.held and what.verdict != "failed":
            raise Broken(f"the canary of {out} failed, and it was {what.verdict}")

    def judge_canaries(self, before: Keys, after: Keys) -> None:
        """While a cause's gate stays shut one subject at most leaves it, and none while one is on its way."""
        shut = {CAUSE} & before.records.keys() & after.records.keys()
        if not shut or "opening" in before.records[CAUSE] or "opening" in after.records[CAUSE]:
            return
        left = {one for one in before.gates.get(CAUSE, set()) if after.own.get(one) != f"p:{CAUSE}"}
        out = before.records[CAUSE].get("out")
        owner = before.own.get(out, "") if out else ""
        under_way = owner and owner != "d" and not owner.startswith("p:") and after.own.get(out, "")[:1] in {"t", "r"}
        if len(left) > (0 if under_way else 1):
            raise Broken(f"{left} were let through a gate that is shut, while its canary was {out} ({owner})")

    def alive(self, turn: str | None) -> bool:
        score: Any = self.store.client.zscore(self.store.tag + "slots", turn or "")
        return score is not None and score > self.clock()

    def check(self) -> None:
        """Compare the keys with one another and with the model."""
        keys = Keys(self.store)
        alive = [token for token, expiry in keys.slots.items() if expiry > self.clock()]
        if len([one for one in alive if not one.startswith("q")]) > self.store.concurrency:
            raise Broken(f"more slots than the concurrency: {alive}")
        if len([one for one in alive if one.startswith("q")]) > 1:
            raise Broken(f"more than one quarantine: {alive}")
        turns = [one.turn for one in self.workers if one.turn in alive]
        if len(turns) != len(set(turns)):
            raise Broken(f"two workers in one turn: {turns}")
        keys.check()
        counts = self.store.counts()
        if counts["accepted"] != sum(counts[name] for name in counts if name != "accepted"):
            raise Broken(f"the accounting does not add up: {counts}")
        wanted = self.model.counts()
        if {name: counts[name] for name in wanted} != wanted:
            raise Broken(f"counted {counts} where the model has {wanted}")

    def heal(self) -> None:
        """No more faults: time passes, scans run, people open what is shut and replay what is dead."""
        self.healing = True
        for _ in range(60):
            self.clock.move(2000)
            self.ring([self.store.close(0, "")])
            self.open_gates(clocked=False)
            self.scan()
            if self.model.dead:
                self.replay(sorted(self.model.dead))
            self.work_off()
            if not self.model.counts()["in_flight"] and not self.model.dead and not self.store.gates():
                return
        raise Broken(f"it does not heal: {self.model.counts()}, {self.store.gates()}")

    def work_off(self) -> None:
        for _ in range(100_000):
            if not (self.bells or self.workers or self.isolated):
                return
            if self.bells or self.isolated:
                self.answer()
            for worker in list(self.workers):
                if next(worker.steps, self) is self:
                    self.workers.remove(worker)
        raise Broken("the work does not end")

    def check_all_settled(self) -> None:
        left = [one for entity in ENTITIES for one in self.model.in_flight(entity)]
        if left or self.model.dead:
            raise Broken(f"accepted and never settled: {left}, dead: {sorted(self.model.dead)}")
        twice = [one for one, times in self.model.settled.items() if times != 1]
        if twice:
            raise Broken(f"settled twice: {twice}")


class Quiet(Storm):
    """A history without faults, where nobody scans: the bells alone must be enough."""

    faults = False

    def step(self, *, calm: bool) -> None:
        x = self.rnd.random()
        if x < 0.12:
            if not calm:
                self.arrive()
        elif x < 0.3:
            self.answer()
        else:
            self.advance()

    def check(self) -> None:
        super().check()
        keys = Keys(self.store)
        if keys.ready and not keys.slots:
            raise Broken(f"a wake-up is lost: {keys.ready} ready, nobody called")

    def heal(self) -> None:
        self.work_off()


class Keys:
    """The keys of a connector as they are now."""

    def __init__(self, store: Deliveries) -> None:
        client, tag = store.client, store.tag
        self.own = {name.decode(): value.decode() for name, value in client.hgetall(tag + "own").items()}
        self.slots = {name.decode(): score for name, score in client.zrange(tag + "slots", 0, -1, withscores=True)}
        self.due = {name.decode() for name in client.zrange(tag + "due", 0, -1)}
        self.suspects = {name.decode() for name in client.zrange(tag + "suspects", 0, -1)}
        self.ready = {
            name.decode(): lane
            for lane in ("live", "replay", "backfill")
            for name in client.zrange(f"{tag}ready:{lane}", 0, -1)
        }
        self.turns = {name.decode(): set(json.loads(value)) for name, value in client.hgetall(tag + "turns").items()}
        names = [key.decode()[len(tag) :] for key in client.keys(tag.replace("{", "\\{") + "*")]
        self.mail = {name[5:] for name in names if name.startswith("mail:")}
        self.records = {name.decode(): json.loads(value) for name, value in client.hgetall(tag + "gates").items()}
        self.looked_at = {name.decode() for name in client.zrange(tag + "gatedue", 0, -1)}
        self.canaries = {one.decode(): gate.decode() for one, gate in client.hgetall(tag + "canary").items()}
        self.gates = {
            name[5:]: {one.decode() for one in members(tag + name)}
            for kind, members in (("gate:", client.smembers), ("held:", lambda key: client.zrange(key, 0, -1)))
            for name in names
            if name.startswith(kind)
        }
        self.dead = {name.decode() for name in client.zrange(tag + "dead", 0, -1)}
        self.dead_by_entity = {
            one.decode() for name in names if name.startswith("deadof:") for one in client.smembers(tag + name)
        }

    def check(self) -> None:
        """Every subject is in exactly one place, and every mailbox has somebody who will look into it."""
        if orphans := self.mail - self.own.keys():
            raise Broken(f"mailboxes that nobody will ever look into: {orphans}")
        ready = {subject: owner[2:] for subject, owner in self.own.items() if owner.startswith("r:")}
        if ready != self.ready:
            raise Broken(f"ready {self.ready}, but owned {ready}")
        apart = {subject for subject, owner in self.own.items() if owner == "s"}
        if apart != self.suspects:
            raise Broken(f"suspects {self.suspects}, but owned {apart}")
        for subject, owner in self.own.items():
            if owner == "d" and subject not in self.due:
                raise Broken(f"{subject} waits for ever")
            if owner.startswith("p:") and subject not in self.gates.get(owner[2:], set()):
                raise Broken(f"{subject} is parked behind a gate that does not know it: {owner}")
            if owner.startswith(("t", "q")) and subject not in self.turns.get(owner, set()):
                raise Broken(f"{subject} is held by {owner}, and no scan will free it")
        self.check_gates()
        if self.dead != self.dead_by_entity:
            raise Broken(f"dead {self.dead}, by entity {self.dead_by_entity}")

    def check_gates(self) -> None:
        """Whoever is parked is behind a gate there is, which somebody will look at; each has one canary at most."""
        for gate, parked in self.gates.items():
            if gate not in self.records:
                raise Broken(f"{parked} wait behind {gate}, which nobody knows")
            if wrong := {one for one in parked if self.own.get(one) != f"p:{gate}"}:
                raise Broken(f"{wrong} are listed behind {gate} and are elsewhere")
        for gate, record in self.records.items():
            if {"till", "canary"} & record.keys() and gate not in self.looked_at:
                raise Broken(f"{gate} has a clock that nobody looks at")
            out = record.get("out")
            if out and self.own.get(out) == f"p:{gate}":
                raise Broken(f"{out} is the canary of {gate} and waits behind it")
        out = {record["out"]: gate for gate, record in self.records.items() if "out" in record}
        if out != self.canaries:
            raise Broken(f"canaries {self.canaries}, but their gates say {out}")
