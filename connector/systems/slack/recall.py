"""List the first messages of our threads in a channel by their metadata, so that links can be made anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.errors import Ambiguous, Forbidden
from connector.ports import Site
from connector.system import Recalled, RecalledPage
from connector.systems.slack.api import PER_PAGE, document, get, messages, next_cursor
from connector.systems.slack.deliver import channel_id
from connector.systems.slack.settings import Target
from connector.systems.slack.vocabulary import marker_of, thread, ts


def recall(site: Site, target: Target, cursor: Mapping[str, Any]) -> RecalledPage:
    """Return the next page, newest first; raises `Ambiguous` where the history may not be read.

    Cursor: ``v`` 1 · ``page``, Slack's own.
    """
    channel = channel_id(site, target.channel)
    query = {"channel": channel, "oldest": "0", "limit": str(PER_PAGE), "include_all_metadata": "true"}
    if page := cursor.get("page"):
        query["cursor"] = page
    try:
        answer = document(site.send(get("conversations.history", **query)))
    except Forbidden as error:
        message = f"the history of {target.channel} may not be read: {error}"
        raise Ambiguous(message, cause="ambiguous") from error
    found = [
        Recalled(borne, thread(site.connection, channel, ts(one, "ts")))
        for one in messages(answer)
        if (borne := marker_of(one))
    ]
    following = next_cursor(answer)
    return RecalledPage(tuple(found), {"v": 1, "page": following}, more=bool(following))
