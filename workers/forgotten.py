"""Look in the target for what the store may have forgotten: a link, the copy of a comment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson

from connector.config import Mode
from connector.errors import Ambiguous, RateLimited, Scope
from connector.event import Entity
from connector.link import EffectKey, Link, Marker
from connector.planning import UNFINISHED, marker_for, target_entity
from connector.system import Absent, Action, Change, Shaped, Written

if TYPE_CHECKING:
    from workers.attempt import Attempt

FOUND: Final = "found"
"""In a link's ``extra``: it was found again by its marker, and nothing is known yet of what its target holds."""


def known_base(attempt: Attempt, link: Link, shaped: Shaped) -> dict[str, Any]:
    """Return what the target is known to hold of the wanted fields.

    An update whose outcome is unknown may have landed: of its fields nothing is known.  Nor of any field where a
    later base may be forgotten; but what a workflow moves (a Jira status) belongs to people in between, and to pull
    it back for that reason alone would undo their work.  It is moved only where the event itself tells of a move, or
    where one side is done and the other is not; else the base we have counts, or what is wanted.
    """
    unsure = orjson.loads(attempt.letter.fields.get("unsure") or "[]")
    if not _is_lost(attempt, link):
        return {name: value for name, value in link.base.items() if name not in unsure}
    assumed = (shaped.later & shaped.fields.keys()) - set(unsure)
    if not assumed or attempt.moved or _is_done(attempt.event.data) != _is_done(_present(attempt, link)):
        return {}
    return {name: link.base.get(name, shaped.fields[name]) for name in assumed}


def _present(attempt: Attempt, link: Link) -> Mapping[str, Any]:
    now = attempt.target.read(attempt.there, attempt.settings, target_entity(link))
    return now["data"] if now is not None else attempt.event.data


def _is_done(item: Mapping[str, Any]) -> bool:
    return item.get("state") == "closed" or item.get("state_category") == "done"


def trusted(attempt: Attempt, link: Link, shaped: Shaped) -> Link:
    """Return a link whose state was brought: from here on its base counts, what was assumed of it included."""
    if not _is_lost(attempt, link):
        return link
    held = {name: value for name, value in shaped.fields.items() if name not in link.base}
    return replace(link, base={**link.base, **held}, extra={k: v for k, v in link.extra.items() if k != FOUND})


def _is_lost(attempt: Attempt, link: Link) -> bool:
    return bool(link.extra.get(FOUND)) or (attempt.doubt is not None and attempt.doubt.of_states)


def found_again(attempt: Attempt) -> Link | None:
    """Look for the target of an event that seems to have none, where its link may be forgotten; remembers it."""
    if attempt.connector.mode is Mode.SHADOW or not attempt.connector.creates:
        return None
    marker = marker_for(attempt.connector, attempt.event, attempt.config.instance, Action.CREATE)
    found = _looked_up(attempt, Change(Action.CREATE, marker.effect, marker), attempt.event.data.get("created"))
    if found is None:
        return None
    link = Link.between(attempt.event.entity, found.entity, extra={FOUND: True, UNFINISHED: True})
    attempt.remember(link)
    return link


def copy_of(attempt: Attempt, effect: EffectKey, entity: Entity | None) -> str:
    """Return the native id of a comment's copy that the books do not speak of; "" where there is none."""
    if entity is None:
        return ""
    marker = Marker(attempt.config.instance, attempt.event.entity.connection, effect)
    made = (attempt.event.data.get("comment") or {}).get("created")
    found = _looked_up(attempt, Change(Action.COMMENT, effect, marker, entity=entity), made)
    return found.remote if found is not None else ""


def _looked_up(attempt: Attempt, change: Change, made: str | None) -> Written | None:
    """Look for what may have been added in the time that is forgotten; None where there is nothing."""
    doubt = attempt.doubt
    if doubt is None or not doubt.covers(change.action, made):
        return None
    try:
        found = attempt.target.look_up(attempt.there, attempt.settings, change, doubt.begins(change.action))
    except Ambiguous:
        return None  # nobody can tell; nothing is added for it either
    if not isinstance(found, Absent):
        return found
    wait = doubt.noticed + attempt.desk.call + found.settled_in - attempt.desk.now()
    if wait > timedelta(0):
        message = "it may have been written before the store was put back; it is looked for again later"
        raise RateLimited(message, scope=Scope.ENTITY, retry_after=wait, cause="unknown_outcome", status=None)
    return None
