"""Read recorded webhook bodies from a file, as the receiver would, and show what events they hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from connector.errors import Rejected, Unreadable
from connector.event import Event
from connector.registry import SYSTEMS
from connector.system import Inbound, Received, System, Trust
from workers.cli.output import FAILED, USAGE, as_json, fail, print_json, print_table, say
from workers.strictjson import Malformed, NotJson, strict

MOST_BYTES: Final = 256 * 1024 * 1024
"""A file may hold many bodies; the receiver takes 25 MB for each."""


@click.command()
@click.option("--system", "name", required=True, type=click.Choice(sorted(SYSTEMS)), help="Whose payload it is.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="A request header, as received.")
@click.argument("payload", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json
def events(name: str, headers: tuple[str, ...], payload: Path, *, as_json: bool) -> None:
    """Show what events a webhook body holds, or why it is ignored.  Needs no configuration.

    PAYLOAD holds one body, or an array of bodies.  Where the system tells events apart by a header
    (X-GitHub-Event) and none is given, it is found out from the body if that leaves no doubt.  Exit code 1
    where a body cannot be read.
    """
    system = SYSTEMS[name]
    connection = system.connection().load(dict(system.example["connection"]))
    found: list[Event] = []
    ignored: list[str] = []
    unreadable: list[str] = []
    for inbound in inbounds(payload, headers, system):
        try:
            got = system.receive(name, connection, inbound, Trust.SIGNED)
        except Unreadable as error:
            unreadable.append(str(error))
            continue
        found += got.events
        if got.ignored and got.ignored not in ignored:
            ignored.append(got.ignored)
    if as_json:
        document: dict[str, Any] = {"events": [event_json(one) for one in found], "ignored": "; ".join(ignored)}
        print_json({**document, **({"unreadable": "; ".join(unreadable)} if unreadable else {})})
    else:
        if found:
            print_table(
                ("kind", "entity", "at", "changed", "id"),
                (
                    (e.kind.value, e.entity.key or e.entity.ref, e.at.isoformat(), ", ".join(e.change), e.id)
                    for e in found
                ),
            )
        if ignored:
            say(f"ignored: {'; '.join(ignored)}")
        for why in unreadable:
            say(f"cannot be read: {why}", style="red")
    if unreadable:
        raise SystemExit(FAILED)


def inbounds(payload: Path, headers: tuple[str, ...], system: System) -> list[Inbound]:
    """Return the requests that a file stands for; ends with a sentence where it holds none."""
    given = headers_of(headers)
    raw = payload.read_bytes() if payload.stat().st_size <= MOST_BYTES else fail(f"{payload} is too large", USAGE)
    try:
        return inbounds_of(raw, given, system, str(payload))
    except Rejected as error:
        fail(str(error), USAGE)


def inbounds_of(raw: bytes, given: Mapping[str, str], system: System, what: str) -> list[Inbound]:
    """Return the requests that a recorded body, or an array of bodies, stands for; raises `Rejected` for none."""
    if not raw.strip():
        raise Rejected(f"{what} is empty", cause="payload")
    if given.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return [Inbound(given, raw)]
    try:
        document = json.loads(raw)
    except RecursionError:
        raise Rejected(f"{what} is nested too deeply", cause="payload") from None
    except ValueError as error:
        raise Rejected(f"{what} is not JSON: {error}", cause="payload") from error
    if isinstance(document, list) and document and all(isinstance(one, dict) for one in document):
        texts = [json.dumps(one).encode() for one in document]
    else:
        document, texts = [document], [raw]
    try:
        bodies = [strict(text) for text in texts]
    except (Malformed, NotJson) as error:
        raise Rejected(f"{what} would be refused by the receiver: {error}", cause="payload") from error
    implied = system.implied or (lambda _body: {})
    return [Inbound({**implied(one), **given}, body) for one, body in zip(document, bodies, strict=True)]


def headers_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """Read NAME:VALUE pairs."""
    headers = {}
    for pair in pairs:
        name, colon, value = pair.partition(":")
        if not colon or not name.strip():
            fail(f"--header {pair!r} is not NAME:VALUE", USAGE)
        headers[name.strip().lower()] = value.strip()
    return headers


def received(system: System, name: str, settings: Any, inbound: Inbound) -> Received:
    """Read a body for a connection; ends with a sentence where it cannot be read."""
    try:
        return system.receive(name, settings, inbound, Trust.SIGNED)
    except Unreadable as error:
        fail(f"the payload cannot be read: {error}")


def event_json(event: Event) -> dict[str, Any]:
    """Return an event for scripts; the vendor's own payload is left out."""
    entity = event.entity
    return {
        "id": event.id,
        "kind": event.kind.value,
        "entity": {
            "type": entity.type,
            "id": entity.id,
            "key": entity.key,
            "url": entity.url,
            "scope": entity.scope,
        },
        "at": event.at.isoformat(),
        "sub": event.sub,
        "actor": event.actor,
        "change": event.change,
        "data": event.data,
        "partial": event.partial,
        "marker": event.marker,
    }


COMMANDS = (events,)
