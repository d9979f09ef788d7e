"""Write a row of the audit for each write of an attempt, and for each question that it opens: never with values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from connector.link import Link
from connector.merge import Conflict
from connector.system import Change, Shaped, Written

if TYPE_CHECKING:
    from workers.attempt import Attempt


def written_row(attempt: Attempt, change: Change, written: Written, shaped: Shaped | None) -> str:
    """Return the row of a change that was made."""
    names = shaped.names if shaped is not None else {}
    return _row(
        attempt,
        change.action.value,
        event=attempt.event.id,
        entity=attempt.event.entity.key or attempt.event.entity.ref,
        target=written.entity.key or written.entity.ref,
        remote=written.remote,
        fields=sorted(names.get(name, name) for name in change.fields),
        effect=change.effect,
        found=not written.fresh,
    )


def question_row(attempt: Attempt, pair: Link, conflict: Conflict, action: str) -> str:
    """Return the row of a field that waits for a person (``conflict``), or does so no more (``agreed``)."""
    return _row(
        attempt,
        action,
        entity=pair.source_key or pair.source,
        target=pair.key or pair.target,
        fields=[conflict.name],
        why=conflict.why,
    )


def _row(attempt: Attempt, action: str, **more: Any) -> str:
    return orjson.dumps(
        {
            "at": attempt.desk.now().isoformat(),
            "connector": attempt.connector.name,
            "action": action,
            "delivery": attempt.letter.id,
            **more,
            "config": attempt.config.hash,
            "made_by": attempt.connector.made_by,
            "actor": "worker",
        }
    ).decode()
