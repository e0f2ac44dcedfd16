"""Silence what HiGHS prints: it writes lines of its own to file descriptor 1 now and then, past Python's sys.stdout.

What the block itself prints is lost too. So use it for arithmetic alone, in a process that does nothing else meanwhile.
"""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def silence_solver_output() -> Generator[None, None, None]:
    """Discard everything that is written to file descriptor 1 inside the block."""
    sys.stdout.flush()
    stdout = os.dup(1)
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, 1)
        yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
        os.close(devnull)
