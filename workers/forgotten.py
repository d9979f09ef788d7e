"""Look in the target for what the store may have forgotten: a link, the copy of a comment."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from connector.config import Mode
from connector.errors import Ambiguous, RateLimited, Scope
from connector.event import Entity
from connector.link import EffectKey, Link, Marker
from connector.planning import marker_for
from connector.system import Absent, Action, Change, Written

if TYPE_CHECKING:
    from workers.attempt import Attempt


def found_again(attempt: Attempt) -> Link | None:
    """Look for the target of an event that seems to have none, where its link may be forgotten; remembers it."""
    if attempt.connector.mode is Mode.SHADOW or not attempt.connector.creates:
        return None
    marker = marker_for(attempt.connector, attempt.event, attempt.config.instance, Action.CREATE)
    found = _looked_up(attempt, Change(Action.CREATE, marker.effect, marker), attempt.event.data.get("created"))
    if found is None:
        return None
    link = Link.between(attempt.event.entity, found.entity)
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
