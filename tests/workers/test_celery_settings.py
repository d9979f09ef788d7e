"""Settings with which Celery would lose or double work are refused, each with how to mend it."""

from __future__ import annotations

from typing import Any

import pytest

from connector.errors import ConfigError
from workers.celery_settings import SETTINGS, refuse_unsafe, unsafe

GOOD: dict[str, Any] = {**SETTINGS, "broker_url": "redis://broker:6379/0"}


def transport(**options: Any) -> dict[str, Any]:
    return {"broker_transport_options": {**SETTINGS["broker_transport_options"], **options}}


def test_our_own_settings_are_safe() -> None:
    assert unsafe(GOOD, turn=10, call=30) == ()
    refuse_unsafe(GOOD, turn=10, call=30)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"task_acks_late": False}, "task_acks_late"),
        ({"task_reject_on_worker_lost": True}, "task_reject_on_worker_lost"),
        ({"accept_content": ["json", "pickle"]}, "accept_content"),
        ({"task_serializer": "pickle"}, "task_serializer"),
        ({"worker_prefetch_multiplier": 4}, "worker_prefetch_multiplier"),
        (transport(visibility_timeout=39), "broker_transport_options.visibility_timeout"),
        (transport(socket_timeout=None), "broker_transport_options.socket_timeout"),
        ({"broker_url": "redis+cluster://broker:6379"}, "broker_url"),
        ({"broker_url": "rediss://broker:6379?ssl_cert_reqs=CERT_NONE"}, "broker_url"),
    ],
)
def test_each_unsafe_setting_is_named_by_itself(changed: dict[str, Any], named: str) -> None:
    (found,) = unsafe({**GOOD, **changed}, turn=10, call=30)
    assert found.path == named
    with pytest.raises(ConfigError):
        refuse_unsafe({**GOOD, **changed}, turn=10, call=30)


def test_a_visibility_timeout_must_outlast_a_turn_and_a_call() -> None:
    assert unsafe({**GOOD, **transport(visibility_timeout=40)}, turn=10, call=30) == ()
    assert unsafe({**GOOD, **transport(visibility_timeout=40)}, turn=10, call=31)
