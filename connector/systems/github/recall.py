"""List the issues of a repository that carry our marker, so that links can be made anew where they are forgotten.

The listing is read directly, never the search index, in the order of creation, which never changes.  Weakness:
an issue that is deleted while the listing is read shifts those behind it by one; reading it again finds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.ports import Site
from connector.system import Recalled, RecalledPage
from connector.systems.github.api import PER_PAGE, get, listed, next_page
from connector.systems.github.poll import repository_place
from connector.systems.github.settings import Target as Into
from connector.systems.github.text import markers
from connector.systems.github.vocabulary import is_pull


def recall(site: Site, target: Into, cursor: Mapping[str, Any]) -> RecalledPage:
    """Return the next page.  Cursor: ``v`` 1 · ``page``, from 1."""
    page = cursor.get("page", 1)
    query = {"state": "all", "sort": "created", "direction": "asc", "per_page": str(PER_PAGE), "page": str(page)}
    response = site.send(get(f"/repos/{target.repository}/issues", query))
    place = repository_place(site, target.repository)
    found = [
        Recalled(borne, place.entity(issue))
        for issue in listed(response)
        if not is_pull(issue)
        for borne in markers(issue.get("body") or "")
    ]
    return RecalledPage(tuple(found), {"v": 1, "page": page + 1}, more=bool(next_page(response)))
