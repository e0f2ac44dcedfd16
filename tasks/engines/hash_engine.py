"""Engine for tests: pseudo-random vectors from token ids, deterministic, instant and without meaning."""

import time
import zlib
from collections.abc import Sequence
from os import environ

import numpy as np

from tasks.engines.base import Vectors, normalize
from tasks.models.files import HASH_DIMENSIONS, HASH_MODEL
from tasks.models.tokenizing.tokenizer import HashTokenizer, PieceTokenizer


class HashEncoder:
    """Equal pieces give equal vectors, different pieces different ones."""

    name = HASH_MODEL
    dtype = "float32"
    device = "cpu"
    dimensions = HASH_DIMENSIONS

    def __init__(self) -> None:
        self.tokenizer: PieceTokenizer = HashTokenizer()
        # Seconds for 1,000 tokens: tests of killed workers need work that takes time.
        self.delay = float(environ.get("EMBEDFLEET_HASH_SECONDS", "0"))

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        out = np.empty((len(ids), HASH_DIMENSIONS), np.float32)
        for row, piece in enumerate(ids):
            seed = zlib.crc32(np.asarray(piece, np.int64).tobytes())
            out[row] = np.random.default_rng(seed).standard_normal(HASH_DIMENSIONS, np.float32)
        if self.delay:
            time.sleep(self.delay * sum(map(len, ids)) / 1_000)
        return normalize(out)
