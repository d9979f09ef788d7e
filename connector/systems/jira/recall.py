"""List the issues that carry our mark, so that links can be made anew where the store has forgotten them.

A mark cannot be searched for: an API token may not declare the property that holds it for indexing.  So the
project is read through, in the order of creation.  On Cloud a page of a search brings the properties along; on
Data Center each issue without a mark in its text is read by itself, and only those that our account created.

Weakness: an issue that was moved to another project is not found there, and on Data Center none that another
account of ours created.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.ports import Site
from connector.system import Recalled, RecalledPage
from connector.systems.jira import jql, mark, sweep, vocabulary
from connector.systems.jira.read import issue_of
from connector.systems.jira.settings import JiraTarget


def recall(site: Site, target: JiraTarget, cursor: Mapping[str, Any]) -> RecalledPage:
    """Return the next page.  Cursor: ``v`` 1 · ``place``, see `sweep.Place`."""
    comes_along = site.settings.flavour.search_properties
    where = f"project in ({jql.listed((target.project,))})"
    if not comes_along:
        where += " AND creator = currentUser()"
    place: Mapping[str, Any] = cursor.get("place") or sweep.begin(site)
    issues, further = sweep.step(site, where, place)
    found = []
    for issue in issues:
        borne = mark.of_issue(issue)
        if not borne and not comes_along:
            whole = issue_of(site, str(issue["id"]))
            borne = mark.of_issue(whole) if whole is not None else ""
        if borne:
            found.append(Recalled(borne, vocabulary.issue_entity(site.connection, site.settings, issue)))
    return RecalledPage(tuple(found), {"v": 1, "place": further or place}, more=further is not None)
