"""Try a case: plan its event as a delivery would be planned, and say where that differs from what is expected.

The same code as a delivery's, up to where the target would have to be asked: routing, filters, mapping, wording,
comments, conversion of rich text.  Nothing is read and nothing is written.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, cast

from connector.cases import Case, Expected, Given
from connector.config import Config, Connector
from connector.errors import ConnectorError, Rejected, Retryable
from connector.event import Entity, Event, Kind, Text, event_id
from connector.link import Link
from connector.mapping import Tools
from connector.planning import Known, Plan, plan
from connector.ports import Request, Response, Site
from connector.richtext import convert
from connector.routing import route_of
from connector.system import Action, Inbound, System, Trust

Read = Callable[[Case, System], Sequence[Inbound]]
"""Reads the payload of a case as the receiver would; raises `Rejected` where it cannot."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case: as `connector.cases.Expected`, but everything is said."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    skip: str = ""
    error: str = ""
    creates: bool = False
    messages: tuple[str, ...] = ()
    comment: str | None = None
    removes: bool = False
    named: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()

    def said(self) -> dict[str, Any]:
        """Return it as a case would expect it, what is empty left out."""
        if self.skip or self.error:
            return {"skip": self.skip} if self.skip else {"error": self.error}
        found = {
            "fields": dict(self.fields),
            "absent": list(self.absent),
            "creates": self.creates,
            "messages": list(self.messages),
            "comment": self.comment,
            "removes": self.removes,
            "named": list(self.named),
        }
        return {**{name: value for name, value in found.items() if value}, "losses": list(self.losses)}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as expected; ``lines`` show it as a diff."""

    what: str
    expected: Any
    got: Any

    def lines(self) -> list[str]:
        """Return the lines of a diff; what differs in a long text is found easily."""
        before, after = shown(self.expected), shown(self.got)
        found = difflib.ndiff(before.splitlines() or [""], after.splitlines() or [""])
        return [line.rstrip("\n") for line in found if not line.startswith("?")]


def tried(config: Config, systems: Mapping[str, System], tools: Tools, case: Case, read: Read) -> Outcome:
    """Return what comes of a case; raises `Rejected` where its event cannot be made."""
    connector = config.connectors[case.connector]
    if case.side == "to":
        if connector.back is None:
            raise Rejected("side: to is for two-way connectors", cause="case")
        connector = connector.back
    name = connector.source.connection
    system = systems[config.connections[name].system]
    event = _event(config, connector, case, system, read)
    asked = system if event.entity.scope else replace(system, selects=lambda _source, _event: "")
    route = route_of(connector, asked, event, tools)
    if route.reason and not case.linked:
        return Outcome(skip=route.reason)
    try:
        found = plan(connector, event, _known(connector, event, case), tools, instance=config.instance, now=event.at)
    except ConnectorError as error:
        return Outcome(error=str(error))
    if found.skip:
        return Outcome(skip=found.skip)
    return _outcome(config, systems, connector, found)


def _known(connector: Connector, event: Event, case: Case) -> Known:
    if not case.linked:
        return Known()
    return Known(Link(source=event.entity.ref, target=f"{connector.target.connection}:issue:1", key="LINKED-1"))


def _outcome(config: Config, systems: Mapping[str, System], connector: Connector, found: Plan) -> Outcome:
    losing = _losing(config, systems, connector)
    texts = [value for value in (found.wanted or {}).values() if _is_text(value)]
    texts += [one.text for one in found.appends if one.text is not None]
    losses = [*found.losses, *(loss for text in texts for loss in losing(text))]
    comments = [one for one in found.appends if one.word in {"comment", "recomment"}]
    return Outcome(
        fields={name: _plain(value) for name, value in (found.wanted or {}).items()},
        absent=tuple(found.absent),
        creates=found.create and not found.named,
        messages=tuple(str(_plain(one.text)) for one in found.appends if one.word == "message"),
        comment=str(_plain(comments[0].text)) if comments else None,
        removes=any(one.action is Action.DELETE_COMMENT for one in found.appends),
        named=found.named,
        losses=tuple(dict.fromkeys(losses)),
    )


def _losing(config: Config, systems: Mapping[str, System], connector: Connector) -> Callable[[Any], Sequence[str]]:
    """Return what says which parts of a text the target cannot hold; nothing where it would have to be asked."""
    connection = config.connections[connector.target.connection]
    target = systems[connection.system].target
    site = Site(connection.name, connection.settings, _offline, lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def losses(text: Any) -> Sequence[str]:
        try:
            return target.text(site, connector.target.settings, text)[1] if target is not None else ()
        except Retryable:
            return ()

    return losses


def _offline(request: Request) -> Response:
    raise Retryable(f"a trial asks nobody: {request.path}", sent=False, cause="offline")


# --- the event ---------------------------------------------------------------------------------------------
def _event(config: Config, connector: Connector, case: Case, system: System, read: Read) -> Event:
    given, name = case.given, connector.source.connection
    if not (given.file or given.payload is not None):
        return _written(given, name)
    events: list[Event] = []
    ignored = []
    for inbound in read(case, system):
        got = system.receive(name, config.connections[name].settings, inbound, Trust.SIGNED)
        events += got.events
        ignored.append(got.ignored)
    # A recorded payload may name items that are gone or belong to somebody else: it is believed as it is.
    chosen = [replace(one, partial=False) for one in events if given.kind in {None, one.kind}]
    if len(chosen) == 1:
        return chosen[0]
    if not chosen:
        why = f": {'; '.join(filter(None, ignored))}" if any(ignored) else f" of kind {given.kind}" if events else ""
        raise Rejected(f"the payload holds no event{why}", cause="case")
    kinds = ", ".join(sorted({one.kind for one in chosen}))
    raise Rejected(f"the payload holds {len(chosen)} events ({kinds}): say kind:, or record one alone", cause="case")


def _written(given: Given, connection: str) -> Event:
    kind = given.kind or Kind.OTHER
    entity = Entity(connection, given.type, "1", key=given.key, url=given.url, scope=given.scope)
    data = dict(given.data)
    if "body" in data:
        data["body"] = _rich(data["body"])
    if isinstance(data.get("comment"), Mapping):
        comment = {"id": "1", "visibility": "public", **data["comment"]}
        data["comment"] = {**comment, "body": _rich(comment.get("body", ""))}
    return Event(
        id=event_id(entity, kind, sub="1" if kind.is_append else "", version="1"),
        kind=kind,
        entity=entity,
        at=given.at,
        data=data,
        sub="1" if kind.is_append else "",
        actor=cast("Any", given.actor),
        change=given.change,
        raw=given.raw,
    )


def _rich(value: Any) -> Any:
    return Text(format="markdown", content=value) if isinstance(value, str) else value


# --- comparing ---------------------------------------------------------------------------------------------
_MISSING: Final = "(nothing)"
_UNSEEN: Final = "\u200b"
"""Stands in a key such as web#12 where the target would make a link of its own."""


def differences(expected: Expected, got: Outcome) -> Iterator[Difference]:
    """Say what is not as expected; what is not said is not compared, but for a skip and an error."""
    for what in ("error", "skip"):
        wanted, real = getattr(expected, what), getattr(got, what)
        if (wanted is None and real) or (wanted is not None and wanted not in real) or (wanted and not real):
            yield Difference(what, wanted or _MISSING, real or _MISSING)
    if got.skip or got.error:
        return
    for name, wanted in expected.fields.items():
        if name not in got.fields or not _same(wanted, got.fields[name]):
            yield Difference(f"fields.{name}", wanted, got.fields.get(name, _MISSING))
    for name in expected.absent:
        if name in got.fields:
            yield Difference(f"absent.{name}", _MISSING, got.fields[name])
    for what in ("creates", "removes", "comment"):
        wanted, real = getattr(expected, what), getattr(got, what)
        if wanted is not None and not _same(wanted, real):
            yield Difference(what, wanted, _MISSING if real is None else real)
    for what in ("messages", "named", "losses"):
        wanted, real = getattr(expected, what), getattr(got, what)
        if wanted is not None and [_trimmed(one) for one in wanted] != [_trimmed(one) for one in real]:
            yield Difference(what, list(wanted), list(real))


def _same(wanted: Any, got: Any) -> bool:
    return bool(_trimmed(wanted) == _trimmed(got))


def _trimmed(value: Any) -> Any:
    """Leave out what a block of YAML adds at the end of lines and of a text."""
    if isinstance(value, str):
        return "\n".join(line.rstrip() for line in value.strip().splitlines())
    if isinstance(value, (list, tuple)):
        return [_trimmed(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _trimmed(one) for key, one in value.items()}
    return value


def _is_text(value: Any) -> bool:
    return isinstance(value, Mapping) and {"format", "content"} == set(value)


def _plain(value: Any) -> Any:
    """Show a wanted value as a case writes it: rich text as Markdown, without what only keeps others from linking."""
    if not _is_text(value):
        return value
    found = convert(cast("Any", value), "markdown", pings=True).content
    return str(found).replace(_UNSEEN, "").strip()


def shown(value: Any) -> str:
    """Write a value for a diff."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)
