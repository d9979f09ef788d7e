"""Find the account here of a person named by id, login or e-mail address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from connector.ports import Site
from connector.systems.jira.api import get, get_or_none
from connector.systems.jira.flavour import CLOUD
from connector.systems.jira.metadata import LIFE

_ACCOUNT: Final = re.compile(r"(?:\d+:[0-9a-fA-F-]{8,}|[0-9a-f]{24}|(?:qm|ug):\S+)\Z")
"""How an accountId looks: 24 hex digits, or a directory number and a UUID.  Not published; seen."""


def resolve(site: Site, project: str, wanted: Any) -> str | None:
    """Return the accountId (Cloud) or login name (Data Center) of a person, None where nobody fits.

    ``wanted`` is what a mapping gave: text, or a person of another system, whose e-mail address is
    then all that two systems have in common.  An address finds an account only as far as we may see
    addresses; a single hit counts, because Cloud hides the address itself.
    """
    if isinstance(wanted, Mapping):
        word = str(wanted.get("email") or wanted.get("accountId") or "")
    else:
        word = str(wanted).strip()
    if not word:
        return None
    cloud = site.settings.flavour is CLOUD
    if cloud and _ACCOUNT.match(word):
        return word
    if not cloud and "@" not in word and not isinstance(wanted, Mapping):
        return word
    found: str | None = site.memory(
        f"jira:user:{project}:{word.casefold()}", LIFE, lambda: _search(site, project, word)
    )
    return found


def known(site: Site, project: str, who: str, *, assigned: bool) -> bool:
    """Tell whether an account (as `resolve` names it) can be assigned in a project, or at least is there and active.

    An id that looks right is not asked for by `resolve`; whom it names may have left.
    """
    word = {site.settings.flavour.user: who} if site.settings.flavour is CLOUD else {"username": who}

    def load() -> bool:
        if not assigned:
            one = get_or_none(site, "/user", **word)
            return one is not None and one.get("active") is not False
        rows = get(site, "/user/assignable/search", project=project, maxResults="20", **word)
        return any(isinstance(row, Mapping) and row.get(site.settings.flavour.user) == who for row in rows)

    there: bool = site.memory(f"jira:known:{project if assigned else ''}:{who.casefold()}", LIFE, load)
    return there


def _search(site: Site, project: str, word: str) -> str | None:
    flavour = site.settings.flavour
    rows = get(site, "/user/assignable/search", project=project, maxResults="20", **{flavour.user_query: word})
    people = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    sure = [row for row in people if word.casefold() in _names(row)]
    if "@" in word and not sure and len(people) == 1 and not people[0].get("emailAddress"):
        sure = people
    return str(sure[0][flavour.user]) if len(sure) == 1 and sure[0].get(flavour.user) else None


def _names(row: Mapping[str, Any]) -> set[str]:
    return {str(row[name]).casefold() for name in ("emailAddress", "displayName", "name", "accountId") if row.get(name)}
