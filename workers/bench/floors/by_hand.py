"""Do by hand what a connector does: a Celery task that posts what happened to an issue.

What most teams write first, at its best: the session is kept, the environment is not read for every call, and the
worker has the product's own Celery settings, task events included.  It keeps no order, no limit and no record,
and sends twice whatever Celery delivers twice.

With ``plain`` as second argument it calls ``requests.post`` instead, as what most teams really write does: a new
session, a new connection and a look at the environment for every call.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Final

import requests

from workers.bench.floors.names import PLAIN, QUEUE, TASK, application

_plain: Final = sys.argv[2:] == ["plain"]
app: Final = application("by-hand", os.environ["BROKER_URL"], PLAIN if _plain else QUEUE)


class _Kept(threading.local):
    session: requests.Session | None = None


_kept: Final = _Kept()
_url: Final = os.environ.get("BENCH_TARGET", "")


def _session() -> requests.Session:
    session = _kept.session
    if session is None:
        session = _kept.session = requests.Session()
        session.trust_env = False
    return session


@app.task(name=TASK)
def post(payload: dict[str, Any]) -> None:
    """Post one message about the issue of a webhook."""
    issue = payload["issue"]
    text = f"*{issue['key']}* {issue['fields']['summary']}"
    call = requests.post if _plain else _session().post
    answer = call(
        _url,
        json={"channel": "C0BENCH", "text": text},
        headers={"Authorization": "Bearer xoxb-bench"},
        timeout=30,
    )
    answer.raise_for_status()
    if not answer.json()["ok"]:
        raise RuntimeError(answer.text)


if __name__ == "__main__":
    app.worker_main(
        [
            "--quiet",
            "worker",
            "--pool=threads",
            f"--concurrency={sys.argv[1]}",
            "--hostname=by-hand@%h",
            "--without-gossip",
            "--without-mingle",
            "--events",
            "--loglevel=WARNING",
        ]
    )
