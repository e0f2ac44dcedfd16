"""Name the ids that several documents of a run have, and the input files that they come from.

Reads the output a second time, ids alone, until every example was found twice.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from array import array
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import cast

import numpy as np
import pyarrow as pa

from launcher.output.hashed_names import id_hash
from launcher.output.id_hashes import sort_in_place
from launcher.output.verification.shard_files import ReceiptReader, checked_batches, open_vectors
from tasks.protocol.manifest import Header
from tasks.protocol.shard import Shard
from tasks.stores.base import Store

REPEATED_IDS = "an id that another row has, too"  # a fault of the corpus, not of the run
EXAMPLES = 3
BATCH_ROWS = 65_536


def some_repeated(hashes: "array[int]") -> frozenset[int]:
    """Some of the hashes that occur more than once. Sorts in place."""
    ordered = sort_in_place(hashes)
    places = np.flatnonzero(ordered[1:] == ordered[:-1])
    return frozenset(int(found) for found in np.unique(ordered[places[: 64 * EXAMPLES]])[:EXAMPLES])


def describe(store: Store, shards: Iterable[tuple[Header, Shard]], wanted: frozenset[int]) -> str:
    """The ids of these hashes, each with the input files of two documents that have it."""
    found: dict[str, list[str]] = {}
    reader = ReceiptReader(store)
    for header, shard in shards:
        files = " or ".join(dict.fromkeys(piece.path for piece in shard.slices))
        for name in _ids(store, reader, header, shard, wanted):
            places = found.setdefault(name, [])
            places += [files] if len(places) < 2 else []
        if len(found) == len(wanted) and all(len(places) == 2 for places in found.values()):
            break
    return ", ".join(f"{name!r} in {_both(*places)}" for name, places in found.items() if len(places) == 2)


def _both(one: str, other: str) -> str:
    return f"{one} twice" if one == other else f"{one} and {other}"


def _ids(
    store: Store, reader: ReceiptReader, header: Header, shard: Shard, wanted: frozenset[int]
) -> Iterable[str]:
    """The ids of a shard that are wanted, once for each row that has one. A shard that cannot be read has none."""
    done = reader.read(header, shard)
    if isinstance(done, str):
        return
    with ExitStack() as open_files:
        files = open_vectors(store, done, open_files)
        for file in () if isinstance(files, str) else files:
            with suppress(pa.ArrowException, OSError):  # verify has said so already
                for batch in checked_batches(file, BATCH_ROWS, ["id", "chunk"]):
                    names = cast("list[str]", batch.column("id").to_pylist())
                    chunks = cast("list[int]", batch.column("chunk").to_pylist())
                    yield from (
                        n for n, chunk in zip(names, chunks, strict=True) if id_hash(n, chunk) in wanted
                    )
