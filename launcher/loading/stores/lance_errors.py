"""Errors of Lance as problems of two lines, and commits that are tried again where another loader's came between."""

import contextlib
import random
import re
import time
from collections.abc import Callable, Generator
from typing import TypeVar

import pyarrow as pa

from launcher.errors import Problem

COMMIT_ATTEMPTS = 10
AGAIN = "run the same command again: files that are loaded are not written twice"
SOURCE = re.compile(r",? ?\S+\.rs:\d+(:\d+)?$")  # the line of its own code, behind each message of Lance
NO_ROOM = re.compile(r"no space left|os error (28|122)\b|quota exceeded", re.IGNORECASE)

Result = TypeVar("Result")


def retried(work: Callable[[], Result]) -> Result:
    """Do what commits again where another loader's commit came between. It must go on from whatever is there."""
    for attempt in range(COMMIT_ATTEMPTS):
        try:
            return work()
        except (OSError, RuntimeError) as error:
            conflict = any(word in str(error).lower() for word in ("conflict", "incompatible transaction"))
            if not conflict or attempt == COMMIT_ATTEMPTS - 1:
                raise
            time.sleep(random.uniform(0.05, 0.2) * (attempt + 1))  # noqa: S311 - jitter
    raise AssertionError("the last attempt returns or raises")


@contextlib.contextmanager
def problems(uri: str) -> Generator[None]:
    """Errors of Lance, which come as OSError, ValueError and RuntimeError, as problems of two lines."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, pa.ArrowException) as error:
        said = SOURCE.sub("", str(error).strip().partition("\n")[0])[:300] or type(error).__name__
        full = NO_ROOM.search(str(error)) is not None
        hint = "make room there, then" if full else "see that the path can be written;"
        raise Problem(f"Lance cannot use {uri}: {said}", hint=f"{hint} {AGAIN}") from error
