"""Name the systems there are: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connector.system import System
from connector.systems.github import SYSTEM as GITHUB
from connector.systems.jira import SYSTEM as JIRA
from connector.systems.slack import SYSTEM as SLACK

SYSTEMS: Final[Mapping[str, System]] = {
    system.name: system
    for system in (
        JIRA,
        GITHUB,
        SLACK,
    )
}
