"""Prefetch small files: open the next ones while the current one is read, so that latency is paid once, not per file.

A distant store answers after tens of milliseconds, whatever the request. Opening a file fetches its first bytes. Order
and errors are the same as without prefetching.
"""

from collections import deque
from collections.abc import Generator, Sequence
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
) -> Generator[tuple[Slice, BinaryIO | None]]:
    """The slices in order, each with its open stream; None for a slice of the file before, and for a single file.

    Raises:
        ObjectChanged: as `open_slice`, when the slice's turn comes.
        StoreError: the same.
    """
    if len({piece.path for piece in slices}) < 2:
        yield from ((piece, None) for piece in slices)
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
                yield piece, future and future.result()
        finally:
            for future in waiting:
                if future and not future.cancel():
                    with suppress(Problem, OSError):
                        future.result().close()
