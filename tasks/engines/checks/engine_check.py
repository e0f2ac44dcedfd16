"""Whether an engine works at all: a plain word must give a finite vector.

An engine that fails on a plain word is broken, whatever it was given before: that is the fault of the machine (a sick
GPU, a driver, memory), and no shard and no row is blamed for it.
"""

from time import monotonic

import numpy as np

from tasks.engines.base import Encoder, plain_piece
from tasks.errors import Problem

MESSAGE_CHARACTERS = 200  # of the engine's own message
RATE_TOKENS = 60  # of the text that the engine is timed with; every model takes so many
LEAST_SECONDS = 1e-3  # of a call: an engine that is faster is as fast as this


class EngineBroken(Problem):
    """The engine of this machine fails whatever it is given."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the engine of this machine is broken: {why}",
            hint="no row is blamed and nothing is lost: look at the GPU (nvidia-smi, dmesg), or use another machine",
        )


def check_engine(encoder: Encoder) -> None:
    """Embed a plain word.

    Raises:
        EngineBroken: that fails.
    """
    try:
        well = bool(np.isfinite(encoder.encode([plain_piece(encoder)])).all())
    except Exception as error:  # torch and vLLM raise many types, plugins any; raised again as ours
        raise EngineBroken(f"it fails on a plain word: {first_line(error)}") from error
    if not well:
        raise EngineBroken("it gives no finite vector for a plain word")


def check_rate(encoder: Encoder) -> float:
    """Check the engine, then embed a longer text; tokens per second of that, which is about the least it will do.

    Raises:
        EngineBroken: it fails on a plain word.
    """
    check_engine(encoder)
    text = plain_piece(encoder, RATE_TOKENS)
    begun = monotonic()
    encoder.encode([text])
    return len(text) / max(LEAST_SECONDS, monotonic() - begun)


def first_line(error: Exception) -> str:
    """The type and the first line of an engine's error."""
    line = (str(error).splitlines() or [""])[0][:MESSAGE_CHARACTERS]
    return f"{type(error).__name__}: {line}"
