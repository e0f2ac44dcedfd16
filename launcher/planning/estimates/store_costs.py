"""What it costs to load the planned vectors into vector stores and to keep them.

Of the usual stores it is beside the plan, and not in its dollars. Of the store that the job names as its sink, it is
added to what embedding is expected to cost (`sink_cost`). Pure.
"""

from dataclasses import dataclass
from decimal import Decimal

from launcher.index_sizes.size import IndexSize, VectorSet
from launcher.index_sizes.sizes import sizes
from launcher.planning.estimates.quantiles import UsdQuantiles

USUAL = (
    "pgvector",
    "s3vectors",
    "pinecone",
)  # a database of one's own, and two services that bill differently


@dataclass(frozen=True, slots=True)
class StoreCost:
    """A vector store with the vectors of the plan. None is unknown."""

    store: str
    index: str
    service: bool  # billed by the vectors, not by machines
    bytes: int | None  # on disk, or as billed
    load_usd_low: Decimal | None
    load_usd_high: Decimal | None
    usd_per_month: Decimal | None


def store_costs(asked: VectorSet | None) -> tuple[StoreCost, ...]:
    """The usual stores; none where the shape of the vectors is not known."""
    if asked is None:
        return ()
    found = {name: one for name in USUAL for one in sizes(asked, [name])[0]}
    return tuple(_cost(one) for one in found.values())


def _cost(size: IndexSize) -> StoreCost:
    load = size.load_usd
    return StoreCost(
        store=size.store,
        index=size.index,
        service=size.service,
        bytes=size.disk_bytes,
        load_usd_low=load and load.low,
        load_usd_high=load and load.high,
        usd_per_month=size.usd_per_month,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkCost:
    """The vector store that the job names, with the vectors of the plan. None is unknown."""

    to: str  # its address, without secrets
    store: str  # as `size --store` takes it
    index: str
    when: str  # end, or shards
    vectors: int
    ram_bytes: int | None  # that the index wants
    disk_bytes: int | None
    load_hours_low: float | None  # writing and build, one loader beside the store
    load_hours_high: float | None
    load_usd_low: Decimal | None  # the cores of the index build
    load_usd_high: Decimal | None
    total_usd: UsdQuantiles  # embedding as it is expected, and the load
    usd_per_month: Decimal | None  # of keeping one copy
