"""Packed bits as numbers, 1 and -1, for stores that have no bits: the cosine of two such vectors is Hamming's distance.

Ones and zeros would not do: a vector of zeros alone has no cosine, and services refuse it.
"""

import numpy as np

from launcher.loading.vector_store import Vectors


def numbers_of(vectors: Vectors) -> Vectors:
    """Vectors of a batch as float32, [rows, dimensions]; packed bits, [rows, bytes], as a number each."""
    if vectors.dtype == np.uint8:
        return (2 * np.unpackbits(vectors, axis=1).astype(np.float32) - 1).astype(np.float32)
    return vectors.astype(np.float32)


def stored_of(numbers: Vectors, *, bits: bool) -> Vectors:
    """One vector as it was before `numbers_of`."""
    return np.packbits(numbers > 0) if bits else numbers
