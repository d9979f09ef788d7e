"""The real parts, put together as in a process."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic

import pytest

from connector.config import Config, Connection, Http
from connector.ports import Request
from connector.system import System
from connector.systems import github
from tests.systems.direct import reveals
from tests.systems.github import scene
from tests.systems.served import serve
from workers.configuration import Source
from workers.settings import Settings
from workers.tools import tools
from workers.wiring import Wiring


def wiring(url: str, system: System) -> Wiring:
    settings = system.connection().load({**scene.CONNECTION, "url": url})
    network = Http(private_addresses=("127.0.0.0/8",))
    config = Config("test", {"git": Connection("git", "github", settings, http=network)}, {}, hash="h1")
    return Wiring(
        settings=Settings.from_environment({}),
        store_url="",
        source=Source(lambda: config, int),
        reveal=reveals(scene.SECRETS),
        ring=lambda *_: None,
        tools=tools(),
        systems={"github": system},
    )


@pytest.mark.parametrize(("conditional", "paid"), [(True, 1), (False, 3)])
def test_a_system_that_answers_conditional_reads_is_asked_so(paid: int, *, conditional: bool) -> None:
    assert github.SYSTEM.conditional
    sandbox = scene.sandbox()
    with serve(sandbox) as url:
        parts = wiring(url, replace(github.SYSTEM, conditional=conditional))
        bodies = {
            parts.site("git", monotonic() + 10).send(Request("GET", "/repos/acme/web")).body for _attempt in range(3)
        }
    assert len(bodies) == 1
    assert sandbox.quotas["acme-bot"].used == paid
