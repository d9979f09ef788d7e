"""Go through a write up to its last call: what would be sent is kept, and nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from connector.errors import ConnectorError, Retryable
from connector.event import Entity
from connector.ports import Request, Response, Site
from connector.system import Action, Change, Shaped, Target

NOWHERE: Final = "0"
"""The id of what a create would make; it is only ever put into requests that are not sent."""


class _Held(Exception):
    """A call that may not leave: what comes after it cannot be known without its answer."""


@dataclass(frozen=True, slots=True)
class Would:
    """A change that shadow mode does not make, and the requests that would make it, in order.

    ``requests`` end with the first one whose answer the rest depends on.  They are empty where the change is about
    something that is not there yet (a status of an issue that would be created): then it would be one at most.
    """

    change: Change
    shaped: Shaped | None = None
    requests: tuple[Request, ...] = ()
    losses: tuple[str, ...] = ()

    @property
    def calls(self) -> int:
        """How many writing calls it would take, as far as that can be known."""
        return len(self.requests) or 1


def rehearse(
    target: Target, site: Site, settings: Any, change: Change, *, shaped: Shaped | None, losses: Sequence[str] = ()
) -> Would | None:
    """Let the system's own code write a change, answer what it reads, and keep back what it writes.

    None where it would write nothing: the target holds it already.  Raises what a delivery would raise before its
    first writing call: a status that no transition leads to, an issue that is gone.  A PUT is taken as done, for
    its answer says nothing new; any other writing call ends the rehearsal.
    """
    about_nothing = change.entity is None and change.action is not Action.CREATE
    held: list[Request] = []

    def send(request: Request, /) -> Response:
        if about_nothing:
            raise _Held
        if not request.writes:
            return site.send(request)
        held.append(request)
        if request.method != "PUT":
            raise _Held
        return Response(204)

    if about_nothing:
        change = replace(change, entity=Entity(site.connection, "issue", NOWHERE))
    found = Would(replace(change, entity=None) if about_nothing else change, shaped, losses=tuple(losses))
    try:
        target.write(replace(site, send=send), settings, change)
    except _Held:
        return replace(found, requests=tuple(held))
    except (ConnectorError, LookupError, TypeError, ValueError, AttributeError) as error:
        # After a write that has had no answer, whoever misses one has nothing to tell; a refusal still has.
        blind = about_nothing or (
            bool(held) and (isinstance(error, Retryable) or not isinstance(error, ConnectorError))
        )
        if not blind:
            raise
        return replace(found, requests=tuple(held))
    return replace(found, requests=tuple(held)) if held else None
