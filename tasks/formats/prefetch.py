"""Small files opened before their turn, so that a shard of a thousand of them does not wait a thousand times.

A store far away answers after tens of milliseconds, whatever is asked. What comes first of each file comes with its
opening, so a few at a time are opened while the one before is read. Order and errors are as if nothing were ahead.
"""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from typing import BinaryIO

from tasks.errors import Problem
from tasks.formats.readers import open_slice
from tasks.protocol.shard import Slice
from tasks.stores.base import Store

OPEN_AHEAD = 8  # files; each may bring a block of 8 MiB


def prefetch(
    source: Store, slices: Sequence[Slice], at_once: int = OPEN_AHEAD
) -> Generator[tuple[Slice, BinaryIO | None]]:
    """The slices in order, each with its stream, None where the file before is the same or nothing is gained.

    Raises:
        Changed: when its turn comes, as `opened` does.
        Refused: likewise.
    """
    if len({piece.path for piece in slices}) < 2:
        yield from ((piece, None) for piece in slices)
        return
    fresh = [True, *(one.path != other.path for one, other in pairwise(slices))]
    with ThreadPoolExecutor(at_once, "ahead") as pool:
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
