"""Scripts go over a connection that each thread keeps, and a broken one costs one repeat and nothing else."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from workers.embedded import start
from workers.stores.client import open_async_store, open_store
from workers.stores.deliveries import Deliveries
from workers.stores.scripts import NoScriptError, StoreError


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    servers = start(tmp_path_factory.mktemp("store"))
    yield servers.store_url
    servers.stop()


@pytest.fixture
def store(url: str) -> Any:
    return open_store(url)


def who(store: Any) -> int:
    """Run a script and return our port of the connection that it went over."""
    assert store.execute_command("EVAL", "return 7", 0) == 7
    return int(store._kept()._sock.getsockname()[1])


def test_a_thread_keeps_its_connection(store: Any) -> None:
    assert who(store) == who(store)


def test_each_thread_has_a_connection_of_its_own(store: Any) -> None:
    found: list[int] = [who(store)]
    thread = threading.Thread(target=lambda: found.append(who(store)))
    thread.start()
    thread.join(10)
    assert len(set(found)) == 2


def test_a_connection_that_was_cut_is_opened_anew_and_the_script_repeated(store: Any) -> None:
    first = who(store)
    store.client_kill(f"127.0.0.1:{first}")
    assert who(store) != first


def test_what_the_server_refuses_is_raised_and_leaves_the_connection_in_order(store: Any) -> None:
    first = who(store)
    with pytest.raises(NoScriptError):
        store.execute_command("EVALSHA", "0" * 40, 0)
    with pytest.raises(StoreError, match="mine"):
        store.execute_command("EVAL", "return redis.error_reply('mine')", 0)
    assert who(store) == first


def test_a_child_process_does_not_speak_over_its_parents_connection(store: Any) -> None:
    first = who(store)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, str(who(store)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(read, 40)) != first
    assert who(store) == first


def test_a_store_that_is_away_is_reported_after_one_repeat() -> None:
    with pytest.raises(StoreError):
        who(open_store("redis://127.0.0.1:9/0"))


def test_books_work_over_it(store: Any) -> None:
    books = Deliveries(store, "bugs")
    assert books.accept(()).outcomes == ()
    assert books.begin("nobody's").status == "empty"
    assert books.begin("nobody's", beside=[("HGETALL", "nothing"), ("ZCARD", "nothing")]).beside[1] == 0


def test_a_refusal_among_several_leaves_the_connection_in_order(store: Any) -> None:
    first = who(store)
    with pytest.raises(NoScriptError):
        store.ask(("EVALSHA", "0" * 40, 0), ("ZCARD", "nothing"), ("NOSUCH",))
    assert store.ask(("EVAL", "return 7", 0), ("ZCARD", "nothing")) == [7, 0]
    assert who(store) == first


def test_an_event_loops_script_is_repeated_over_a_new_connection_where_its_own_was_cut(url: str, store: Any) -> None:
    async def twice() -> list[Any]:
        client: Any = open_async_store(url)
        try:
            one = await client.execute_command("CLIENT", "ID")
            store.execute_command("CLIENT", "KILL", "ID", one)
            # As the receiver asks: many scripts in one round trip.
            pipeline = client.pipeline(transaction=False)
            pipeline.execute_command("EVAL", "return 7", 0)
            pipeline.execute_command("CLIENT", "ID")
            seven, two = await pipeline.execute(raise_on_error=False)
            return [one, seven, two]
        finally:
            await client.aclose()

    one, seven, two = asyncio.run(twice())
    assert seven == 7
    assert two != one
