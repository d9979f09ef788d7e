"""The whole part works over a real socket, through the transport that production uses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from connector.config import Connection, Http
from connector.errors import ConnectorError, Rejected, Unauthorized
from connector.event import Kind
from connector.ports import Site
from connector.sandbox import Fault
from connector.system import Written
from connector.systems.github import SYSTEM
from connector.systems.github.deliver import TARGET
from connector.systems.github.sandbox import GitHubSandbox
from tests.systems.direct import Bench, Clock, reveals
from tests.systems.github.scene import CONNECTION, FROM, INTO, SECRETS, act, creation, later, sandbox
from tests.systems.github.test_deliver import comment
from tests.systems.github.test_poll import polled
from tests.systems.served import serve_built
from workers.addresses import Guard
from workers.transport import Transport, Unlimited


@pytest.fixture
def here() -> Iterator[Bench]:
    clock = Clock()

    def build(url: str) -> GitHubSandbox:
        return sandbox(url=url)

    with serve_built(build, now=clock) as (url, pretended):
        settings = SYSTEM.connection().load({**CONNECTION, "url": url})
        http = Http(private_addresses=("127.0.0.0/8",))
        guard = Guard(http.private_addresses)
        transport = Transport(
            SYSTEM, Connection("here", "github", settings, http), reveals(SECRETS), limiter=Unlimited(), guard=guard
        )
        site = Site("here", settings, transport, clock)
        yield Bench(SYSTEM, pretended, site, clock, transport)  # type: ignore[arg-type]
        transport.close()


def test_polling_writing_and_following_a_rename(here: Bench) -> None:
    assert SYSTEM.probe(here.site).name == "acme-bot"
    _, cursor = polled(here, {})
    act(here, "POST", "/repos/acme/web/issues", {"title": "x"})
    for _ in range(2):
        events, cursor = polled(here, cursor)
    used = here.sandbox.quotas["acme-bot"].used
    events, again = polled(here, cursor)
    assert (events, again) == ([], cursor), "the listings were not modified"
    assert here.sandbox.quotas["acme-bot"].used == used
    entity = TARGET.write(here.site, INTO, creation(title="made", body="words")).entity
    here.sandbox.rename("acme/web", "site")
    later(here)
    assert TARGET.write(here.site, INTO, comment(entity)).remote
    now = TARGET.read(here.site, INTO, entity)
    assert now is not None
    assert now["data"]["key"] == f"acme/site#{now['data']['number']}"
    events, _ = polled(here, cursor, FROM)
    assert Kind.COMMENT_CREATED in {e.kind for e in events}


def test_a_create_that_was_cut_off_is_found(here: Bench) -> None:
    here.sandbox.faults.on.append(Fault("apply_then_drop", method="POST", times=1))
    since = here.clock()
    with pytest.raises(ConnectorError) as caught:
        TARGET.write(here.site, INTO, creation(title="lost"))
    assert getattr(caught.value, "sent", False)
    here.clock.move(timedelta(seconds=30))
    assert isinstance(TARGET.look_up(here.site, INTO, creation(title="lost"), since), Written)


def test_a_refused_value_is_named(here: Bench) -> None:
    with pytest.raises(Rejected) as caught:
        TARGET.write(here.site, INTO, creation(title="x" * 300))
    assert caught.value.cause == "invalid:title"


def test_a_refused_token_is_told(here: Bench) -> None:
    here.sandbox.faults.on.append(Fault("expired_token"))
    with pytest.raises(Unauthorized):
        SYSTEM.probe(here.site)
