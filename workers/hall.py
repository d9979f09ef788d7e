"""Let webhooks in: requests that wait together go to the store together, and none is promised too early."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar

from connector.config import Connector
from connector.event import Event
from workers.inbox import Inbox, Unavailable
from workers.stores.client import AsyncStore
from workers.stores.deliveries import Accepted, Deliveries, Fresh
from workers.stores.scripts import StoreError, run_many

T = TypeVar("T")

LARGEST_LOT: Final = 1024 * 1024
"""Bytes of bodies past which a script takes no further part: the store does nothing else meanwhile."""


class Unanswered(StoreError):
    """The store was not reached, or its answer was lost: asking it again at once would only take more time."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one connector wants of a request."""

    connector: Connector
    books: Deliveries
    fresh: list[Fresh]

    @property
    def size(self) -> int:
        return sum(len(one.body) for one in self.fresh)


@dataclass(slots=True)
class _Request:
    parts: list[_Part]
    answer: asyncio.Future[dict[str, Accepted]]
    envelope: tuple[str, str] | None = None
    got: dict[str, Accepted] = field(default_factory=dict)
    wrong: Exception | None = None

    def expire(self) -> None:
        """Wait no longer."""
        if not self.answer.done():
            self.answer.set_exception(TimeoutError())


_Lot = list[tuple[_Request, _Part]]
"""Parts of requests that one script accepts: of one connector."""


@dataclass(slots=True)
class Hall:
    """The asynchronous way in: requests that wait together go to the store together.

    What a connector wants of them is accepted by one script, which costs receiver and store less than a script for
    each.  ``budget`` is how long the store may take; past it the source is told to come again.
    """

    inbox: Inbox
    client: AsyncStore
    budget: timedelta = timedelta(seconds=2)
    most: int = 64
    full: Callable[[], bool] = bool
    """Tells whether the store is nearly full: then nothing new is taken, what is there can still leave."""
    _waiting: list[_Request] = field(default_factory=list)
    _books: dict[str, Deliveries] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _writer: asyncio.Task[None] | None = None
    _closing: bool = False

    async def accept(self, connection: str, events: Sequence[Event]) -> dict[str, Accepted]:
        """Store events durably; raises `Unavailable` where that is not certain."""
        if self.full():
            raise Unavailable("the store is nearly full", timedelta(minutes=1))
        sorted_ = self.inbox.sort(events)
        if not sorted_.wanted:
            return {}
        loop = asyncio.get_running_loop()
        request = _Request([], loop.create_future())
        until = loop.time() + self.budget.total_seconds()
        try:
            for connector, fresh in sorted_.wanted.values():
                books = self._known(connector)
                if books is None:
                    books = await _within(self._opened(connector), until)
                request.parts.append(_Part(connector, books, fresh))
            if len(request.parts) > 1:
                name = await _within(self.inbox.envelopes.keep(self.client, connection, events), until)
                request.envelope = (connection, name)
            self._waiting.append(request)
            self._wake.set()
            if self._writer is None or self._writer.done():
                self._writer = asyncio.create_task(self._write())
            # A plain timer costs a third of what asyncio.timeout does.
            timer = loop.call_at(until, request.expire)
            try:
                return await request.answer
            finally:
                timer.cancel()
        except TimeoutError as error:
            raise Unavailable("the store does not answer in time") from error
        except StoreError as error:
            raise Unavailable(f"the store refused: {error}") from error

    def _known(self, connector: Connector) -> Deliveries | None:
        """Return the books of a connector, where they are open."""
        kept = self._books.get(connector.uid)
        return kept if kept is not None and kept.concurrency == connector.concurrency else None

    async def _opened(self, connector: Connector) -> Deliveries:
        """Open the books of a connector; that asks the store, which must not hold up everybody else."""
        books = self._books[connector.uid] = await asyncio.to_thread(self.inbox.deliveries, connector)
        return books

    async def keep_unreadable(self, connection: str, body: bytes, headers: Mapping[str, str], why: str) -> str:
        """Keep a payload that we could not read, raw; raises `Unavailable`."""
        until = asyncio.get_running_loop().time() + self.budget.total_seconds()
        try:
            return await _within(self.inbox.envelopes.keep_unread(self.client, connection, body, headers, why), until)
        except (TimeoutError, StoreError) as error:
            raise Unavailable(f"the store refused: {error}") from error

    async def ready(self) -> bool:
        """Tell whether the store answers."""
        until = asyncio.get_running_loop().time() + self.budget.total_seconds()
        try:
            await _within(_answers(self.client), until)
        except (TimeoutError, StoreError, OSError):
            return False
        return True

    async def close(self) -> None:
        """Finish what waits and let the store go."""
        if self._writer is not None:
            # It ends by itself: a cancellation may be swallowed by the client whose answer it waits for.
            self._closing = True
            self._wake.set()
            await asyncio.wait([self._writer], timeout=self.budget.total_seconds())
            self._writer.cancel()
        await self.client.aclose()

    async def _write(self) -> None:
        while not self._closing:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[: self.most], self._waiting[self.most :]
                await self._commit(batch)

    async def _commit(self, batch: list[_Request]) -> None:
        await self._accept_together([(request, part) for request in batch for part in request.parts])
        done: dict[str, list[str]] = {}
        for request in batch:
            if request.wrong is not None:
                if not request.answer.done():
                    request.answer.set_exception(StoreError(str(request.wrong)))
                continue
            if request.envelope:
                done.setdefault(request.envelope[0], []).append(request.envelope[1])
            if not request.answer.done():
                request.answer.set_result(request.got)
        for connection, names in done.items():
            try:
                await self.inbox.envelopes.dropped(self.client, connection, names)
            except (StoreError, OSError):
                continue  # the scanner repeats and then drops it; accepting twice changes nothing

    async def _accept_together(self, wanted: list[tuple[_Request, _Part]]) -> None:
        """Accept what each connector wants in as few scripts as are of a bearable size; notes what came of it."""
        lots = _lots(wanted)
        answers = await self._accepted(lots)
        # Where a script failed, each goes alone: what is wrong with one must not send its neighbours away.
        again = [[one] for lot, got in zip(lots, answers, strict=True) if _may_be_one(got, lot) for one in lot]
        kept = [(lot, got) for lot, got in zip(lots, answers, strict=True) if not _may_be_one(got, lot)]
        if again:
            kept += zip(again, await self._accepted(again), strict=True)
        for lot, got in kept:
            connector, books = lot[0][1].connector, lot[0][1].books
            if isinstance(got, Exception):
                for request, _ in lot:
                    request.wrong = got
                continue
            accepted = books.accepted(got)
            if accepted.bells:
                self.inbox.ring(connector, accepted.bells)
            place = 0
            for request, part in lot:
                mine = accepted.outcomes[place : place + len(part.fresh)]
                place += len(part.fresh)
                request.got[connector.name] = Accepted(mine, accepted.bells, accepted.writes)

    async def _accepted(self, lots: Sequence[_Lot]) -> list[Any]:
        calls = []
        for lot in lots:
            books = lot[0][1].books
            fresh = [one for _, part in lot for one in part.fresh]
            calls.append(("accept", books.tag, books.accept_arguments(fresh, revive=True)))
        try:
            return await run_many(self.client, calls)
        except (StoreError, OSError) as error:
            return [Unanswered(str(error))] * len(calls)


async def _within(work: Coroutine[Any, Any, T], until: float) -> T:
    """Do ``work`` until a moment of the loop's clock; raises TimeoutError then, whatever the work does.

    Not ``asyncio.timeout``: the client of the store may swallow a cancellation and wait its own two seconds anew, and
    the source would be told after four.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=until - asyncio.get_running_loop().time())
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_forget)
    if not task.done():
        raise TimeoutError
    return task.result()


def _forget(task: asyncio.Future[Any]) -> None:
    """Take note of an end that nobody waits for any more, so that it is not reported as overlooked."""
    if not task.cancelled():
        task.exception()


async def _answers(client: AsyncStore) -> None:
    await client.ping()


def _lots(wanted: Sequence[tuple[_Request, _Part]]) -> list[_Lot]:
    """Put parts of one connector together, in their order."""
    lots: list[_Lot] = []
    filling: dict[str, tuple[_Lot, int]] = {}
    for request, part in wanted:
        lot, size = filling.get(part.books.tag, ([], 0))
        if not lot or size + part.size > LARGEST_LOT:
            lot, size = [], 0
            lots.append(lot)
        lot.append((request, part))
        filling[part.books.tag] = (lot, size + part.size)
    return lots


def _may_be_one(got: Any, lot: _Lot) -> bool:
    """Tell whether a failure may be the fault of one of several."""
    return isinstance(got, Exception) and not isinstance(got, Unanswered) and len(lot) > 1
