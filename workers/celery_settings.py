"""Hold the Celery settings that doorbells need, and refuse unsafe ones at start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from connector.errors import ConfigError, Problem

VISIBILITY: Final = 90
"""Seconds after which an unacknowledged doorbell is delivered again: above a turn (10 s) plus one call (30 s)
and a margin.  A doubled doorbell is harmless, so this only decides how soon a lost one comes back."""

SETTINGS: Final[Mapping[str, Any]] = {
    # A doorbell is acknowledged when its turn is over; a worker that dies leaves its slot to expire, so the
    # message need not come back: requeueing it would only make a hot loop of a crash.
    "task_acks_late": True,
    "task_reject_on_worker_lost": False,
    "task_ignore_result": True,
    "task_create_missing_queues": False,
    "task_default_queue": "connector.ticks",
    # Published to a queue by its name: no binding stands in between that could be missing.
    "task_default_exchange": "",
    "task_serializer": "json",
    "accept_content": ["json"],
    "result_accept_content": ["json"],
    "event_serializer": "json",
    "worker_prefetch_multiplier": 1,
    "worker_send_task_events": True,
    "task_send_sent_event": False,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "worker_enable_soft_shutdown_on_idle": False,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_transport_options": {
        "visibility_timeout": VISIBILITY,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        # One priority step: BRPOP asks for each step of each queue.
        "priority_steps": [0],
        "deadletter_queue": "undeliverable",
    },
    "task_publish_retry": False,
    "task_time_limit": None,
    "enable_utc": True,
    "timezone": "UTC",
}


def unsafe(conf: Mapping[str, Any], *, turn: float, call: float) -> tuple[Problem, ...]:
    """Return what makes these settings lose or double work, each with how to mend it.

    ``turn`` and ``call`` are seconds: the longest turn and the longest outbound call.
    """
    found = []

    def wrong(name: str, why: str, mend: str) -> None:
        found.append(Problem("celery settings", 0, name, f"{why}; {mend}"))

    if not conf.get("task_acks_late"):
        wrong("task_acks_late", "a worker that dies would take its doorbells along", "set it to True")
    if conf.get("task_reject_on_worker_lost"):
        wrong("task_reject_on_worker_lost", "a crash would be repeated at once, for ever", "set it to False")
    for name in ("accept_content", "result_accept_content"):
        extra = set(conf.get(name) or ()) - {"json", "application/json"}
        if extra:
            wrong(name, f"{', '.join(sorted(extra))} may execute code from the broker", "set it to ['json']")
    if conf.get("task_serializer") != "json":
        wrong("task_serializer", "only JSON is read by workers", "set it to 'json'")
    if conf.get("worker_prefetch_multiplier") != 1:
        wrong("worker_prefetch_multiplier", "one connector could hold a worker's queue", "set it to 1")
    options = conf.get("broker_transport_options") or {}
    timeout = options.get("visibility_timeout", 3600)
    if timeout < turn + call:
        wrong(
            "broker_transport_options.visibility_timeout",
            f"{timeout} s is shorter than a turn and a call ({turn + call:.0f} s): every doorbell would double",
            f"set it to {VISIBILITY}",
        )
    if not options.get("socket_timeout"):
        wrong("broker_transport_options.socket_timeout", "a silent broker would hang workers", "set it to 10")
    broker = urlsplit(str(conf.get("broker_url") or ""))
    if "cluster" in broker.scheme:
        wrong("broker_url", "Celery's Redis transport does not work on a cluster", "use one server or Sentinel")
    if "ssl_cert_reqs=none" in broker.query.casefold() or "ssl_cert_reqs=cert_none" in broker.query.casefold():
        wrong("broker_url", "the broker's certificate would not be checked", "set ssl_cert_reqs=required")
    return tuple(found)


def refuse_unsafe(conf: Mapping[str, Any], *, turn: float, call: float) -> None:
    """Raise `ConfigError` with everything that is unsafe about the settings."""
    if problems := unsafe(conf, turn=turn, call=call):
        raise ConfigError(problems)
