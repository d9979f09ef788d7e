"""Create many issues with one call, each with its own mark and its own outcome.

``POST /issue/bulk`` (Cloud and Data Center) takes up to 50.  It answers 201 where any was made: ``issues`` are those
that were, in order, ``errors`` name by ``failedElementNumber`` those that were not; 400 where none was (official
OpenAPI documents; the order of ``issues`` is not documented, so it is checked by our marks).  On Cloud one
``POST /issue/bulkfetch`` reads back what it left; Data Center has no such call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from connector.errors import ConnectorError, Rejected, Retryable
from connector.ports import Request, Response, Site
from connector.system import Change, Written
from connector.systems.jira import mark, vocabulary
from connector.systems.jira.api import PROPERTY, call
from connector.systems.jira.deliver import create, fields_of, made_of, mark_of, read_back
from connector.systems.jira.flavour import CLOUD
from connector.systems.jira.refusal import refusal
from connector.systems.jira.settings import JiraTarget
from connector.systems.jira.vocabulary import Json

MOST: Final = 50


def create_many(site: Site, target: JiraTarget, changes: Sequence[Change]) -> list[Written | ConnectorError]:
    """Create up to `MOST` issues; see `connector.system.Target`.

    A Data Center that has not yet shown whether it keeps our mark is asked for one issue first.
    """
    if not changes or mark.kept(site, "issue") is not mark.Kept.UNKNOWN:
        return _together(site, target, changes)
    first = _alone(site, target, changes[0])
    try:
        return [first, *_together(site, target, changes[1:])]
    except ConnectorError as error:
        # The first may have been made: this is what the others met.
        return [first, *(error for _ in changes[1:])]


def _alone(site: Site, target: JiraTarget, change: Change) -> Written | ConnectorError:
    try:
        return create(site, target, change)
    except ConnectorError as error:
        return error


def _together(site: Site, target: JiraTarget, changes: Sequence[Change]) -> list[Written | ConnectorError]:
    if not changes:
        return []
    with_properties = mark.kept(site, "issue") is not mark.Kept.TEXT
    bodies = [
        {"fields": fields_of(site, target, change), **({"properties": mark_of(change)} if with_properties else {})}
        for change in changes
    ]
    answer = call(site, "POST", "/issue/bulk", json={"issueUpdates": bodies}, cost=len(bodies))
    refused = {number: _error(site, bodies, one, number) for number, one in _errors(answer)}
    made = _made(answer)
    places = [place for place in range(len(changes)) if place not in refused]
    if len(made) != len(places):
        message = (
            f"of {len(changes)} issues {len(made)} were made and {len(refused)} refused: whose is which is not known"
        )
        raise Retryable(message, sent=True, cause="bad_answer")
    found = _read_back(site, made)
    marked = {borne: issue for issue in found.values() if (borne := mark.of_issue(issue))}
    outcomes: dict[int, Written | ConnectorError] = dict(refused)
    for place, one in zip(places, made, strict=True):
        outcomes[place] = _written(site, changes[place], one, found.get(str(one["id"])), marked)
    return [outcomes[place] for place in range(len(changes))]


def _written(
    site: Site, change: Change, made: Json, issue: Json | None, marked: Mapping[str, Json]
) -> Written | ConnectorError:
    """Say what became of a change; its mark decides where the order of the answer says something else."""
    borne = mark.of_issue(issue) if issue is not None else ""
    if borne not in {"", str(change.marker)}:
        issue = marked.get(str(change.marker))
        if issue is None:
            return Retryable("the answer does not tell which issue was made for this", sent=True, cause="bad_answer")
        made = issue
    return made_of(site, vocabulary.issue_entity(site.connection, site.settings, made), issue)


def _read_back(site: Site, made: Sequence[Json]) -> dict[str, Json]:
    """Return what can be read of the new issues, by id."""
    read: Sequence[Json | None]
    if site.settings.flavour is CLOUD:
        read = _fetched(site, [str(one["id"]) for one in made])
    else:
        entities = [vocabulary.issue_entity(site.connection, site.settings, one) for one in made]
        read = [read_back(site, entity) for entity in entities]
    return {str(issue["id"]): issue for issue in read if issue is not None}


def _fetched(site: Site, ids: Sequence[str]) -> list[Json | None]:
    if not ids:
        return []
    wanted = {"issueIdsOrKeys": list(ids), "fields": ["*all"], "properties": [PROPERTY]}
    try:
        found = call(site, "POST", "/issue/bulkfetch", json=wanted, cost=1 + len(ids), reads=True)
    except ConnectorError:
        return []  # the write is done, whatever becomes of the reading
    rows = found.get("issues") if isinstance(found, Mapping) else None
    return [row for row in rows if isinstance(row, Mapping) and "id" in row] if isinstance(rows, list) else []


# --- the answer ------------------------------------------------------------------------------------------
def _made(answer: Any) -> list[Json]:
    rows = answer.get("issues") if isinstance(answer, Mapping) else None
    return (
        [row for row in rows if isinstance(row, Mapping) and str(row.get("id", "")).isdigit()]
        if isinstance(rows, list)
        else []
    )


def _errors(answer: Any) -> list[tuple[int, Json]]:
    rows = answer.get("errors") if isinstance(answer, Mapping) else None
    return [
        (int(row["failedElementNumber"]), row)
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, Mapping) and isinstance(row.get("failedElementNumber"), int)
    ]


def _error(site: Site, bodies: Sequence[Mapping[str, Any]], row: Json, number: int) -> ConnectorError:
    """Name a refused element as the same create alone would have been refused."""
    status = row.get("status") if isinstance(row.get("status"), int) else 400
    body = bodies[number] if 0 <= number < len(bodies) else {}
    request = Request("POST", site.settings.flavour.api + "/issue", json=body, endpoint="post")
    said = json.dumps(row.get("elementErrors") or {}).encode()
    found = refusal(request, Response(int(status or 400), body=said))
    return found or Rejected(f"Jira refused one of many with {status}", cause=str(status), status=status)
