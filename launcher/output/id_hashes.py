"""Compare sequences of ids that do not fit in memory: each id counts as a 64-bit hash, 8 bytes.

Two of 100 million ids have the same hash with a probability of 0.03 %.
"""

from array import array
from collections.abc import Iterator
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from launcher.format import plural
from launcher.output.hashed_names import id_hash

HASHES_AT_ONCE = 8_192  # compared in one step of numpy

Hashes = NDArray[np.uint64]


def sort_in_place(hashes: "array[int]") -> Hashes:
    """Sort the array itself and return it as numpy sees it."""
    view = np.asarray(hashes)
    view.sort()
    return view


def count_duplicates(hashes: "array[int]") -> int:
    """Count the hashes that occurred before. Sorts in place: 8 bytes a hash, 1/16 of that to grow, a byte to compare."""
    ordered = sort_in_place(hashes)
    return int(np.count_nonzero(ordered[1:] == ordered[:-1]))


def difference(expected: Iterator[str], found: Iterator[str]) -> str | None:
    """Describe how two sequences of ids differ, or return None where they are equal.

    Reads both to their ends. Keeps nothing of their common beginning, and 8 bytes an id of the rest.
    """
    for wanted, present in zip_longest(expected, found):
        if wanted != present:
            ours, theirs = _rest(wanted, expected), _rest(present, found)
            common = _count_common(ours, theirs)
            missing, extra = len(ours) - common, len(theirs) - common
            if missing or extra:
                return f"{plural(missing, 'document')} of the input missing, {extra:,} not in the input"
            return f"its documents are not in the order of the input, from {present!r} on"
    return None


def _rest(first: str | None, others: Iterator[str]) -> Hashes:
    """Sorted hashes of the ids that are left; `first` is None where none are."""
    left = () if first is None else chain((first,), others)
    return sort_in_place(array("Q", (id_hash(name, 0) for name in left)))


def _count_common(ours: Hashes, theirs: Hashes) -> int:
    """Count the hashes that two sorted arrays share; one that is twice in both counts twice."""
    common = 0
    for start in range(0, len(ours), HASHES_AT_ONCE):
        part = ours[start : start + HASHES_AT_ONCE]
        earlier = np.arange(start, start + len(part)) - np.searchsorted(ours, part)
        common += int(
            np.sum(earlier < np.searchsorted(theirs, part, "right") - np.searchsorted(theirs, part))
        )
    return common
