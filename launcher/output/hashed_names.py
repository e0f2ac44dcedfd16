"""Names as 64-bit hashes, 8 bytes each, for sets that are too large to hold as text. Without numpy, for `status`."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b


def id_hash(name: str, number: int) -> int:
    """Hash an id with the number of a chunk, or the name of a file with a position in it."""
    digest = blake2b(f"{number}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def sorted_hashes(hashes: Iterable[int]) -> "array[int]":
    """The hashes in order, for `contains`."""
    return array("Q", sorted(array("Q", hashes)))


def contains(hashes: "array[int]", wanted: int) -> bool:
    """Whether a sorted array has this hash."""
    place = bisect_left(hashes, wanted)
    return place < len(hashes) and hashes[place] == wanted
