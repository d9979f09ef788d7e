"""The receiver notes what arrived last of each connection, and of nobody else."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.workers.builders import TOKEN
from tests.workers.test_receiver import SIGNED, Desk
from workers.arrivals import Arrivals

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def test_the_last_of_each_kind_is_handed_out_once() -> None:
    arrivals = Arrivals()
    arrivals.note("github", NOW, "accepted")
    arrivals.note("github", NOW, "ignored")
    arrivals.note("github", NOW, "untrusted", "the signature does not fit")
    got = {(one.connection, one.proven, one.what) for one in arrivals.taken()}
    assert got == {("github", True, "ignored"), ("github", False, "untrusted: the signature does not fit")}
    assert arrivals.taken() == []


def test_the_receiver_notes_what_it_answered_and_why_it_refused() -> None:
    desk = Desk()
    desk.send(b"{}")
    desk.send(b"{}", {**SIGNED, "x-signature": TOKEN + "x"})
    desk.send(b"{}", path="/hooks/nobody")
    found = {one.proven: one for one in desk.app.arrivals.taken()}
    assert {one.connection for one in found.values()} == {"demo"}
    assert found[True].what == "accepted"
    assert found[False].what.startswith("untrusted: ")
    assert TOKEN not in found[False].what
