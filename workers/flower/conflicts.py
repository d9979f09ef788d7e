"""Show what a person must decide between the two sides of a pair, and take the decision; for scripts too."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import tornado.web

from connector.config import Connector
from workers.desk import Desk
from workers.flower.face import Face
from workers.flower.show import ago, redacted, when
from workers.operating import acting
from workers.operating.questions import Question, decide, question_of, questions, said_of
from workers.operating.weighing import LARGEST, given, weighed
from workers.roles import Role

if TYPE_CHECKING:
    from workers.flower.api import Api

PAGE: Final = 100
"""Questions on a page."""

TAKES: Final = {"from": "the source's", "to": "the target's", "value": "another"}


def waiting(desk: Desk, connectors: Iterable[Connector], item: str) -> list[Question]:
    """Return the open questions of connectors, the oldest first; ``item`` is a key of either side, or part of it."""
    word = item.strip().casefold()
    found = [
        one
        for one in questions(desk, connectors)
        if not word
        or one.concerns(item.strip())
        or word in one.pair.key.casefold()
        or word in one.pair.source_key.casefold()
    ]
    return sorted(found, key=lambda one: one.conflict.at)


def _chosen(face: Face) -> list[Connector]:
    name = face.word("connector")
    return [face.connector_named(name)] if name else face.connectors()


def _seen_by(face: Face, name: str, conflict: str) -> tuple[Connector, Question]:
    """Open a question for an operator; that they looked is written down.  Runs away from the event loop."""
    one = face.connector_named(name, Role.OPERATOR)
    found = question_of(face.desk, one, conflict)
    if found is None:
        raise tornado.web.HTTPError(
            404, f"{conflict} is no open conflict of {name}: it was decided, or the sides agree"
        )
    pair = found.pair
    acting.looked(
        face.desk, one, face.by, "look", entity=pair.source_key, target=pair.key, fields=[found.conflict.name]
    )
    return one, found


def _decided_by(face: Face, name: str, conflict: str, *, take: str, value: Any, seen: str) -> Question:
    """Write a decision down, if it is about what whoever decides has seen.  Runs away from the event loop."""
    one = face.connector_named(name, Role.OPERATOR)
    if take not in TAKES:
        raise tornado.web.HTTPError(400, f"take: {', '.join(TAKES)}")
    found = question_of(face.desk, one, conflict)
    if found is None:
        raise tornado.web.HTTPError(
            404, f"{conflict} is no open conflict of {name}: it was decided, or the sides agree"
        )
    if seen and seen != found.seen:
        raise tornado.web.HTTPError(409, "a side has changed since you looked: open the page anew, and decide then")
    if isinstance(value, str) and take == "value":
        try:
            value = given(found, value)
        except ValueError as error:
            raise tornado.web.HTTPError(400, str(error)) from error
    decide(face.desk, face.parts.inbox(), found, face.by, take=take, value=value if take == "value" else None)
    return found


class Conflicts(Face):
    """The list; values are shown on the page of each."""

    tab = "conflicts"

    async def get(self) -> None:
        """Show it."""
        page = int(self.number("page", 1, least=1, most=100_000))
        found = await self.ask(waiting, self.desk, _chosen(self), self.word("item"))
        self.render(
            "conflicts.html",
            found=found[(page - 1) * PAGE : page * PAGE],
            total=len(found),
            page=page,
            last=max(1, -(-len(found) // PAGE)),
            query={name: self.word(name) for name in ("connector", "item") if self.word(name)},
            connectors=[one for one in self.connectors() if one.back is not None],
            may=lambda one: self.person.may(Role.OPERATOR, one),
            now=self.desk.now_ms(),
            ago=ago,
            ms=_ms,
        )


class OneConflict(Face):
    """One question: both values, who changed them and when, and what can be done."""

    tab = "conflicts"

    async def get(self, name: str, conflict: str) -> None:
        """Show it."""
        one, found = await self.ask(_seen_by, self, name, conflict)
        told = weighed(found)
        # What is not shown must not be written back as it is shown.
        start = told.start if redacted(told.start) == told.start else ""
        self.render(
            "conflict.html",
            one=one,
            found=found,
            told=told,
            start=start,
            said_already=await self.ask(said_of, self.desk, found),
            takes=TAKES,
            largest=LARGEST,
            hidden=redacted,
            when=lambda text: when(_ms(text)) if text else "",
        )

    async def post(self, name: str, conflict: str) -> None:
        """Take a decision."""
        take = self.word("take")
        # A text box ends its lines as the web does, and what was left empty is nothing.
        value = self.get_argument("value", "", strip=False, escape=False) if take == "value" else None
        if not self.word("seen"):
            raise tornado.web.HTTPError(400, "what was seen is not told: open the page anew")
        found = await self.ask(_decided_by, self, name, conflict, take=take, value=value, seen=self.word("seen"))
        pair = found.pair
        self.say(f"{found.conflict.name} of {pair.source_key} and {pair.key}: {TAKES[take]} value will hold.")
        self.redirect(self.reverse_url("conflicts"), status=303)


def _ms(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1000


# --- for scripts --------------------------------------------------------------------------------------------
VALUES: Final = ("value", "before")


async def list_conflicts(api: Api) -> Any:
    """Return open questions without their values, which are shown one by one."""
    found = await api.ask(waiting, api.desk, _chosen(api), api.word("item"))
    start = int(api.number("start", 0, least=0, most=10_000_000))
    return {"total": len(found), "conflicts": [_bare(one) for one in found[start : start + 1000]]}


def _bare(one: Question) -> dict[str, Any]:
    document = one.as_json()
    del document["changed"], document["seen"]
    sides = {side: {k: v for k, v in document[side].items() if k not in VALUES} for side in ("source", "target")}
    return {**document, **sides}


async def one_conflict(api: Api, name: str, conflict: str) -> Any:
    """Return one question with its values; audited."""
    _, found = await api.ask(_seen_by, api, name, conflict)
    return {**found.as_json(), "says": found.why, "decided": await api.ask(said_of, api.desk, found)}


async def decide_conflict(api: Api, name: str, conflict: str) -> Any:
    """Take a decision."""
    take, value = api.text_of("take"), api.body.get("value")
    if take == "value" and "value" not in api.body:
        raise tornado.web.HTTPError(400, "value: text, a list, or null")
    found = await api.ask(_decided_by, api, name, conflict, take=take, value=value, seen=api.text_of("seen"))
    return {"connector": name, "id": conflict, "field": found.conflict.name, "take": take}


ROUTES = [
    tornado.web.url(r"/conflicts", Conflicts, name="conflicts"),
    tornado.web.url(r"/conflicts/([^/]+)/([^/]+)", OneConflict, name="conflict"),
]
