"""Roles say who may look, act and export, and for whose connectors."""

from __future__ import annotations

import pytest

from connector.config import Owner
from tests.workers.office import bugs
from workers.roles import ALL_ADMINS, Grant, Role, Rule, person, read_rules

PAYMENTS = bugs(name="pay", owner=Owner("payments"))
WEB = bugs(name="web", owner=Owner("web"))
NOBODYS = bugs(name="old")


def test_rules_are_read_with_teams_and_patterns() -> None:
    assert read_rules("ada=admin, bob@acme.example=operator/payments,*@acme.example=VIEWER") == (
        Rule("ada", Grant(Role.ADMIN)),
        Rule("bob@acme.example", Grant(Role.OPERATOR, "payments")),
        Rule("*@acme.example", Grant(Role.VIEWER)),
    )


def test_nothing_declared_lets_whoever_gets_in_do_everything() -> None:
    assert read_rules("") == read_rules(" , ") == ALL_ADMINS
    assert person(ALL_ADMINS, "anybody").may(Role.ADMIN)


@pytest.mark.parametrize("text", ["ada", "=admin", "ada=boss", "a*b=viewer", "ada=", "ada=admin=viewer="])
def test_a_rule_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="name=role"):
        read_rules(text)


def test_a_grant_for_a_team_reaches_its_connectors_only() -> None:
    bob = person(read_rules("bob=operator/payments"), "bob")
    assert bob.may(Role.OPERATOR, PAYMENTS)
    assert not bob.may(Role.ADMIN, PAYMENTS)
    assert not any(bob.may(Role.VIEWER, one) for one in (WEB, NOBODYS, None))
    assert bob.sees([WEB, PAYMENTS, NOBODYS]) == [PAYMENTS]


def test_the_widest_grant_counts_and_names_have_no_case() -> None:
    rules = read_rules("*=viewer, Bob@Acme.example=operator/web")
    bob = person(rules, "bob@acme.EXAMPLE")
    assert bob.sees([WEB, PAYMENTS]) == [WEB, PAYMENTS]
    assert bob.sees([WEB, PAYMENTS], Role.OPERATOR) == [WEB]
    assert not bob.may(Role.OPERATOR)


def test_a_pattern_does_not_reach_another_domain() -> None:
    rules = read_rules("*@acme.example=admin")
    assert not person(rules, "eve@evil.example").anywhere
    assert not person(rules, "acme.example").anywhere
    assert person(rules, "ann@acme.example").may(Role.ADMIN)
