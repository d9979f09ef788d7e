"""Add what an event says beside its item's state: copied comments, their edits and removals, messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from connector.event import Event, Text
from connector.link import effect_key
from connector.planning import COMMENT_TEXT, Append, marker_for, may_see, target_entity
from connector.system import Action, Change
from workers.forgotten import copy_of
from workers.writing import EFFECT_LIFE, entity_json

if TYPE_CHECKING:
    from workers.attempt import Attempt


def append(attempt: Attempt, wanted: Append) -> None:
    """Bring one thing over.

    Webhooks come in any order, so the record of a copied comment says as of when its text is: an older
    edit that comes late is left alone.  An edit of what was never copied brings it over; where it then finds a
    copy that an earlier attempt of unknown outcome left there, that one holds the text before the edit.  Before what
    has no copy is brought over by an edit it is read again: it may be one that may not be seen any more.
    """
    entity = target_entity(attempt.link) if attempt.link else None
    remote, action, again = "", wanted.action, ""
    if wanted.earlier is not None:
        earlier = attempt.store.effect(wanted.earlier)
        remote = earlier.get("remote", "")
        if action is Action.EDIT_COMMENT and _older(attempt.event, earlier.get("told", "")):
            return
        if not remote:
            if action is Action.DELETE_COMMENT:
                remote = copy_of(attempt, wanted.earlier, entity)
                if not remote:
                    return
            elif (now := _to_be_seen(attempt)) is None:
                return
            else:
                wanted = replace(wanted, text=now)
                action = Action.COMMENT
                # Only where its copy was taken away: one that may have been sent is looked for by its own mark.
                again = f"#{attempt.event.id}" if earlier.get("state") == "done" else ""
    body, losses = None, tuple[str, ...]()
    if wanted.text is not None:
        body, losses = attempt.target.text(attempt.there, attempt.settings, wanted.text)

    def change(action: Action, word: str, sub: str, remote: str) -> Change:
        marker = marker_for(attempt.connector, attempt.event, attempt.config.instance, word, sub)
        return Change(action, marker.effect, marker, entity=entity, body=body, remote=remote)

    word, sub = (wanted.word, wanted.sub) if action is wanted.action else ("comment", attempt.event.sub + again)
    comment = attempt.event.data.get("comment") or {}
    made = attempt.event.at.isoformat() if wanted.word == "message" else comment.get("created")
    written = attempt.write(change(action, word, sub, remote), made=made, losses=losses)
    if written is not None and not written.fresh and action is not wanted.action:
        action = wanted.action
        written = attempt.write(change(action, wanted.word, wanted.sub, written.remote))
    if written is not None and wanted.earlier is not None and (wanted.word == "narrow" or again):
        # The record of the comment says where its copy is: nowhere, or anew.
        remote = written.remote if again else ""
        attempt.book.done.append((wanted.earlier, remote, entity_json(written.entity), EFFECT_LIFE))
    brought = written is not None and (written.fresh or action is Action.EDIT_COMMENT)
    if brought and action is not Action.DELETE_COMMENT and (said := _updated(attempt.event)):
        copy = effect_key(attempt.connector.uid, attempt.event.entity.ref, "comment", attempt.event.sub)
        attempt.book.told = [(copy, said)]


def _to_be_seen(attempt: Attempt) -> Text | None:
    """Return the text of a comment as its source has it now; None where it is gone, or not for those over there."""
    here = attempt.post(attempt.connector.source.connection, attempt.until)
    now = attempt.source.complete(here, replace(attempt.event, partial=True))
    if now is None or not may_see(attempt.connector.comments.audience, now):
        return None
    tools = attempt.desk.tools
    return tools.render(attempt.connector.comments.text or COMMENT_TEXT, tools.view(now))


def _updated(event: Event) -> str:
    """Return when the comment that an event speaks of was last edited; "" where its source does not tell."""
    return str((event.data.get("comment") or {}).get("updated") or "") if event.kind.is_append else ""


def _older(event: Event, told: str) -> bool:
    """Tell whether a newer text of the comment has been brought over than the event's."""
    updated = _updated(event)
    return bool(told and updated) and datetime.fromisoformat(updated) < datetime.fromisoformat(told)
