"""What an index of a set of vectors takes, and what it costs: the values. None is unknown, or does not apply. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from pricing.charges.storage import Dtype

DEFAULT_LINKS = 16  # M of an HNSW graph, the default of pgvector, hnswlib and Qdrant
DEFAULT_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class VectorSet:
    """Vectors that are to be indexed.

    Attributes:
        dtype: as they are stored in the output of a run.
        links: M of an HNSW graph.
        id_bytes: mean length of an id.
    """

    vectors: int
    dimensions: int
    dtype: Dtype
    links: int = DEFAULT_LINKS
    id_bytes: float = DEFAULT_ID_BYTES


@dataclass(frozen=True, slots=True)
class Hours:
    """Core-hours, from low to high."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Dollars:
    """An amount in USD, from low to high."""

    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSize:
    """An index of the vectors in one store.

    Of a service RAM and disk are its own affair: `ram_bytes` is None, and `disk_bytes` what it bills.
    Money of a store of one's own is that of machines for one copy, without replicas: RAM and disk a month, and the
    cores of the build.
    """

    store: str  # as `--store` takes it
    index: str  # the kind of index, and how a number is stored
    service: bool  # billed by the vectors, not by machines
    ram_bytes: int | None  # that the index wants to answer quickly
    disk_bytes: int | None
    build_core_hours: Hours | None
    load_usd: Dollars | None
    load_hours: Hours | None  # writing by one loader, and the build; None: not measured
    load_hours_least: float | None  # that a limit of the service allows; None: no limit is known
    usd_per_month: Decimal | None
    basis: str  # measured, formula or documentation, in words
    notes: tuple[str, ...] = ()
