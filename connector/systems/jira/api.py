"""Build Jira's requests, and read its pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from connector.errors import Rejected, Retryable
from connector.ports import Request, Site
from connector.systems.jira.settings import JiraConnection

PROPERTY: Final = "jc.sync"
"""The entity property that carries our marker, on issues and on comments: ``{"marker": ...}``."""

INTERNAL: Final = "sd.public.comment"
"""The comment property by which service management hides a comment from customers: ``{"internal": true}``."""

_PAGE: Final = 100


# --- requests ------------------------------------------------------------------------------------
def call(
    site: Site,
    method: str,
    path: str,
    *,
    query: Mapping[str, str | Sequence[str]] | None = None,
    json: Any = None,
    entity: str = "",
    cost: int = 1,
    reads: bool = False,
) -> Any:
    """Send a request below the flavour's REST root and return its JSON, None for an empty answer.

    ``entity`` is the issue id of a write: Jira limits writes per issue.  The endpoint classes are the
    methods, because that is how far Jira's published steady rates differ; ``reads`` marks a POST that changes
    nothing.
    """
    settings: JiraConnection = site.settings
    full = path if path.startswith(settings.flavour.search) else settings.flavour.api + path
    endpoint = "search" if reads or full == settings.flavour.search else method.lower()
    return answered(site, Request(method, full, query or {}, json=json, endpoint=endpoint, cost=cost, entity=entity))


def answered(site: Site, request: Request) -> Any:
    """Send a request and return the JSON it was answered with; None where it was answered with nothing."""
    response = site.send(request)
    if not response.body.strip():
        return None
    try:
        return response.json()
    except ValueError as error:
        # A proxy's page with status 200: what Jira did with a write is unknown.
        message = f"{request.method} {request.path} was answered with something that is not JSON"
        raise Retryable(message, sent=request.writes, cause="bad_answer", status=response.status) from error


def get(site: Site, path: str, **query: str) -> Any:
    """Read a resource."""
    return call(site, "GET", path, query=query, cost=2)


def get_object(site: Site, path: str, **query: str) -> dict[str, Any]:
    """Read a resource that is a JSON object."""
    found = get(site, path, **query)
    if not isinstance(found, dict):
        message = f"GET {path} was answered with something that is not an object"
        raise Retryable(message, sent=False, cause="bad_answer")
    return found


def get_or_none(site: Site, path: str, **query: str) -> dict[str, Any] | None:
    """Read a resource that may not exist; None where Jira answers 404.

    Jira says 404 for what is gone and for what we may not see alike.
    """
    try:
        return get_object(site, path, **query)
    except Rejected as refused:
        if refused.status == 404:
            return None
        raise


def pages(site: Site, path: str, names: Sequence[str], **query: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a list paged by ``startAt``; ``names`` are the members that may hold them."""
    start = 0
    while True:
        page = get_object(site, path, **query, startAt=str(start), maxResults=str(_PAGE))
        rows: list[dict[str, Any]] = next((page[name] for name in names if isinstance(page.get(name), list)), [])
        yield from (row for row in rows if isinstance(row, dict))
        start += len(rows)
        total = page.get("total")
        # A server may give fewer rows than asked for; only `total`, `isLast` or no row at all ends it.
        if not rows or page.get("isLast") is True or (isinstance(total, int) and start >= total):
            return


def search(site: Site, jql: str, *, fields: str, size: int, token: str = "", start: int = 0, **more: str) -> Any:
    """Ask one page of a search, in the flavour's own way of paging."""
    flavour = site.settings.flavour
    query: dict[str, str] = {"jql": jql, "fields": fields, "maxResults": str(size), **more}
    if flavour.tokens:
        query |= {"nextPageToken": token} if token else {}
    else:
        query |= {"startAt": str(start)}
    found = call(site, "GET", flavour.search, query=query, cost=1 + size)
    if not isinstance(found, dict) or not isinstance(found.get("issues"), list):
        message = "the search was answered with something that is not a page of issues"
        raise Retryable(message, sent=False, cause="bad_answer")
    return found


def marker_of(properties: Any) -> str:
    """Return our marker from properties: a list of ``{key, value}`` (comments) or a dict (issues)."""
    value: Any = None
    if isinstance(properties, Mapping):
        value = properties.get(PROPERTY)
    elif isinstance(properties, list):
        value = next((p.get("value") for p in properties if isinstance(p, Mapping) and p.get("key") == PROPERTY), None)
    found = value.get("marker") if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else ""
