"""Search everything that a storm left behind for credentials: none may be found anywhere."""

from __future__ import annotations

import json
from typing import Final

from tests.chaos.canaries import in_files, in_pieces, in_server
from tests.chaos.ground import Ground
from tests.e2e.town import Town, until
from workers.demo.stage import free_port

PAGES: Final = ("/workers", "/tasks", "/broker", "/api/workers?refresh=1", "/api/tasks?limit=1000", "/metrics")


def flower_pages(town: Town, auth: str) -> list[bytes]:
    """Start Flower, fetch what it shows, end it."""
    port = free_port()
    town.spawn("flower", "flower", FLOWER_PORT=str(port), FLOWER_BASIC_AUTH=auth)
    try:
        until(lambda: town.get(port, "/healthcheck", user=auth)[0] == 200, 40, told=lambda: town.log("flower")[-2000:])
        return [page for path in PAGES for status, page in [town.get(port, path, user=auth)] if status == 200]
    finally:
        town.stop("flower", strict=False)


def search(ground: Ground) -> list[str]:
    """Return where which credential was found; fails where there was nothing to look at."""
    canaries, heard = ground.canaries, ground.eavesdropper
    pages = flower_pages(ground, ground.flower_auth)
    assert pages, "Flower showed nothing"
    assert heard is not None
    assert heard.heard, "no event was heard"
    assert ground.sentry.envelopes, "nothing was sent to Sentry"
    found = [
        *in_files(canaries, ground.home),
        *in_pieces(canaries, {"Flower": pages, "what the broker told (events)": list(heard.heard)}),
        # What is sent to Sentry names the project's own key, as its protocol wants it.
        *in_pieces(canaries, {"Sentry": list(ground.sentry.envelopes)}, but=("SENTRY_DSN",)),
        *in_pieces(canaries, {name: [json.dumps(s, default=str).encode()] for name, s in _states(ground).items()}),
    ]
    for name, server in ground.servers.items():
        with server.client() as client:
            found += [f"{where} of {name}" for where in in_server(canaries, client)]
    return found


def _states(ground: Ground) -> dict[str, object]:
    return {name: ground.state(name) for name in ground.served.sandboxes}
