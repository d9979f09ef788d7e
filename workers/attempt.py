"""Make one attempt at one delivery: know the entity, plan, write, and note what is now true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from connector.config import Config, Connector, End, Mode
from connector.errors import Rejected
from connector.event import Entity, Event, Kind
from connector.link import Link, brought, flipped, told
from connector.planning import (
    UNFINISHED,
    Known,
    Plan,
    creation,
    difference,
    marker_for,
    plan,
    target_entity,
)
from connector.ports import Site
from connector.rings import based, siblings, spend
from connector.routing import kept_out
from connector.system import Action, Change, Shaped, System, Target, Written
from workers.appending import append
from workers.auditing import written_row
from workers.batch import Batch
from workers.desk import Desk, Post
from workers.doubt import Doubt
from workers.forgotten import found_again, known_base, trusted
from workers.holding import brake_of
from workers.knowing import awaited, know, matches, read_again, unlinked, whole_digest
from workers.overtaken import notice_twin
from workers.pairing import bring_together, make_pair, relate
from workers.referring import refer
from workers.rehearsal import Would, rehearse
from workers.stores.deliveries import Deliveries
from workers.stores.records import Box, Letter, Settlement, pack_link
from workers.writing import Pen

MOVES: Final = frozenset({"state", "status", "state_category"})
"""Vocabulary keys whose change moves an item through a workflow."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a delivery ended: ``delivered`` or ``skipped``, why, and whether anything was written."""

    outcome: str
    reason: str = ""
    wrote: int = 0


class Attempt:
    """One attempt; what it learns gathers in ``book``, which the turn settles."""

    def __init__(
        self,
        *,
        desk: Desk,
        config: Config,
        connector: Connector,
        store: Deliveries,
        turn: str,
        box: Box,
        letter: Letter,
        event: Event,
        book: Settlement,
        batch: Batch | None = None,
        links: dict[str, Link] | None = None,
        post: Post | None = None,
        doubt: str = "",
    ) -> None:
        """``links`` by source, where an earlier attempt at the same letter knows newer ones than the box.

        ``doubt`` is that of the letters worked on; see `workers.doubt`.
        """
        self.desk, self.config, self.connector = desk, config, connector
        self.whole = connector if not connector.turned else config.connectors[connector.name]
        self.event, self.book, self.store, self.letter = event, book, store, letter
        self.links = links if links is not None else dict(box.links)
        self.post: Post = post or desk.site
        self.until = desk.ticks() + desk.call.total_seconds()
        self.source: System = desk.system_of(config, connector.source.connection)
        target_system = desk.system_of(config, connector.target.connection)
        if target_system.target is None:
            message = f"{target_system.title} cannot be written to"
            raise Rejected(message, cause="no_target")
        self.target_system = target_system
        self.target: Target = target_system.target
        self.settings: Any = connector.target.settings
        self.there: Site = self.post(connector.target.connection, self.until)
        self.pen = Pen(
            store=store,
            turn=turn,
            subject=box.subject,
            delivery=letter.id,
            site=self.there,
            target=self.target,
            settings=self.settings,
            budget=desk.call,
            book=book,
            batch=batch,
            brake=brake_of(connector),
        )
        self.doubt = Doubt.of(doubt)
        self.moved = False
        """Whether the event itself tells that its state changed."""
        self.batch = batch
        self.link: Link | None = None
        self.wrote = 0
        self.losses: list[str] = []
        """What the target would not take."""
        self.would: list[Would] = []
        """What shadow mode did not write."""
        self.plan = Plan()
        self.ready: Plan | Result | None = None
        self.shaped: Shaped | None = None
        """What `prepare` came to."""
        self.begun = False
        self.notes: list[str] = []
        """What a two-way connector could not bring to agree, in words."""
        self.asked: list[str] = []
        """The fields of a pair that wait for a person."""
        self.kept: dict[str, Any] = {}
        self.stamps: dict[str, str] = {}
        """What the other half of a ring left on the source, and which of its writes did."""

    def prepare(self) -> Change | None:
        """Go as far as can be gone without writing; returns the create that comes next, where one does.

        `deliver` goes on from here.  Raises a `ConnectorError`.
        """
        wanted = self.ready = self._planned()
        if isinstance(wanted, Result) or wanted.named or wanted.wanted is None or self.link is not None:
            return None
        if self.connector.mode is Mode.SHADOW or (self.doubt is not None and self.doubt.of_states):
            return None
        self.shaped = self.target.shape(self.there, self.settings, wanted.wanted, None)
        marker = marker_for(self.connector, self.event, self.config.instance, Action.CREATE)
        return creation(self.event, self.shaped, marker)

    def go_on(self) -> None:
        """Take the time for calls anew: others were seen to since `prepare`."""
        self.until = self.desk.ticks() + self.desk.call.total_seconds()
        self.there = self.pen.site = self.post(self.connector.target.connection, self.until)

    def deliver(self) -> Result:
        """Bring about what the event wants; raises a `ConnectorError` or `writing.Fenced`."""
        wanted, self.begun = self.ready or self._planned(), True
        if isinstance(wanted, Result):
            return wanted
        if wanted.named:
            for key in wanted.named:
                refer(self, key, wanted)
        else:
            self._bring_state(wanted)
            if self.link is not None or self.would:
                for one in wanted.appends:
                    append(self, one)
        if self.link is not None and self.connector.mode is not Mode.SHADOW:
            self._leave(self.link)
        return self._result(wanted)

    def _planned(self) -> Plan | Result:
        """Know the entity and plan, or say why there is nothing to do."""
        self.moved = bool(self.event.change.keys() & MOVES)
        known = know(self)
        if ended := unlinked(self, known):
            return Result("skipped", ended)
        event = read_again(self, known)
        if event is None:
            if self.event.kind is Kind.ISSUE_DELETED:
                return Result("skipped", "its source says that it is not deleted")
            return Result("skipped", "gone at its source")
        # Only now is it certain where the item belongs: a webhook may name a comment and no project.
        reason = self.source.selects(self.connector.source.settings, event) if event is not self.event else ""
        if reason:
            return Result("skipped", f"filtered: {reason}")
        self.event = event
        self._keep_in(self.source, self.connector.source, event.entity)
        known = awaited(self, known)
        wanted = self._plan(known)
        if wanted.skip.startswith("filtered") and known.link is None and (link := found_again(self)):
            known = replace(known, link=link)
            wanted = self._plan(known)
        self.plan = wanted
        if wanted.skip:
            self._notice_twins()
            own = self.links.get(event.entity.ref)
            if own and self.connector.mode is not Mode.SHADOW and self.whole.back is None:
                self._tell(own)
            return Result("skipped", wanted.skip)
        if self.connector.when.jql and not known.link and not matches(self):
            if not (link := found_again(self)):
                return Result("skipped", "filtered: when.jql")
            known = replace(known, link=link)
        self.link = known.link
        return wanted

    def _plan(self, known: Known) -> Plan:
        return plan(
            self.connector,
            self.event,
            known,
            self.desk.tools,
            instance=self.config.instance,
            now=self.desk.now(),
            digest=whole_digest(self),
        )

    def _notice_twins(self) -> None:
        for other, reverse in siblings(self.config, self.connector):
            if reverse and self.event.marker:
                notice_twin(self.desk, other, self.desk.deliveries(other), self.event)

    def _leave(self, link: Link) -> None:
        self.book.aliases.append(link.target)
        if self.event.kind.is_state and self.whole.back is None:
            self._tell(spend(link, self.event, self.kept, self.stamps))

    def _tell(self, link: Link) -> None:
        """Note that this state was told, so that an older one that comes late is known as such."""
        after = told(link, self.event)
        if after != self.links.get(link.source):
            self.remember(after)

    def _result(self, wanted: Plan) -> Result:
        self.notes += [f"conflict: {name} waits for a person" for name in dict.fromkeys(self.asked)]
        if self.would:
            changes = [one.change for one in self.would]
            words = [f"{one.action} {one.entity.key if one.entity else ''}".strip() for one in changes]
            return Result("skipped", "shadow: would " + ", ".join(words))
        if self.wrote or self.letter.fields.get("wrote"):
            return Result("delivered", "; ".join((*wanted.losses, *self.losses, *self.notes)), self.wrote)
        if self.notes:
            return Result("skipped", "; ".join(self.notes))
        return Result("skipped", "echo: our own change coming back" if wanted.adopt else "nothing to change")

    # --- state --------------------------------------------------------------------------------------
    def _bring_state(self, wanted: Plan) -> None:
        if wanted.wanted is not None:
            self._bring_fields(wanted, wanted.wanted)
        if self.link is None:
            return
        if wanted.relation:
            self._relate(wanted.relation, target_entity(self.link))
        elif self.connector.turned and self.whole.relates and self.link.extra.get(UNFINISHED):
            relate(self, flipped(self.link))
        if self.connector.mode is not Mode.SHADOW and self.link.extra.get(UNFINISHED):
            self.remember(replace(self.link, extra={k: v for k, v in self.link.extra.items() if k != UNFINISHED}))

    def _bring_fields(self, wanted: Plan, values: Mapping[str, Any]) -> None:
        if self.link is not None and self.whole.back is not None:
            bring_together(self, self.link)
            return
        entity = target_entity(self.link) if self.link else None
        shaped = self.shaped = self.shaped or self.target.shape(self.there, self.settings, values, entity)
        if self.link is None and self.whole.back is not None:
            make_pair(self, shaped)
        elif self.link is None:
            self._create(shaped, wanted)
        elif wanted.adopt and not self.letter.fields.get("unsure") and not (self.doubt and self.doubt.of_states):
            self._adopt(self.link, shaped, wanted.echoed)
        else:
            self._bring_missing(self.link, shaped)

    def _bring_missing(self, link: Link, shaped: Shaped) -> None:
        self.update(difference(shaped, known_base(self, link, shaped)), shaped)
        if self.connector.mode is not Mode.SHADOW and self.link is not None:
            after = trusted(self, self.link, shaped)
            if after != self.link:
                self.remember(after)

    def _adopt(self, link: Link, shaped: Shaped, echoed: frozenset[str]) -> None:
        """Let the base move for what came back; bring what else the event tells, if it differs from the base."""
        news = {
            name: value
            for name, value in difference(shaped, known_base(self, link, shaped)).items()
            if shaped.names.get(name, name) not in echoed and name in link.base
        }
        if self.connector.mode is not Mode.SHADOW:
            self.remember(based(link, {name: value for name, value in shaped.fields.items() if name not in news}, {}))
        self.update(news, shaped)

    def _create(self, shaped: Shaped, wanted: Plan) -> None:
        marker = marker_for(self.connector, self.event, self.config.instance, Action.CREATE)
        change = creation(self.event, shaped, marker)
        written = self.write(change, shaped, made=self.event.data.get("created"))
        later = {name: value for name, value in shaped.fields.items() if name in shaped.later}
        held: dict[str, Any] = {}
        if written is not None and later and all(written.holds.get(name) == later[name] for name in later):
            # What is made has them from the beginning: an open issue, in the first status of its workflow.
            held, later = later, {}
        if written is None:
            if later:
                self.write(Change(Action.UPDATE, change.effect, marker, fields=later), shaped)
            if wanted.relation:
                self._relate(wanted.relation, None)
            return
        extra = {UNFINISHED: True} if later or wanted.relation or not written.fresh else {}
        link = Link.between(self.event.entity, written.entity, extra=extra)
        if not written.fresh:
            # An earlier attempt made it, perhaps of an older state: what it holds is not known.
            link = based(link, {}, written.kept, self.letter.id)
            self.remember(link)
            self._bring_missing(link, shaped)
            return
        self.remember(based(link, {**change.fields, **held}, written.kept, self.letter.id))
        if later:
            self.update(later, shaped)

    def update(self, fields: Mapping[str, Any], shaped: Shaped, *, sub: str = "") -> None:
        """Set fields of the linked target; ``sub`` tells one of several updates on behalf of one event."""
        if not fields or self.link is None:
            return
        entity = target_entity(self.link)
        marker = marker_for(self.connector, self.event, self.config.instance, Action.UPDATE, sub)
        change = Change(Action.UPDATE, marker.effect, marker, fields=fields, entity=entity, base=self.link.base)
        written = self.write(change, shaped)
        if written is not None:
            self.remember(based(_renamed(self.link, written.entity), fields, written.kept, self.letter.id))

    def _relate(self, relation: Mapping[str, Any], entity: Entity | None) -> None:
        about = entity.ref if entity is not None else ""
        marker = marker_for(self.connector, self.event, self.config.instance, Action.RELATE, about)
        self.write(Change(Action.RELATE, marker.effect, marker, entity=entity, relation=relation), None)

    # --- writing --------------------------------------------------------------------------------------
    def write(
        self,
        change: Change,
        shaped: Shaped | None = None,
        *,
        made: str | None = None,
        losses: Sequence[str] = (),
        pen: Pen | None = None,
    ) -> Written | None:
        """Write one change exactly once; None in shadow mode, where it is only rehearsed.

        ``made``: when what is added came into being at its source (ISO), where it may have been written already.
        ``losses``: what its text lost, in words; only shadow mode tells of it.  ``pen``, where it is not this
        attempt's own, writes to the other end.
        """
        pen = pen or self.pen
        if change.entity is not None:
            back = self.whole.back if change.entity.connection != self.whole.target.connection else None
            end = (back or self.connector).target
            self._keep_in(self.desk.system_of(self.config, end.connection), end, change.entity)
        if self.connector.mode is Mode.SHADOW:
            would = rehearse(pen.target, pen.site, pen.settings, change, shaped=shaped, losses=losses)
            self.would += [would] if would is not None else []
            return None
        doubt = self.doubt.as_text(change.action, made) if self.doubt is not None else ""
        written, news = pen.write(change, doubt=doubt)
        self.losses += written.losses
        if news:
            self.wrote += 1
            self.book.audit.append(written_row(self, change, written, shaped))
        return written

    def _keep_in(self, system: System, end: End, entity: Entity) -> None:
        """Refuse what is not for the connector's team; a pull request may name any issue, and issues move."""
        if why := kept_out(self.config, self.connector, system, end, entity.scope):
            raise Rejected(f"{entity.key or entity.ref}: {why}", cause="team")

    def remember(self, link: Link) -> None:
        """Know a link from here on, and have it settled."""
        link = brought(link, self.desk.now()) if self.wrote else link
        self.link = self.links[link.source] = link
        pair = flipped(link) if self.connector.turned else link
        # What a pull request asked for is no pair: the other half must not find it as one.
        record = (pair.source, pair.target, pack_link(pair), ">" not in pair.source)
        self.book.links = [one for one in self.book.links if one[0] != pair.source]
        self.book.links.append(record)


def _renamed(link: Link, entity: Entity) -> Link:
    if not entity.key or entity.key == link.key:
        return link
    return replace(link, key=entity.key, url=entity.url or link.url, scope=entity.scope or link.scope)
