"""Make the pairs of a two-way connector, from whichever side an item was born, and keep them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.link import Link, flipped
from connector.mapping import Policy
from connector.planning import INITIAL, UNFINISHED, creation, marker_for, relation_of
from connector.system import Action, Change, Shaped
from workers.converging import converge, pen_for
from workers.sides import asked_of, source_of, target_of

if TYPE_CHECKING:
    from workers.attempt import Attempt


def make_pair(attempt: Attempt, shaped: Shaped) -> None:
    """Create the other side of an item, and bring over what a create cannot carry."""
    marker = marker_for(attempt.connector, attempt.event, attempt.config.instance, Action.CREATE)
    change = creation(attempt.event, shaped, marker)
    written = attempt.write(change, shaped, made=attempt.event.data.get("created"))
    if written is not None:
        link = Link.between(attempt.event.entity, written.entity, extra={UNFINISHED: True})
        attempt.remember(link)
        bring_together(attempt, link)
    elif later := {name: value for name, value in shaped.fields.items() if name in shaped.later}:
        attempt.write(Change(Action.UPDATE, change.effect, marker, fields=later), shaped)  # in shadow mode


def bring_together(attempt: Attempt, link: Link) -> None:
    """Bring a pair, as this attempt sees it, to agree; one that was just made holds what its origin says.

    One that a person has made of two items that were there has no origin: its ``INITIAL`` counts.
    """
    turned = attempt.connector.turned
    fresh = link.extra.get(UNFINISHED) and not link.extra.get(INITIAL)
    prefer = (Policy.TO if turned else Policy.FROM) if fresh else None
    converge(attempt, flipped(link) if turned else link, prefer=prefer)


def relate(attempt: Attempt, pair: Link) -> None:
    """Show the source on the target of a pair that was made from its target's side."""
    whole, to = attempt.whole, target_of(pair)
    asked = asked_of(source_of(pair), attempt.desk.now())
    system = attempt.desk.system_of(attempt.config, whole.source.connection)
    source = system.complete(attempt.post(whole.source.connection, attempt.until), asked)
    target = attempt.desk.system_of(attempt.config, whole.target.connection).target
    if source is None or target is None:
        return
    marker = marker_for(whole, source, attempt.config.instance, Action.RELATE, to.ref)
    change = Change(Action.RELATE, marker.effect, marker, entity=to, relation=relation_of(source))
    site = attempt.post(whole.target.connection, attempt.until)
    attempt.write(change, pen=pen_for(attempt, target, whole.target.settings, site))
