"""Isolate poison pieces: find the pieces that make an engine fail by bisection, so that all others get their vectors.

A piece is blamed where the engine failed on it alone and embeds a plain word right afterwards. An engine that fails on a
plain word as well, or on most of many pieces, is broken, whatever the pieces are: that is raised. Knows no shards: the
caller decides what happens to the pieces that failed.
"""

import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tasks.engines.base import Encoder, Vectors
from tasks.engines.checks.engine_check import EngineBroken, check_engine, first_line

MAX_CALLS = 2_000  # of the engine in one search, at most; what is left then stays without vectors
BROKEN_SHARE = 0.5  # of the pieces of a call: an engine that fails on more of them is broken
NOT_FINITE = "the engine gave no finite vector"
FAILED_ON_IT = "the engine failed on it"
BROKEN_PIECES = 32  # that fail, at least: a few may all be poison


def encode_isolating_failures(
    encoder: Encoder, pieces: Sequence[Sequence[int]]
) -> tuple[Vectors, dict[int, str]]:
    """Vectors as `Encoder.encode` gives them, and by position why some are not finite.

    Raises:
        EngineBroken: the engine fails on a plain word as well, or on most of many pieces.
    """
    try:
        vectors = encoder.encode(pieces)
    except Exception as error:  # noqa: BLE001 - torch and vLLM raise many types, plugins any
        return _Bisection(encoder, pieces).go(error)
    if len(pieces) and not np.isfinite(vectors).all():
        return _Bisection(encoder, pieces, vectors).go(None)
    return vectors, {}


@dataclass(slots=True)
class _Bisection:
    """Bisects the pieces that fail until single ones are left."""

    encoder: Encoder
    pieces: Sequence[Sequence[int]]
    vectors: Vectors | None = None
    faults: dict[int, str] = field(default_factory=dict[int, str])
    calls: int = 0

    def go(self, error: Exception | None) -> tuple[Vectors, dict[int, str]]:
        out = self.vectors
        if out is None:
            out = self.vectors = np.full((len(self.pieces), self.encoder.dimensions), np.nan, np.float32)
        bad = [n for n in range(len(self.pieces)) if not np.isfinite(out[n]).all()]
        self._check_engine(error)
        todo = [(bad, error)]
        while todo:
            places, why = todo.pop()
            if len(places) == 1 and (why is not None or self.calls):
                self.faults[places[0]] = _message(why)
                self._check_engine(why)  # the piece may have broken the engine
                continue
            half = -(-len(places) // 2)
            todo += [found for part in (places[:half], places[half:]) if part and (found := self._try(part))]
        self._check_share()
        return out, self.faults

    def _try(self, places: list[int]) -> tuple[list[int], Exception | None] | None:
        """Encode these pieces; those that failed again, None when all have vectors."""
        assert self.vectors is not None
        if self.calls >= MAX_CALLS:
            return None
        self.calls += 1
        try:
            found = self.encoder.encode([self.pieces[n] for n in places])
        except Exception as error:  # noqa: BLE001 - as above
            _free_memory()
            return places, error
        self.vectors[places] = found
        left = [n for n, vector in zip(places, found, strict=True) if not np.isfinite(vector).all()]
        return (left, None) if left else None

    def _check_engine(self, error: Exception | None) -> None:
        """Raise EngineBroken when the engine fails on a plain word as well."""
        _free_memory()
        try:
            check_engine(self.encoder)
        except EngineBroken as broken:
            raise (EngineBroken(first_line(error)) if error else broken) from error

    def _check_share(self) -> None:
        """Raise EngineBroken when most of many pieces failed."""
        assert self.vectors is not None
        failed = len(self.pieces) - int(np.isfinite(self.vectors).all(axis=1).sum())
        if failed >= BROKEN_PIECES and failed > BROKEN_SHARE * len(self.pieces):
            why = next(iter(self.faults.values()), NOT_FINITE)
            raise EngineBroken(
                f"it failed on {failed:,} of {len(self.pieces):,} texts of one call; one of them: {why}"
            )


def _free_memory() -> None:
    """Release the GPU memory that the failed call held.

    Its tensors may be in reference cycles. A collection takes up to a second in a large process, so it is not made where
    there is no GPU memory to win.
    """
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


def _message(error: Exception | None) -> str:
    return NOT_FINITE if error is None else f"{FAILED_ON_IT}: {first_line(error)}"
