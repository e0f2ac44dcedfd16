"""The name of a piece: a hash of exactly what the model reads, so that equal pieces of equal models have one vector."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

HASH_BYTES = 16


def piece_hash(ids: Sequence[int]) -> bytes:
    """BLAKE2b of the token ids, special tokens and prompt included, as 32-bit numbers, the lowest byte first."""
    return blake2b(np.asarray(ids, np.dtype("<i4")).tobytes(), digest_size=HASH_BYTES).digest()
