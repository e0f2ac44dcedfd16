"""Prefetch small files: open the next ones while the current one is read, so that latency is paid once, not per file.

A distant store answers after tens of milliseconds, whatever the request. Opening a file fetches its first bytes. Order
and errors are the same as without prefetching.
"""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from typing import BinaryIO

from tasks.errors import Problem
from tasks.formats.read import open_slice
from tasks.protocol.shard import Slice
from tasks.stores.base import Store

OPEN_AHEAD = 8  # files; each may hold a block of 8 MiB


def prefetch(
    source: Store, slices: Sequence[Slice], at_once: int = OPEN_AHEAD
) -> Generator[tuple[Slice, Callable[[], BinaryIO | None]]]:
    """The slices in order, each with a function that gives its open stream, or raises what opening it raised.

    It gives None for a slice of the file before, and for a single file.
    """
    if len({piece.path for piece in slices}) < 2:
        yield from ((piece, _not_opened) for piece in slices)
        return
    fresh = [True, *(one.path != other.path for one, other in pairwise(slices))]
    with ThreadPoolExecutor(at_once, "prefetch") as pool:
        waiting: deque[Future[BinaryIO] | None] = deque()
        try:
            position = 0
            for piece in slices:
                while position < len(slices) and len(waiting) < at_once:
                    new = fresh[position]
                    waiting.append(pool.submit(open_slice, source, slices[position]) if new else None)
                    position += 1
                future = waiting.popleft()
                yield piece, future.result if future else _not_opened
        finally:
            for future in waiting:
                if future and not future.cancel():
                    with suppress(Problem, OSError):
                        future.result().close()


def _not_opened() -> None:
    """The slice is opened when it is read."""
