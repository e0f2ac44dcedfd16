"""Sizes of a set of vectors in services, and what they bill by their list prices. Pure."""

from launcher.index_sizes import charges
from launcher.index_sizes.charges import ServiceCharges
from launcher.index_sizes.element_types import NO_BITS_TYPE, ONLY_FLOAT32, width_of
from launcher.index_sizes.size import IndexSize, VectorSet
from pricing.charges.vector_stores import number

S3_LIMIT = "an index takes 2,500 vectors a second: spread them over several for less time"


def _service(
    asked: VectorSet, store: str, index: str, bytes_each: float, bill: ServiceCharges, *notes: str
) -> IndexSize:
    """An index that a service bills by its bytes."""
    return IndexSize(
        store=store,
        index=index,
        service=True,
        ram_bytes=None,
        disk_bytes=round(bytes_each * asked.vectors),
        build_core_hours=None,
        load_usd=bill.load,
        load_hours=None,
        load_hours_least=bill.hours_least,
        usd_per_month=bill.month,
        basis="the service's list prices",
        notes=notes,
    )


def s3vectors(asked: VectorSet) -> IndexSize:
    """Amazon S3 Vectors."""
    name, width = width_of(asked, ONLY_FLOAT32)
    each = width + asked.id_bytes
    return _service(asked, "s3vectors", name, each, charges.s3_vectors(asked.vectors, each), S3_LIMIT)


def pinecone(asked: VectorSet) -> IndexSize:
    """Pinecone Standard, by upserts."""
    name, width = width_of(asked, ONLY_FLOAT32)
    each = width + asked.id_bytes
    least = "Standard bills $50 a month at least"
    return _service(asked, "pinecone", name, each, charges.pinecone(asked.vectors, each), least)


def turbopuffer(asked: VectorSet) -> IndexSize:
    """Turbopuffer, Launch and Scale."""
    name, width = width_of(asked, NO_BITS_TYPE)
    each = width + asked.id_bytes
    bill = charges.turbopuffer(asked.vectors, asked.dimensions, each, asked.id_bytes)
    return _service(asked, "turbopuffer", name, each, bill, "it bills $16 a month at least")


def weaviate_cloud(asked: VectorSet) -> IndexSize:
    """Weaviate Cloud Flex, not quantised: every dimension by the month, and what lies on disk; writing is free."""
    name, width = width_of(asked, ONLY_FLOAT32)
    each = width + number("hnsw", "link_bytes") * asked.links
    bill = charges.weaviate_cloud(asked.vectors, asked.dimensions, each)
    return _service(asked, "weaviate-cloud", name, each, bill, "Flex bills $45 a month at least")
