"""Show a pull request on the issues that it names, and move them along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.config import Mode
from connector.link import Link
from connector.planning import Plan, difference, marker_for, relation_of
from connector.system import Action, Change
from workers.forgotten import known_base

if TYPE_CHECKING:
    from workers.attempt import Attempt


def refer(attempt: Attempt, key: str, wanted: Plan) -> None:
    """Show the pull request of an attempt on the issue ``key``, and bring what it wants of it."""
    entity = attempt.target_system.find(attempt.there, None, key).entity
    name = f"{attempt.event.entity.ref}>{entity.ref}"
    if attempt.link is not None and attempt.connector.mode is not Mode.SHADOW:
        attempt.book.aliases.append(attempt.link.target)  # of the issue named before this one
    known = attempt.links.get(name) or attempt.store.link(name)
    attempt.link = known or Link(source=name, target=entity.ref, key=entity.key, url=entity.url, scope=entity.scope)
    relation = relation_of(attempt.event)
    sub = f"{entity.ref} {relation['state']}"
    marker = marker_for(attempt.connector, attempt.event, attempt.config.instance, Action.RELATE, sub)
    attempt.write(Change(Action.RELATE, marker.effect, marker, entity=entity, relation=relation), None)
    if wanted.wanted:
        # Compared with what this pull request last asked for: an issue that people have moved on
        # since is not pulled back by each edit of the pull request.
        shaped = attempt.target.shape(attempt.there, attempt.settings, wanted.wanted, entity)
        attempt.update(difference(shaped, known_base(attempt, attempt.link, shaped)), shaped, sub=entity.ref)
