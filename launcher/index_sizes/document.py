"""The document of `size --json`, and how it is made of a set of vectors. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from launcher.index_sizes.proposals import Proposal, proposals, warnings
from launcher.index_sizes.size import IndexSize, VectorSet
from launcher.index_sizes.sizes import sizes
from pricing.charges.storage import vector_bytes
from pricing.charges.vector_stores import Constant, constants

SCHEMA = "embedfleet/size/1"
MACHINES = "machine"  # whose prices are those of RAM and disk


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeDocument:
    """Sizes and prices of a set of vectors in vector stores. Money is USD; an unknown figure is null."""

    schema: str = SCHEMA
    of: str  # what the vectors are of: a run, a plan, a job, or numbers of the command line
    vectors: int
    dimensions: int
    dtype: str
    links: int  # M of an HNSW graph
    raw_bytes: int  # of the numbers alone
    indexes: tuple[IndexSize, ...]
    proposals: tuple[Proposal, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])  # stores that cannot hold them: why
    prices: tuple[Constant, ...] = ()  # that were used, each with date and source


def size_document(of: str, asked: VectorSet, stores: Sequence[str] = ()) -> SizeDocument:
    """The sizes in all stores, or in those that are named.

    Raises:
        Usage: a store is unknown.
    """
    found, left_out = sizes(asked, stores)
    shown = {one.store.partition("-")[0] for one in found} | {MACHINES}
    return SizeDocument(
        of=of,
        vectors=asked.vectors,
        dimensions=asked.dimensions,
        dtype=asked.dtype,
        links=asked.links,
        raw_bytes=vector_bytes(asked.vectors, asked.dimensions, asked.dtype),
        indexes=found,
        proposals=proposals(asked, found),
        warnings=warnings(asked),
        left_out=left_out,
        prices=tuple(one for one in constants() if one.unit == "USD" and one.store in shown),
    )
