"""Judge whether the workflow leads where a mapping wants issues to go, and what its screens demand on the way.

Jira shows a workflow to administrators of a Cloud site only.  What everybody may see is which transitions an issue
offers now, so one issue in each status is looked at.  Of a status that no issue is in an administrator's account
knows the ways, without their screens; to others nothing is known of it, and that is said.
Jira Cloud REST v3 and Data Center 10.3: ``GET issue/{id}/transitions?expand=transitions.fields``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.event import Entity
from connector.examining import Finding, Level, Named, listed, meant, squeezed
from connector.ports import Site
from connector.systems.jira.api import search
from connector.systems.jira.choices import gone
from connector.systems.jira.metadata import LIFE, Field, Status, field_of, statuses_of
from connector.systems.jira.readback import shown
from connector.systems.jira.text import words
from connector.systems.jira.transitions import RANK, STEPS, asked, offered
from connector.systems.jira.vocabulary import Json, member
from connector.systems.jira.wanted import CATEGORIES
from connector.systems.jira.workflow import from_workflow

SAMPLES: Final = 12
"""Statuses of which an issue is looked for; a workflow has rarely more, and each costs two calls."""

_ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class Way:
    """A transition: from a status into another, by name in lower case.

    ``asks`` are the fields that its ``screen`` requires; None where the screen could not be seen.
    """

    name: str
    source: str
    goal: str
    asks: tuple[Field, ...]
    screen: Mapping[str, Field] | None


@dataclass(frozen=True, slots=True)
class Workflow:
    """What could be seen of a workflow: statuses by name in lower case, those an issue was ``seen`` in, and ways."""

    statuses: Mapping[str, Status]
    seen: frozenset[str]
    ways: tuple[Way, ...]

    def category(self, status: str) -> str:
        """Return the category of a status; "" where that is not known."""
        return self.statuses[status].category if status in self.statuses else ""

    def name(self, status: str) -> str:
        """Return a status as Jira spells it."""
        return self.statuses[status].name if status in self.statuses else status


def samples(site: Site, project: str, kind: str) -> Mapping[str, Entity]:
    """Return an issue in each status that any is in: status in lower case -> issue, newest first.

    ``kind`` is an issue type, "" for all.
    """

    def load() -> dict[str, Entity]:
        found: dict[str, Entity] = {}
        while len(found) < SAMPLES:
            where = f"project = {_quoted(project)}" + (f" AND issuetype = {_quoted(kind)}" if kind else "")
            rest = f" AND status not in ({', '.join(_quoted(name) for name in found)})" if found else ""
            page = search(site, f"{where}{rest} ORDER BY updated DESC", fields="status", size=_ROWS)
            fresh = {
                str(member(member(row, "fields"), "status").get("name", "")).casefold(): row
                for row in reversed(page["issues"])
                if isinstance(row, Mapping) and row.get("id")
            }
            new = {name: row for name, row in fresh.items() if name and name not in found}
            if not new:
                break  # an index that lags may answer what was left out
            for name, row in new.items():
                found[name] = Entity(site.connection, "issue", str(row["id"]), key=str(row.get("key", "")))
        return found

    known: Mapping[str, Entity] = site.memory(f"jira:samples:{project}:{kind}", LIFE, load)
    return known


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def look(site: Site, project: str, kind: str) -> Workflow:
    """Look at as much of the workflow as can be seen."""

    def load() -> tuple[frozenset[str], tuple[Way, ...]]:
        seen = samples(site, project, kind)
        ways = [_way(name, step) for name, issue in seen.items() for step in offered(site, issue)]
        rest = statuses.keys() - seen.keys()
        told = from_workflow(site, {"project": project, "type": kind}) if rest else None
        if told is None:
            return frozenset(seen), tuple(ways)
        for row in told:
            start, goal = (str(row.facts[name]).casefold() for name in ("from", "to"))
            # A way from "" leads there from everywhere.
            ways += [Way(row.name, one, goal, (), None) for one in sorted(rest) if start in {"", one}]
        return frozenset(statuses), tuple(ways)

    statuses = statuses_of(site, project, kind)
    seen, ways = site.memory(f"jira:ways:{project}:{kind}", LIFE, load)
    return Workflow(statuses, seen, ways)


def _way(source: str, step: Json) -> Way:
    to, raw = step["to"], step.get("fields")
    shown = raw.items() if isinstance(raw, Mapping) else ()
    screen = {str(number): field_of(str(number), one) for number, one in shown if isinstance(one, Mapping)}
    return Way(str(step.get("name")), source, str(to.get("name", "")).casefold(), tuple(asked(step)), screen)


def judge(flow: Workflow, wanted: Named, fed: frozenset[str], *, able: bool) -> Iterator[Finding]:
    """Judge one wanted status: a name, or {status, resolution}.

    ``fed`` are the ids of fields that the mapping fills; ``able``: the account may make transitions, without which
    Jira shows it none.
    """
    given = wanted.value if isinstance(wanted.value, Mapping) and "format" not in wanted.value else {}
    word = words(given.get("status") if given else wanted.value).strip()
    if not word:
        return
    goals = _goals(flow, word)
    if not goals:
        known = {one.id: one.name for one in flow.statuses.values()}
        yield gone(wanted, word, known, "status of this type's workflow", "option:status")
        return
    yield from _spelling(flow, wanted, word)
    if not able:
        return
    last = [way for way in flow.ways if way.goal in goals]
    yield from _screens(flow, wanted, last, fed, given.get("resolution"))
    yield from _reached(flow, wanted, goals, fed)


def _goals(flow: Workflow, word: str) -> frozenset[str]:
    """Return the statuses that are meant: the one of this name, else those of the category that it names."""
    folded = word.casefold()
    if folded in flow.statuses or not flow.statuses:
        return frozenset({folded})
    category = CATEGORIES.get(folded, folded)
    return frozenset(name for name, one in flow.statuses.items() if one.category == category)


def _spelling(flow: Workflow, wanted: Named, word: str) -> Iterator[Finding]:
    name = flow.name(word.casefold())
    if word.casefold() in flow.statuses and name != word:
        text = f"is spelt {name!r} in Jira; it is found all the same"
        yield Finding(Level.WARNING, wanted.path, text, f"write {name!r}", "spelling")
    if word.casefold() in flow.statuses:
        yield Finding(Level.OK, wanted.path, "", means=flow.statuses[word.casefold()].id)


def _screens(
    flow: Workflow, wanted: Named, last: Sequence[Way], fed: frozenset[str], resolution: Any
) -> Iterator[Finding]:
    """Judge what the screens of the last steps demand."""
    told = set()
    for way in last:
        if way.screen is None:
            continue
        where = f"the transition {way.name!r} into {flow.name(way.goal)}"
        easier = [one for one in last if one.source == way.source and not _unfed(one, fed)]
        for field in [] if easier else _unfed(way, fed):
            if (field.id, way.name) not in told:
                told.add((field.id, way.name))
                text = f"{where} asks for {field.name}, and the mapping does not feed it"
                yield Finding(Level.PROBLEM, wanted.path, text, f"map {field.name} too", f"required:{field.id}")
        chooses = way.screen.get("resolution")
        if ("resolution", way.name) in told or (chooses is None and not resolution):
            continue
        told.add(("resolution", way.name))
        yield from _resolved(wanted, where, chooses, resolution, required="resolution" in {one.id for one in way.asks})


def _resolved(wanted: Named, where: str, field: Field | None, resolution: Any, *, required: bool) -> Iterator[Finding]:
    names = [shown(row) for row in field.allowed or ()] if field else []
    word = words(resolution).strip()
    if field is None:
        text = f"{where} has no Resolution on its screen: {word!r} is not set"
        yield Finding(Level.WARNING, wanted.path, text, "leave it out, or have it put on the screen", "no_resolution")
    elif word and names and squeezed(word) not in {squeezed(name) for name in names}:
        near = meant(word, names)
        act = f"did you mean {near!r}?" if near else "name one of them"
        text = f"{word!r} is no Resolution that {where} offers; there are {listed(names)}"
        yield Finding(Level.PROBLEM, wanted.path, text, act, "option:resolution")
    elif required and not word and names:
        text = f"{where} asks for a Resolution, and the mapping gives none: the first one, {names[0]!r}, is taken"
        act = f"write {{status: ..., resolution: {names[0].strip()}}}, or the one that is meant"
        yield Finding(Level.WARNING, wanted.path, text, act, "resolution")


def _unfed(way: Way, fed: frozenset[str]) -> list[Field]:
    return [field for field in way.asks if field.id not in fed and not (field.id == "resolution" and field.allowed)]


def _reached(flow: Workflow, wanted: Named, goals: frozenset[str], fed: frozenset[str]) -> Iterator[Finding]:
    """Say from which statuses an issue cannot be brought where it shall be."""
    done = any(flow.category(goal) == "done" for goal in goals)
    stuck = sorted(
        flow.name(name)
        for name in flow.seen - goals
        # Done in another sense is left as it is.
        if not (done and flow.category(name) == "done") and not _leads(flow, name, goals, fed)
    )
    if not stuck:
        return
    goal = " or ".join(sorted(flow.name(one) for one in goals))
    unseen = flow.statuses.keys() - flow.seen
    if not any(way.goal in goals for way in flow.ways) and not unseen:
        text = f"no transition leads into {goal} from anywhere"
        yield Finding(Level.PROBLEM, wanted.path, text, "have one added to the workflow, or name another", "transition")
        return
    text = f"from {listed(stuck)} the workflow does not lead to {goal}, or only past what lies between the two"
    more = f" (nothing is known of {listed(flow.name(one) for one in unseen)}: no issue is there)" if unseen else ""
    act = "have a transition added, or leave such issues to people"
    yield Finding(Level.WARNING, wanted.path, text + more, act, "transition")


def _leads(flow: Workflow, start: str, goals: frozenset[str], fed: frozenset[str]) -> bool:
    """Tell whether `transitions.move` finds a way: directly, or by steps between where it is and where it shall be."""
    ends = {RANK.get(flow.category(one), -1) for one in (start, *goals)}
    here = {start}
    for _ in range(STEPS + 1):
        ways = [way for way in flow.ways if way.source in here]
        if any(way.goal in goals for way in ways):
            return True  # what its screen demands is told apart
        between = {way.goal for way in ways if min(ends) <= RANK.get(flow.category(way.goal), -1) <= max(ends)}
        here |= {way.goal for way in ways if way.goal in between and not _unfed(way, fed)}
    return False
