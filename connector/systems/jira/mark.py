"""Leave our mark on what we add in a way that this Jira keeps, and read it again.

The mark is an entity property, sent inside the request that adds something.  Cloud documents and keeps
it.  A Data Center is not trusted before it has shown that it does: until then the mark also stands in
the text, as an anchor (``{anchor:jc1:...}``), a wiki macro that shows nothing on the page.  What the
server left of the first thing added is read back and decides for a day: `Kept.PROPERTY` or
`Kept.TEXT`.  A server that refuses ``properties`` outright is asked once more without them; a refusal
adds nothing, so that cannot double.

Weakness: a field set to the plain text renderer shows the anchor to people.  Not verified on a real
Jira: that the macro shows nothing with colons in its name, and how a server words its refusal of
``properties`` (the two forms known here are those of Jackson and of Jira's ``errors``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from connector.errors import Rejected
from connector.ports import Site
from connector.systems.jira.api import call, marker_of
from connector.systems.jira.flavour import CLOUD
from connector.systems.jira.vocabulary import Json, member

_LIFE: Final = timedelta(days=1)
_ANCHOR: Final = re.compile(r"\{anchor:(jc1:[a-z0-9:-]{1,150})\}")


class Kept(StrEnum):
    """Where a Jira keeps our mark."""

    PROPERTY = "property"
    TEXT = "text"
    UNKNOWN = "unknown"


# --- what is known of a site ---------------------------------------------------------------------------
def _known(site: Site) -> dict[str, Kept]:
    found: dict[str, Kept] = site.memory("jira:marks", _LIFE, dict)
    return found


def kept(site: Site, what: str) -> Kept:
    """Tell where this site keeps the mark of an ``issue`` or a ``comment``."""
    return Kept.PROPERTY if site.settings.flavour is CLOUD else _known(site).get(what, Kept.UNKNOWN)


def learn(site: Site, what: str, properties: Any) -> None:
    """Note what the server left of the mark we sent."""
    _known(site)[what] = Kept.PROPERTY if marker_of(properties) else Kept.TEXT


# --- writing -------------------------------------------------------------------------------------------
def add(
    site: Site,
    what: str,
    path: str,
    body: Mapping[str, Any],
    properties: Sequence[Json],
    *,
    entity: str = "",
    needed: bool = False,
) -> Any:
    """Send the request that adds something, with ``properties`` as far as this site takes them.

    ``needed`` says that it must not be added without: a property hides it from customers.
    """
    if needed or kept(site, what) is not Kept.TEXT:
        try:
            return call(site, "POST", path, json={**body, "properties": list(properties)}, entity=entity)
        except Rejected as refused:
            if needed or site.settings.flavour is CLOUD or not _is_about_properties(refused):
                raise
            _known(site)[what] = Kept.TEXT
    return call(site, "POST", path, json=dict(body), entity=entity)


def _is_about_properties(refused: Rejected) -> bool:
    # The member's own name is in no language.
    return refused.status == 400 and ("properties" in refused.fields or '"properties"' in str(refused))


def with_anchor(text: Any, mark: str) -> str:
    """Return wiki text that ends with the mark, on a line of its own so that no macro swallows it."""
    before = text if isinstance(text, str) else ""
    return f"{before}\n\n{{anchor:{mark}}}" if before else f"{{anchor:{mark}}}"


# --- reading -------------------------------------------------------------------------------------------
def in_text(text: Any) -> str:
    """Return the last mark in wiki text, "" where there is none; ours is appended, so it is the last."""
    found = _ANCHOR.findall(text) if isinstance(text, str) else []
    return str(found[-1]) if found else ""


def of_issue(issue: Json) -> str:
    """Return the mark of an issue, from its property or its description."""
    return marker_of(issue.get("properties")) or in_text(member(issue, "fields").get("description"))


def of_comment(comment: Json) -> str:
    """Return the mark of a comment, from its property or its text."""
    return marker_of(comment.get("properties")) or in_text(comment.get("body"))
