"""Know the door of each connection that takes webhooks, and the one that stands for all that there are not."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from connector.errors import Untrusted
from connector.ports import Reveal, Secret, SecretRef
from connector.system import Inbound, System, Trust

MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Door:
    """A connection that receives webhooks; ``largest`` bytes a body."""

    connection: str
    system: System
    settings: Any
    reveal: Reveal
    largest: int = 5 * MEBIBYTE


class _Nobody:
    """Stands for the system of a connection that is not there.

    It takes the time that a check takes and answers like a wrong signature: who has no secret cannot
    find out which connections there are.
    """

    features: Mapping[str, str] = {"forms": "as some system there may take them"}

    def verify(self, _settings: Any, inbound: Inbound, _reveal: Reveal, _now: datetime) -> Trust:
        """Trust nobody."""
        hmac.digest(b"nobody's secret", inbound.body, "sha256")
        raise Untrusted("there is no connection of that name that takes webhooks")


def _reveals_nothing(ref: SecretRef) -> Secret:
    raise Untrusted(f"{ref} is not asked for")


NO_DOOR: Final = Door("", cast("System", _Nobody()), None, _reveals_nothing)
"""What a webhook for an unknown connection is checked against."""
