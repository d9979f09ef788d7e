"""Receive webhooks by hand: check the signature, publish a Celery task with the whole body, answer 202.

It stores nothing durably, drops no repeats and reads nothing out of the body.  The task is published on the event
loop itself, which costs less than a pool of threads would.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
from typing import Any, Final

import uvloop

from workers.bench.floors.names import TASK, UNREAD, application
from workers.listener import server

app: Final = application("publishing", os.environ["BROKER_URL"], UNREAD)

_secret: Final = os.environ["BENCH_SECRET"].encode()


@app.task(name=TASK)
def post(payload: dict[str, Any]) -> None:
    """Stand for the work; nobody runs it here."""
    del payload


async def receive(scope: Any, read: Any, send: Any) -> None:
    """Serve one request."""
    body = b""
    more = scope["method"] == "POST"
    while more:
        message = await read()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    given = dict(scope["headers"]).get(b"x-hub-signature", b"")
    expected = b"sha256=" + hmac.new(_secret, body, hashlib.sha256).hexdigest().encode()
    status = 200
    if scope["method"] == "POST":
        status = 401
        if hmac.compare_digest(given, expected):
            post.apply_async((json.loads(body),))
            status = 202
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


if __name__ == "__main__":
    uvloop.run(server(receive, port=int(sys.argv[1])).serve())
