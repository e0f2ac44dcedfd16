"""Micro-batches: what clients ask within a few milliseconds is embedded together, in one thread of one engine.

While a batch is embedded, further requests wait, and make the next one at once. The queue has a limit, and a request a
time limit: beyond them it is refused, so that an overloaded server answers what it can and says so.
"""

import asyncio
import contextlib
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from launcher.serve.requests import RequestRefused
from launcher.serve.served_run import Piece
from tasks.engines.base import Vectors

WINDOW_SECONDS = 0.005  # that the first request of a batch waits for others
MOST_TOKENS = 16_384  # of a batch
MOST_WAITING = 1_024  # pieces
TIMEOUT_SECONDS = 30.0


@dataclass(slots=True)
class _Waiting:
    pieces: Sequence[Piece]
    answer: "asyncio.Future[Vectors]"
    tokens: int


@dataclass(slots=True)
class MicroBatcher:
    """The queue of one engine. Use it from one event loop.

    Attributes:
        encode: embeds pieces that begin with one prompt, in a thread.
        observe: is called with the number of pieces of each batch.
        most_tokens: of a batch; a request that has more is a batch alone.
    """

    encode: Callable[[Sequence[Sequence[int]], str], Vectors]
    window: float = WINDOW_SECONDS
    most_waiting: int = MOST_WAITING
    most_tokens: int = MOST_TOKENS
    timeout: float = TIMEOUT_SECONDS
    observe: Callable[[int], None] = lambda _count: None
    _queue: deque[_Waiting] = field(default_factory=deque["_Waiting"])
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "engine"))
    _task: "asyncio.Task[None] | None" = None
    _busy: int = 0

    @property
    def depth(self) -> int:
        """Pieces that wait or are being embedded."""
        return self._busy + sum(len(one.pieces) for one in self._queue)

    async def embed(self, pieces: Sequence[Piece]) -> Vectors:
        """The vectors of these pieces, in order.

        Raises:
            RequestRefused: too many wait (429), or it took too long (504).
        """
        if self.depth and self.depth + len(pieces) > self.most_waiting:
            raise RequestRefused(
                429, f"{self.depth:,} texts wait already: try again later", code="queue_full"
            )
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        answer: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(pieces, answer, sum(len(piece.ids) for piece in pieces)))
        self._news.set()
        try:
            return await asyncio.wait_for(answer, self.timeout)
        except TimeoutError as error:
            raise RequestRefused(
                504, f"not embedded within {self.timeout:g} seconds", code="timeout"
            ) from error

    async def close(self) -> None:
        """End it; what still waits is refused."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for one in self._queue:
            if not one.answer.done():
                one.answer.set_exception(RequestRefused(503, "the server ends", code="ending"))
        self._queue.clear()
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _run(self) -> None:
        while True:
            if not self._queue:
                self._news.clear()
                await self._news.wait()
                await asyncio.sleep(self.window)
            batch = self._take()
            if batch:
                await self._embed(batch)

    def _take(self) -> list[_Waiting]:
        """The next batch: requests with one prompt, in their order, up to the most tokens."""
        batch: list[_Waiting] = []
        later: list[_Waiting] = []
        tokens = 0
        while self._queue:
            one = self._queue.popleft()
            if one.answer.done():  # its client has gone, or its time is over
                continue
            fits = not batch or tokens + one.tokens <= self.most_tokens
            if fits and (not batch or one.pieces[0].prompt == batch[0].pieces[0].prompt):
                batch.append(one)
                tokens += one.tokens
            else:
                later.append(one)
        self._queue.extend(later)
        return batch

    async def _embed(self, batch: Sequence[_Waiting]) -> None:
        """Embed a batch. Where the engine fails, each request of it is embedded by itself, for one may be the reason."""
        ids = [piece.ids for one in batch for piece in one.pieces]
        self._busy = len(ids)
        self.observe(len(ids))
        work = partial(self.encode, ids, batch[0].pieces[0].prompt)
        try:
            vectors = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except Exception as error:  # noqa: BLE001 # whatever an engine raises is the answer of those who asked
            waiting = [one for one in batch if not one.answer.done()]
            if len(batch) > 1:
                for one in waiting:
                    await self._embed([one])
                return
            for one in waiting:
                one.answer.set_exception(error)
            if not waiting:  # all have gone: nobody else would tell it
                traceback.print_exc()
            return
        finally:
            self._busy = 0
        start = 0
        for one in batch:
            end = start + len(one.pieces)
            if not one.answer.done():
                one.answer.set_result(vectors[start:end])
            start = end
