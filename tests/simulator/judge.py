"""Judge a history that has become quiet, by the vendors' ledgers and contents alone: all arrived, once, in order."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.simulator.stage import Broken
from tests.simulator.world import World

_SAID = re.compile(r"(?:said|forged)\d+(?:v\d+)?")


def judge(world: World) -> None:
    """Compare what people did with what stands everywhere; raises `Broken`."""
    issues = _by_title(world)
    _check_issues(world, issues)
    _check_comments(world, issues)
    if world.town == "ring":
        _check_ring(world, issues)
    else:
        _check_threads(world, issues)
    check_order(world)


def _by_title(world: World) -> dict[str, Mapping[str, Any]]:
    found = [(str(one["fields"]["summary"]), one) for one in world.vendors.issues()]
    excused = len(world.vendors.landed_late)
    if len(found) != len(world.vendors.titles) and not (excused and len(found) > len(world.vendors.titles)):
        raise Broken(f"{len(world.vendors.titles)} issues became {sorted(title for title, _ in found)}")
    # Of two that landed, the one that was followed is meant: it has the comments.
    return dict(sorted(found, key=lambda one: len(_said(one[1]["fields"].get("comment", {})))))


def _check_issues(world: World, issues: Mapping[str, Mapping[str, Any]]) -> None:
    states = {one.number: one.state for one in _issues_on_github(world)}
    for number, title in world.vendors.titles.items():
        if title not in issues:
            raise Broken(f"{title!r} is not in Jira: {sorted(issues)}")
        category = issues[title]["fields"]["status"]["statusCategory"]["key"]
        # A value that was set beyond every deadline stands over a newer one until the next change.
        late = bool(world.vendors.landed_late)
        if (category == "done") != (states[number] == "closed") and not late:
            raise Broken(f"{title!r} is {states[number]} on GitHub and {category} in Jira")


def _check_comments(world: World, issues: Mapping[str, Mapping[str, Any]]) -> None:
    for number, title in world.vendors.titles.items():
        issue = issues[title]
        wanted = Counter(world.vendors.texts[number])
        wanted += Counter(text for its, text in world.vendors.said.values() if its == str(issue["id"]))
        found = Counter(_said(issue["fields"].get("comment", {})))
        _compare(world, f"comments of {title!r} in Jira", wanted, found)


def _check_ring(world: World, issues: Mapping[str, Mapping[str, Any]]) -> None:
    for issue in _issues_on_github(world):
        title = world.vendors.titles[issue.number]
        wanted = Counter(world.vendors.texts[issue.number])
        wanted += Counter(text for its, text in world.vendors.said.values() if its == str(issues[title]["id"]))
        bodies = [one.body for one in _repository(world).comments_of(issue)]
        _compare(world, f"comments of {title!r} on GitHub", wanted, Counter(_said(bodies)))


def _check_threads(world: World, issues: Mapping[str, Mapping[str, Any]]) -> None:
    space = world.vendors.benches["chat"].sandbox
    messages = space.state()["alerts"]
    heads = [one for one in messages if one["thread_ts"] in {None, one["ts"]}]
    _compare(world, "threads", Counter(list(issues)), Counter(str(one["text"]) for one in heads))
    for title, issue in issues.items():
        # Two heads of one title there are only where the issue itself landed twice, late.
        threads = {head["ts"] for head in heads if head["text"] == title}
        replies = [one["text"] for one in messages if one["thread_ts"] in threads and one["ts"] not in threads]
        wanted = Counter(_said(issue["fields"].get("comment", {})))
        _compare(world, f"replies to {title!r}", wanted, Counter(_said(replies)))


def _compare(world: World, what: str, wanted: Counter[str], found: Counter[str]) -> None:
    missing, more = wanted - found, found - wanted
    # Where something landed beyond every deadline its twin stays as it was; nothing may be missing all the same.
    if missing or (more and not world.vendors.landed_late):
        raise Broken(f"{what}: missing {dict(missing)}, too many {dict(more)}")


def check_order(world: World) -> None:
    """What was added for one entity came in the order in which its events were accepted.

    Excused is what was dead in between (a replay appends late) and what the network held beyond its deadline.
    A link to the source is no message: it is set whenever it is found missing.
    """
    late = set(world.vendors.landed_late)
    witness = world.witness
    for name, here in world.vendors.benches.items():
        newest: dict[tuple[str, str], int] = {}
        for effect in here.sandbox.ledger.effects:
            key = effect.marker.rpartition(":")[2]
            added = effect.action.startswith("add_") and effect.action != "add_link"
            if not added or effect.marker in late or key not in witness.cause:
                continue
            mark = witness.cause[key]
            if mark in witness.died or mark not in witness.place:
                continue
            of = (mark[0], witness.entity[mark])
            if witness.place[mark] < newest.get(of, -1):
                raise Broken(f"{name}: {effect.action} on {effect.entity} came after what was accepted later")
            newest[of] = witness.place[mark]


def _said(document: Any) -> list[str]:
    return _SAID.findall(json.dumps(document))


def _repository(world: World) -> Any:
    return world.vendors.benches["git"].sandbox.world.repository("acme/web")


def _issues_on_github(world: World) -> list[Any]:
    return list(_repository(world).issues.values())
