"""Dynamic batching: what clients ask within a few milliseconds is embedded together, in one thread of one engine.

While a batch is embedded, further requests wait, and make the next one at once. A request that is larger than a batch is
embedded part by part, in turn with the others: other requests do not wait for its whole length, and what is left of it is
given up when its client has gone or its time is over. The queue has a limit, and a request a time limit: beyond them it
is refused (load shedding), so that an overloaded server answers what it can and says so.
"""

import asyncio
import contextlib
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import numpy as np

from launcher.serve.requests import RequestRefused
from launcher.serve.served_run import Piece
from tasks.engines.base import Vectors

WINDOW_SECONDS = 0.005  # that the first request of a batch waits for others
MOST_TOKENS = 16_384  # of a batch
MOST_WAITING = 1_024  # pieces, of each request those of its next batch
LARGE_SHARE = 4  # times as many pieces may wait in all: of requests that are larger than a batch
TIMEOUT_SECONDS = 30.0


@dataclass(slots=True)
class _Waiting:
    """A request, and the vectors that it has so far, of its first pieces."""

    pieces: Sequence[Piece]
    answer: "asyncio.Future[Vectors]"
    parts: list[Vectors] = field(default_factory=list["Vectors"])
    taken: int = 0  # pieces that are embedded, or in the batch

    @property
    def left(self) -> int:
        """Pieces that wait."""
        return len(self.pieces) - self.taken

    def fitting(self, most_tokens: int) -> int:
        """How many of its next pieces have so many tokens together; 0 where the next one alone has more."""
        count = tokens = 0
        for piece in islice(self.pieces, self.taken, None):
            tokens += len(piece.ids)
            if tokens > most_tokens:
                break
            count += 1
        return count

    def take(self, count: int) -> Sequence[Piece]:
        """Take the next pieces of the request."""
        self.taken += count
        return self.pieces[self.taken - count : self.taken]

    def give(self, vectors: Vectors) -> None:
        """Take the vectors of the pieces that were taken last; the last ones make the answer."""
        if self.answer.done():
            return
        self.parts.append(vectors)
        if self.taken == len(self.pieces):
            self.answer.set_result(self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts))


@dataclass(frozen=True, slots=True)
class _Part:
    """Pieces of one request that are embedded in one batch."""

    request: _Waiting
    pieces: Sequence[Piece]


@dataclass(slots=True)
class MicroBatcher:
    """The queue of one engine. Use it from one event loop.

    Attributes:
        encode: embeds pieces that begin with one prompt, in a thread.
        observe: is called with the number of pieces of each batch.
        most_tokens: of a batch; a piece that has more is a batch alone.
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
        return self._busy + sum(one.left for one in self._queue)

    async def embed(self, pieces: Sequence[Piece]) -> Vectors:
        """The vectors of these pieces, in order.

        Raises:
            RequestRefused: too many wait (429), or it took too long (504).
        """
        answer: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
        asked = _Waiting(pieces, answer)
        if self.depth and not self._has_room(asked):
            raise RequestRefused(
                429, f"{self.depth:,} texts wait already: try again later", code="queue_full"
            )
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        self._queue.append(asked)
        self._news.set()
        try:
            return await asyncio.wait_for(answer, self.timeout)
        except TimeoutError as error:
            done = sum(map(len, asked.parts))
            part = f": {done:,} of {len(pieces):,} texts were, send fewer at once" if len(pieces) > 1 else ""
            raise RequestRefused(
                504, f"not embedded within {self.timeout:g} seconds{part}", code="timeout"
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

    def _has_room(self, asked: _Waiting) -> bool:
        """Whether a request may wait: by the pieces that are embedded before its turn comes.

        A request that is larger than a batch counts with its next part alone, so that it shuts out no small one. How many
        pieces of large ones wait in all is limited, too, because they take memory.
        """
        first = self._next_part(asked)
        ahead = self._busy + sum(map(self._next_part, self._queue))
        is_large = first < len(asked.pieces)
        return ahead + first <= self.most_waiting and not (
            is_large and self.depth + len(asked.pieces) > LARGE_SHARE * self.most_waiting
        )

    def _next_part(self, one: _Waiting) -> int:
        """Pieces of a request in its next batch: at least one, whatever its length."""
        return max(1, one.fitting(self.most_tokens))

    async def _run(self) -> None:
        while True:
            if not self._queue:
                self._news.clear()
                await self._news.wait()
                await asyncio.sleep(self.window)
            batch = self._take()
            if batch:
                await self._embed(batch)

    def _take(self) -> list[_Part]:
        """The next batch: pieces that begin with one prompt, of requests in their order, up to the most tokens.

        A request of which something is left goes behind those that wait.
        """
        batch: list[_Part] = []
        later: list[_Waiting] = []
        rest: list[_Waiting] = []
        left = self.most_tokens
        while self._queue:
            one = self._queue.popleft()
            if one.answer.done():  # its client has gone, its time is over, or the engine failed on it
                continue
            same = not batch or one.pieces[one.taken].prompt == batch[0].pieces[0].prompt
            count = 0 if not same else one.fitting(left) if batch else self._next_part(one)
            if not count:
                later.append(one)
                continue
            pieces = one.take(count)
            batch.append(_Part(one, pieces))
            left -= sum(len(piece.ids) for piece in pieces)
            if one.left:
                rest.append(one)
        self._queue.extend(later + rest)
        return batch

    async def _embed(self, batch: Sequence[_Part]) -> None:
        """Embed a batch. Where the engine fails, each request of it is embedded by itself, for one may be the reason."""
        ids = [piece.ids for one in batch for piece in one.pieces]
        self._busy = len(ids)
        self.observe(len(ids))
        work = partial(self.encode, ids, batch[0].pieces[0].prompt)
        try:
            vectors = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except Exception as error:  # noqa: BLE001 # whatever an engine raises is the answer of those who asked
            waiting = [one for one in batch if not one.request.answer.done()]
            if len(batch) > 1:
                for one in waiting:
                    await self._embed([one])
                return
            for one in waiting:
                one.request.answer.set_exception(error)
            if not waiting:  # all have gone: nobody else would tell it
                traceback.print_exc()
            return
        finally:
            self._busy = 0
        start = 0
        for one in batch:
            end = start + len(one.pieces)
            one.request.give(vectors[start:end])
            start = end
