"""Processes that claim one key at the same moment: what each of them runs.

Imported by fresh processes, so it imports little: starting them is most of such a test.
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

from tasks.stores.open import open_store

PATIENCE = 120  # seconds that one process waits for the others


def claim_keys(
    url: str, threads: int, rounds: int, barrier: Barrier, won: "Queue[list[tuple[int, str]]]"
) -> None:
    """In each round create the same key as all others, from every thread; put the rounds won and the bodies written."""
    store = open_store(url)
    store.list("race/")  # its library is loaded, and the connection is open
    mine = f"{os.getpid()}"
    found: list[tuple[int, str]] = []
    together = threading.Barrier(threads)

    def claim(number: int, thread: int) -> str | None:
        together.wait(PATIENCE)
        body = f"{mine}-{thread}"
        return body if store.create(f"race/{number:04d}", body.encode()) else None

    with ThreadPoolExecutor(threads) as pool:
        for number in range(rounds):
            barrier.wait(PATIENCE)
            bodies = pool.map(claim, [number] * threads, range(threads))
            found += [(number, body) for body in bodies if body is not None]
    won.put(found)
