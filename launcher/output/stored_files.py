"""Which files an output holds, as hashes of their names and sizes. Without numpy, for `status`."""

from array import array
from dataclasses import dataclass

from launcher.output.hashed_names import contains, id_hash, sorted_hashes
from tasks.stores.base import Store, list_all


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """The files under a prefix, 16 bytes each: sorted hashes of their names, and of their names with their sizes."""

    names: "array[int]"
    sized: "array[int]"

    @classmethod
    def under(cls, store: Store, prefix: str) -> "StoredFiles":
        """List them."""
        names, sized = array("Q"), array("Q")
        for entry in list_all(store, prefix):
            names.append(id_hash(entry.key, 0))
            sized.append(id_hash(entry.key, entry.size))
        return cls(sorted_hashes(names), sorted_hashes(sized))

    def has(self, key: str) -> bool:
        """Whether there is a file of this name."""
        return contains(self.names, id_hash(key, 0))

    def has_sized(self, key: str, size: int) -> bool:
        """Whether there is a file of this name and of this many bytes."""
        return contains(self.sized, id_hash(key, size))


def stored_names(store: Store, prefix: str) -> "array[int]":
    """Hashes of all keys with this prefix, for `contains`: 8 bytes each."""
    return sorted_hashes(id_hash(entry.key, 0) for entry in list_all(store, prefix))
