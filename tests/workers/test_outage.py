"""An outage is told once, again every half minute, and when it is over."""

from __future__ import annotations

import logging

import pytest

from workers.outage import AGAIN, Outage


def test_an_outage_is_told_once_and_again_every_half_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    outage = Outage(logging.getLogger("test"), "the store", "it is back", ticks=lambda: now[0])
    outage.over()
    for _ in range(240):
        outage.failed("refused")
        now[0] += 0.25
    assert [record.message for record in caplog.records] == [
        "the store: refused",
        f"the store: refused (for {AGAIN:.0f} s now, 121 times)",
    ]
    outage.over()
    outage.over()
    assert caplog.records[-1].message == "it is back after 60 s (240 failures)"
    assert len(caplog.records) == 3
    outage.failed("gone again")
    assert caplog.records[-1].message == "the store: gone again"
