"""Say who may look, act and export: roles by user name or e-mail, everywhere or for the connectors of one team."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from connector.config import Connector


class Role(IntEnum):
    """What somebody may do; each may all that the one before may."""

    VIEWER = 1
    """Look at pages; bodies and exports are not shown."""
    OPERATOR = 2
    """Pause, resume, poll, replay, discard, take care of groups, look at bodies."""
    ADMIN = 3
    """Export the audit and see what belongs to no connector."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, for the connectors of one team or ("") for all."""

    role: Role
    team: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has been let in, with what was granted to them."""

    name: str
    grants: tuple[Grant, ...] = ()

    def may(self, role: Role, connector: Connector | None = None) -> bool:
        """Tell whether they hold ``role`` for a connector; None asks for a grant that holds everywhere."""
        team = connector.owner.team if connector is not None else ""
        return any(grant.role >= role and (not grant.team or (team and grant.team == team)) for grant in self.grants)

    def sees(self, connectors: Iterable[Connector], role: Role = Role.VIEWER) -> list[Connector]:
        """Return those connectors for which they hold ``role``."""
        return [one for one in connectors if self.may(role, one)]

    @property
    def anywhere(self) -> bool:
        """Whether they may see anything at all."""
        return bool(self.grants)


@dataclass(frozen=True, slots=True)
class Rule:
    """``who`` (a name, ``*@domain`` or ``*``) holds a grant."""

    who: str
    grant: Grant

    def holds_for(self, name: str) -> bool:
        """Tell whether the rule speaks of somebody; names are compared without regard to case."""
        mine, theirs = self.who.casefold(), name.casefold()
        return mine == theirs or (mine.startswith("*") and theirs.endswith(mine[1:]))


ALL_ADMINS: Final = (Rule("*", Grant(Role.ADMIN)),)
"""Where no roles are declared, whoever Flower lets in may do everything, as one shared password implies."""


def read_rules(text: str) -> tuple[Rule, ...]:
    """Read ``ada=admin, bob@acme.example=operator/payments, *@acme.example=viewer``.

    Raises ValueError with the reason.  Nothing declared lets everybody do everything.
    """
    found = []
    for part in (one.strip() for one in text.split(",")):
        if not part:
            continue
        who, _, granted = part.rpartition("=")
        role, _, team = granted.partition("/")
        known = {one.name.lower(): one for one in Role}
        if not who.strip() or role.strip().lower() not in known or "*" in who.strip()[1:]:
            message = f"must be name=role or name=role/team, several separated by commas; role: {', '.join(known)}"
            raise ValueError(message)
        found.append(Rule(who.strip(), Grant(known[role.strip().lower()], team.strip())))
    return tuple(found) or ALL_ADMINS


def person(rules: Iterable[Rule], name: str) -> Person:
    """Return what somebody may do."""
    return Person(name, tuple(rule.grant for rule in rules if rule.holds_for(name)))
