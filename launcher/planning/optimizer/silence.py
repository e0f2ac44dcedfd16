"""Silence for a library that prints past Python: HiGHS writes lines of its own to file descriptor 1 now and then.

What the block itself prints is lost too, so it is for arithmetic alone, in a process that does nothing else meanwhile.
"""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def silence_solver_output() -> Generator[None, None, None]:
    """Nothing that is written to descriptor 1 inside the block is seen."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
