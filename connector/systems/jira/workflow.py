"""Tell how statuses lead to each other: from the workflow where it may be read, else from what issues offer.

Cloud shows workflows to administrators of the site (v3, ``POST /workflows``), Data Center to nobody over REST.
Anybody who may move issues can ask one in each status what it offers: that is what *this account* may do with
*that issue*, so conditions on people or fields can hide a way.  A status in which no issue is, tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector.errors import Forbidden, Rejected, Unauthorized
from connector.listed import Listed
from connector.ports import Site
from connector.systems.jira.api import call, get_object, get_or_none, search
from connector.systems.jira.flavour import CLOUD
from connector.systems.jira.jql import listed
from connector.systems.jira.metadata import status_rows

Json = Mapping[str, Any]


def transitions(site: Site, query: Mapping[str, str]) -> Iterator[Listed]:
    """Yield the ways from status to status: of one issue, of the workflow, or of an issue in each status."""
    if query.get("issue"):
        yield from _offered(site, query["issue"])
        return
    told = from_workflow(site, query)
    if told is not None:
        yield from told
        return
    for issue in _examples(site, query):
        yield from _offered(site, issue)


# --- from the workflow ------------------------------------------------------------------------------------
def from_workflow(site: Site, query: Mapping[str, str]) -> list[Listed] | None:
    """Return the ways of the workflows behind a project's types; None where they may not be read."""
    if site.settings.flavour is not CLOUD or not _administers(site):
        return None
    project = get_or_none(site, f"/project/{query['project']}")
    if project is None:
        message = f"there is no project {query['project']}, or the account may not see it"
        raise Rejected(message, cause="not_found", status=404)
    wanted = query.get("type", "").casefold()
    pairs = [
        {"projectId": str(project["id"]), "issueTypeId": str(one["id"])}
        for one in project.get("issueTypes") or ()
        if not wanted or wanted in {str(one.get("name", "")).casefold(), str(one["id"])}
    ]
    try:
        found = call(site, "POST", "/workflows", json={"projectAndIssueTypes": pairs}, reads=True)
    except (Forbidden, Rejected, Unauthorized):
        return None  # Cloud answers 401 to an account that may not, whatever its credential
    return list(_ways(found)) if isinstance(found, Mapping) else None


def _administers(site: Site) -> bool:
    """Ask first: a refused call would look like a refused credential."""
    found = get_object(site, "/mypermissions", permissions="ADMINISTER")
    about = (found.get("permissions") or {}).get("ADMINISTER")
    return isinstance(about, Mapping) and about.get("havePermission") is True


def _ways(found: Json) -> Iterator[Listed]:
    names = {str(one.get("statusReference")): str(one.get("name")) for one in found.get("statuses") or ()}
    for flow in found.get("workflows") or ():
        for step in flow.get("transitions") or ():
            to = names.get(str(step.get("toStatusReference")))
            if to is None or step.get("type") == "INITIAL":
                continue
            links = [str(link.get("fromStatusReference")) for link in step.get("links") or () if link]
            for start in [names[one] for one in links if one in names] or [""]:
                facts = {"from": start, "to": to, "told_by": f"workflow {flow.get('name')}"}
                yield Listed(str(step.get("id")), str(step.get("name")), facts)


# --- from issues --------------------------------------------------------------------------------------------
def _offered(site: Site, issue: str) -> Iterator[Listed]:
    found = get_or_none(site, f"/issue/{issue}", fields="status")
    if found is None:
        message = f"there is no issue {issue}, or the account may not see it"
        raise Rejected(message, cause="not_found", status=404)
    start = str(found["fields"]["status"]["name"])
    for step in get_object(site, f"/issue/{issue}/transitions").get("transitions") or ():
        to = step.get("to") or {}
        facts = {"from": start, "to": str(to.get("name", "")), "told_by": str(found.get("key", issue))}
        yield Listed(str(step["id"]), str(step.get("name")), facts)


def _examples(site: Site, query: Mapping[str, str]) -> Iterator[str]:
    """Yield the newest issue in each status that has any."""
    wanted = query.get("type", "")
    seen: set[str] = set()
    for row in status_rows(site, query["project"]):
        if wanted and wanted.casefold() not in {str(row["name"]).casefold(), str(row.get("id"))}:
            continue
        for status in row.get("statuses") or ():
            number = str(status["id"])
            if number in seen:
                continue
            seen.add(number)
            jql = f"project = {listed((query['project'],))} AND status = {number}"
            jql += f" AND issuetype = {listed((wanted,))}" if wanted else ""
            page = search(site, f"{jql} ORDER BY updated DESC", fields="status", size=1)
            yield from (str(issue["key"]) for issue in page["issues"][:1])
