"""What building, loading and keeping an index costs, by the prices of `pricing.charges.vector_stores`. Pure.

GB are 10**9 bytes, as services bill them; RAM of machines is in GiB.
"""

from dataclasses import dataclass
from decimal import Decimal
from math import ceil, log

from launcher.index_sizes.graphs import lists_of
from launcher.index_sizes.size import Dollars, Hours, VectorSet
from launcher.money import SECONDS_PER_HOUR, USD_GRAIN, amount_text, decimal_of_float
from pricing.charges.storage import HOURS_PER_MONTH, storage_month_usd
from pricing.charges.vector_stores import number, usd

GB, GIB = Decimal(10**9), Decimal(2**30)
GIB_PER_CORE = Decimal(8)  # of the machine whose RAM is priced
WRITTEN_BYTES_PER_DIMENSION = 4  # turbopuffer: whatever the type
MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class ServiceCharges:
    """What a service bills: the load once, storage each month, and the fewest hours that its limits allow."""

    load: Dollars
    month: Decimal
    hours_least: float | None


def _bill(low: Decimal, high: Decimal, month: Decimal, hours_least: float | None = None) -> ServiceCharges:
    return ServiceCharges(Dollars(rounded_usd(low), rounded_usd(high)), rounded_usd(month), hours_least)


def hnsw_build(asked: VectorSet) -> Hours:
    """Core-hours of an HNSW build: measured at 20,000 x 384, carried over by dimensions and log of the number."""
    return Hours(*(_build(asked, number("build", name)) for name in ("hnsw_rows_high", "hnsw_rows_low")))


def ivf_build(asked: VectorSet) -> Hours:
    """Core-hours of IVF: one measured point, carried over by dimensions and the number of lists."""
    lists = lists_of(asked.vectors) / number("build", "ivf_lists")
    hours = _scaled(asked, number("build", "ivf_rows"), lists)
    return Hours(hours, 2 * hours)  # of one or both of the cores that were measured


def diskann_build(asked: VectorSet) -> Hours:
    """Core-hours of DiskANN: one measured point, carried over as for HNSW."""
    hours = _build(asked, number("build", "diskann_rows"))
    return Hours(hours, 2 * hours)


def build_usd(build: Hours) -> Dollars:
    """What the cores of a build cost."""
    core = usd("machine", "usd_per_gib_hour_of_ram") * GIB_PER_CORE
    return Dollars(
        rounded_usd(core * decimal_of_float(build.low)), rounded_usd(core * decimal_of_float(build.high))
    )


def rounded_usd(usd: Decimal) -> Decimal:
    """Dollars on the grid of `launcher.money`, without trailing zeros."""
    return Decimal(amount_text(usd.quantize(USD_GRAIN)))


def machines_month(ram: float, disk: float) -> Decimal:
    """USD a month for RAM and disk of machines, one copy."""
    memory = usd("machine", "usd_per_gib_hour_of_ram") * HOURS_PER_MONTH * decimal_of_float(ram) / GIB
    storage = usd("machine", "usd_per_gb_month_of_disk") * decimal_of_float(disk) / GB
    return rounded_usd(memory + storage)


def object_store_month(stored: int) -> Decimal | None:
    """USD a month for bytes in S3 Standard; None: no price is known."""
    found = storage_month_usd("aws", "us-east-1", stored)
    return None if found is None else rounded_usd(found)


def s3_vectors(vectors: int, bytes_each: float) -> ServiceCharges:
    """S3 Vectors: what is put, what lies there, and the vectors a second of one index."""
    stored = decimal_of_float(vectors * bytes_each) / GB
    load = stored * usd("s3vectors", "put_usd_per_gb")
    hours = vectors / number("s3vectors", "vectors_per_second") / SECONDS_PER_HOUR
    return _bill(load, load, stored * usd("s3vectors", "usd_per_gb_month"), hours)


def pinecone(vectors: int, bytes_each: float) -> ServiceCharges:
    """Pinecone: write units by the KB, whole ones for each record or for each request."""
    unit = number("pinecone", "wu_bytes")
    price = usd("pinecone", "usd_per_million_wu") / MILLION
    low, high = vectors * bytes_each / unit, vectors * ceil(bytes_each / unit)
    month = decimal_of_float(vectors * bytes_each) / GB * usd("pinecone", "usd_per_gb_month")
    return _bill(price * decimal_of_float(low), price * high, month)


def turbopuffer(vectors: int, dimensions: int, stored_each: float, id_bytes: float) -> ServiceCharges:
    """Turbopuffer: every dimension is written as 4 bytes, with up to half off in batches; stored by the type."""
    written = decimal_of_float(vectors * (WRITTEN_BYTES_PER_DIMENSION * dimensions + id_bytes)) / GB
    high = written * usd("turbopuffer", "usd_per_gb_written")
    low = high * decimal_of_float(number("turbopuffer", "least_write_share"))
    month = decimal_of_float(vectors * stored_each) / GB * usd("turbopuffer", "usd_per_gb_month")
    return _bill(low, high, month)


def weaviate_cloud(vectors: int, dimensions: int, stored_each: float) -> ServiceCharges:
    """Weaviate Cloud: stored dimensions by the million, and disk by the GiB, both by the month."""
    numbers = Decimal(vectors * dimensions) / MILLION * usd("weaviate", "usd_per_million_dims_month")
    disk = decimal_of_float(vectors * stored_each) / GIB * usd("weaviate", "usd_per_gib_month")
    return _bill(Decimal(0), Decimal(0), numbers + disk)


def _build(asked: VectorSet, rows_per_second: float) -> float:
    depth = log(max(2, asked.vectors)) / log(number("build", "measured_vectors"))
    return _scaled(asked, rows_per_second, depth)


def _scaled(asked: VectorSet, rows_per_second: float, factor: float) -> float:
    wide = asked.dimensions / number("build", "measured_dims")
    return asked.vectors / rows_per_second * wide * factor / SECONDS_PER_HOUR
