"""Tell Jira Cloud and Jira Data Center apart by data: every difference the code minds is a row here.

The two are one product with one vocabulary of fields and errors; what differs is who a user is, how
rich text is written, how a search is paged, and how long the search index may lag behind a write.
Sources: the official OpenAPI documents of Cloud v3 and Data Center 10.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Flavour:
    """One kind of Jira.

    ``text`` is the rich text that reads and writes of ``api`` take.  ``user`` is the member that names
    a user in a write, ``user_query`` the parameter that searches for one.  ``tokens`` tells a search
    that is paged by ``nextPageToken`` from one that is paged by ``startAt``.  ``search_properties``
    says whether a search answers entity properties, ``reconciles`` whether it can be told to look at
    some issues as they are and not as indexed.  ``index_lag`` is how long after a write a search may
    still miss it.
    """

    name: str
    api: str
    text: str
    user: str
    user_query: str
    search: str
    tokens: bool
    search_properties: bool
    reconciles: bool
    changelog_pages: bool
    index_lag: timedelta


CLOUD: Final = Flavour(
    name="cloud",
    api="/rest/api/3",
    text="adf",
    user="accountId",
    user_query="query",
    search="/rest/api/3/search/jql",
    tokens=True,
    search_properties=True,
    reconciles=True,
    changelog_pages=True,
    # "Eventually consistent"; how long is not published.  Measured lags are seconds; 90 s is caution.
    index_lag=timedelta(seconds=90),
)

DATA_CENTER: Final = Flavour(
    name="data-center",
    api="/rest/api/2",
    text="wiki",
    user="name",
    user_query="username",
    search="/rest/api/2/search",
    tokens=False,
    search_properties=False,
    reconciles=False,
    changelog_pages=False,
    # Each node has its own index; replication takes seconds, minutes when a node is in trouble.
    index_lag=timedelta(minutes=5),
)

FLAVOURS: Final = {flavour.name: flavour for flavour in (CLOUD, DATA_CENTER)}
