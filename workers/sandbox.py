"""Serve the systems' sandboxes over real HTTP, faults and webhooks included.

For tests, the demo, chaos runs and the bench: a library (``with Served({"jira": sandbox}) as
served``) and a command (``python -m workers.sandbox --port 8900``).  Each sandbox answers under
``/<name>/...`` (one named ``""`` at the root) and is called by one thread at a time.

``GET /_control/<name>/ledger``, ``.../state`` and ``.../hooks`` show what happened; ``POST
.../faults`` takes a list of `connector.sandbox.Fault` as JSON and replaces those that are on (an
empty list clears them); ``POST .../subscribe`` takes {"url": ...} and from then on gets the
sandbox's webhooks.  There is no authentication: it binds to loopback unless told otherwise.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import pkgutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final, Self

from connector.sandbox import Answer, Call, Fault, Sandbox
from workers.sandbox_hooks import Subscriber
from workers.sandbox_http import Server

_PUMP_SECONDS: Final = 0.05
"""How often sandboxes are asked for webhooks that became due by time alone; a call asks at once."""
_REST_SECONDS: Final = 0.002


def wall_clock() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


class Served:
    """The sandboxes behind one port; a context manager that listens from construction on.

    Bound at once so that a sandbox that writes absolute URLs can be built knowing its own:
    ``served.add("jira", new_sandbox(url=served.url("jira")))``.  ``hurry`` multiplies the waits before
    a webhook is repeated, so that a test need not wait a vendor's five minutes.  An exception inside a
    sandbox cuts the connection, is printed, and is raised again when the context ends: a test cannot
    pass over a broken sandbox.
    """

    def __init__(
        self,
        sandboxes: Mapping[str, Sandbox] | None = None,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        now: Callable[[], datetime] = wall_clock,
        hurry: float = 1.0,
    ) -> None:
        self.now = now
        self.hurry = hurry
        self.sandboxes: dict[str, Sandbox] = {}
        self.locks: dict[str, threading.Lock] = {}
        self.subscribers: dict[str, list[Subscriber]] = {}
        self.installed: dict[str, Subscriber] = {}
        self.stopping = threading.Event()
        self.called = threading.Event()
        self._server = Server((host, port), self.answer, now)
        self.host, self.port = host, int(self._server.server_address[1])
        self._threads = (
            threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True),
            threading.Thread(target=self._pump, name="sandbox-hooks", daemon=True),
        )
        for name, sandbox in (sandboxes or {}).items():
            self.add(name, sandbox)

    def add(self, name: str, sandbox: Sandbox) -> None:
        """Serve a sandbox under ``/<name>``."""
        self.sandboxes[name] = sandbox
        self.locks[name] = threading.Lock()
        self.subscribers[name] = []

    def url(self, name: str = "") -> str:
        """Return the base URL of a sandbox."""
        return f"http://{self.host}:{self.port}" + (f"/{name}" if name else "")

    def subscribe(self, name: str, url: str) -> Subscriber:
        """Send the webhooks of a sandbox to ``url`` from now on; twice the same URL is once."""
        with self.locks[name]:
            for known in self.subscribers[name]:
                if known.url == url:
                    return known
            subscriber = Subscriber(url, self.now, self.hurry)
            self.subscribers[name].append(subscriber)
        return subscriber

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stopping.set()
        self.called.set()
        self._server.stop()
        for thread in self._threads:
            thread.join(5)
        for subscribers in (*self.subscribers.values(), list(self.installed.values())):
            for subscriber in subscribers:
                subscriber.stop()
        if self._server.crashes and kind is None:
            raise self._server.crashes[0]

    # --- one request -----------------------------------------------------------------------------
    def answer(self, call: Call) -> Answer:
        """Route a call to its sandbox or to the control API."""
        _, first, *rest = call.path.split("/", 2)
        if first == "_control":
            return self._control(call, (rest[0] if rest else "").split("/"))
        name = first if first in self.sandboxes else ""
        sandbox = self.sandboxes.get(name)
        if sandbox is None:
            return Answer.of(404, {"error": f"no sandbox {first!r}", "there are": sorted(self.sandboxes)})
        if name:
            call = Call(call.method, "/" + (rest[0] if rest else ""), call.query, call.headers, call.body)
        with self.locks[name]:
            answer = sandbox(call, self.now())
        self.called.set()
        return answer

    def _control(self, call: Call, where: list[str]) -> Answer:
        if where in ([""], []):
            return Answer.of(200, {"sandboxes": sorted(self.sandboxes)})
        name, verb = "/".join(where[:-1]), where[-1]
        sandbox = self.sandboxes.get(name)
        if sandbox is None:
            return Answer.of(404, {"error": f"no sandbox {name!r}", "there are": sorted(self.sandboxes)})
        match call.method, verb:
            case "GET", "ledger":
                since = int(call.first("since", "0"))
                with self.locks[name]:
                    rows, twice = sandbox.ledger.rows()[since:], sandbox.ledger.duplicates()
                return Answer.of(200, {"effects": rows, "duplicates": twice})
            case "GET", "state":
                with self.locks[name]:
                    return Answer.of(200, sandbox.state())
            case "GET", "hooks":
                return Answer.of(200, [asdict(p) for s in self.subscribers[name] for p in list(s.posts)])
            case "GET", "faults":
                return Answer.of(200, [asdict(fault) for fault in sandbox.faults.on])
            case "POST", "faults":
                try:
                    faults = [Fault(**one) for one in call.json()]
                except (TypeError, ValueError) as error:
                    return Answer.of(400, {"error": f"not a list of faults: {error}"})
                with self.locks[name]:
                    sandbox.faults.on[:] = faults
                return Answer.of(200, {"on": len(faults)})
            case "POST", "subscribe":
                wanted = call.json()
                if not isinstance(wanted, dict) or not str(wanted.get("url", "")).startswith("http://"):
                    return Answer.of(400, {"error": 'wanted: {"url": "http://..."}'})
                self.subscribe(name, wanted["url"])
                return Answer.of(200, {"subscribed": [s.url for s in self.subscribers[name]]})
            case _:
                return Answer.of(404, {"error": "GET ledger, state, hooks, faults or POST faults, subscribe"})

    # --- webhooks --------------------------------------------------------------------------------
    def _pump(self) -> None:
        """Hand webhooks that became due to the subscribers; with none they vanish, as at the vendor."""
        while not self.stopping.is_set():
            if self.called.wait(_PUMP_SECONDS):
                # A moment's rest: in a burst, one look serves many calls.
                self.stopping.wait(_REST_SECONDS)
            self.called.clear()
            for name, sandbox in list(self.sandboxes.items()):
                with self.locks[name]:
                    hooks = sandbox.hooks(self.now())
                    subscribers = list(self.subscribers[name])
                for hook in hooks:
                    for subscriber in [self._own(hook.url)] if hook.url else subscribers:
                        subscriber.take(hook)

    def _own(self, url: str) -> Subscriber:
        """Return who posts to a webhook that was installed through a sandbox's API."""
        known = self.installed.get(url)
        if known is None:
            known = self.installed[url] = Subscriber(url, self.now, self.hurry)
        return known


def builders() -> dict[str, Callable[..., Sandbox]]:
    """Return the ``new_sandbox`` of every system that has one, by the system's folder name.

    Found by name rather than imported: this module serves whatever systems there are.
    """
    package = importlib.import_module("connector.systems")
    found = {}
    for module in pkgutil.iter_modules(package.__path__):
        name = f"{package.__name__}.{module.name}.sandbox"
        if module.ispkg and importlib.util.find_spec(name) is not None:
            found[module.name] = importlib.import_module(name).new_sandbox
    return found


def main(arguments: list[str] | None = None) -> None:
    """Serve every system's sandbox until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m workers.sandbox", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--webhook-secret", default="", help="what the sandboxes sign their webhooks with (no real one)"
    )
    parser.add_argument("--subscribe", action="append", default=[], metavar="NAME=URL", help="where webhooks go")
    options = parser.parse_args(arguments)
    with Served(port=options.port, host=options.host) as served:
        for name, build in builders().items():
            served.add(name, build(webhook_secret=options.webhook_secret, url=served.url(name)))
        for pair in options.subscribe:
            name, _, url = pair.partition("=")
            served.subscribe(name, url)
        print(json.dumps({name: served.url(name) for name in served.sandboxes}), flush=True)  # noqa: T201 - its output
        try:
            served.stopping.wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
