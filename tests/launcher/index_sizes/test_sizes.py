"""Sizes of a set of vectors in each store, and what would save."""

from decimal import Decimal

import pytest

from launcher.errors import Usage
from launcher.index_sizes.document import size_document
from launcher.index_sizes.graphs import diskann_disk, faiss_hnsw, faiss_ivf, hnsw
from launcher.index_sizes.size import IndexSize, VectorSet
from launcher.index_sizes.sizes import STORES, sizes

BILLION = VectorSet(10**9, 1024, "float32")


def one(asked: VectorSet, store: str) -> IndexSize:
    found, left_out = sizes(asked, [store])
    assert found, left_out
    return found[0]


def test_sizes_of_20000_vectors_are_those_that_were_measured() -> None:
    assert hnsw(4 * 384, 16) == pytest.approx(1684)
    assert faiss_hnsw(4 * 384, 16) == pytest.approx(1680, rel=0.001)
    assert faiss_hnsw(2 * 384, 16) == pytest.approx(912, rel=0.001)
    assert faiss_ivf(20_000, 384, 4 * 384, 128) == pytest.approx(1554, rel=0.001)
    assert diskann_disk(4 * 384) == 2048
    assert diskann_disk(4 * 1024) == 8192
    assert diskann_disk(1024) == pytest.approx(1365, abs=1)


def test_a_billion_vectors_of_1024_dimensions() -> None:
    assert one(BILLION, "pgvector").ram_bytes == 8_192_000_000_000
    assert one(BILLION, "milvus").ram_bytes == 4_244_000_000_000
    put = one(BILLION, "s3vectors")
    assert put.load_usd is not None
    assert put.load_usd.high == Decimal("822.4")
    assert put.usd_per_month == Decimal("246.72")
    assert put.load_hours_least == pytest.approx(111.1, abs=0.1)
    dear = one(BILLION, "pinecone").load_usd
    assert dear is not None
    assert (dear.low, dear.high) == (Decimal(16448), Decimal(20000))


def test_every_store_has_a_size_or_a_reason() -> None:
    for dtype in ("float32", "float16", "int8", "binary"):
        found, left_out = sizes(VectorSet(1_000, 384, dtype))
        assert {size.store for size in found} | set(left_out) == set(STORES)
        assert all(size.disk_bytes for size in found)
        assert all(size.service or size.ram_bytes or size.store.startswith("lance") for size in found)


def test_more_vectors_are_never_smaller_or_cheaper() -> None:
    few, many = (
        {s.store: s for s in sizes(VectorSet(count, 768, "float16"))[0]} for count in (10_000, 1_000_000)
    )
    for store, size in few.items():
        assert (size.disk_bytes or 0) < (many[store].disk_bytes or 0)
        if size.usd_per_month is not None:
            assert size.usd_per_month < (many[store].usd_per_month or 0)


def test_unknown_is_none() -> None:
    assert one(BILLION, "faiss-ivfpq").build_core_hours is None
    assert one(BILLION, "faiss-ivfpq").load_usd is None
    assert one(BILLION, "lance").ram_bytes is None


def test_a_store_that_cannot_index_the_vectors_says_why() -> None:
    found, left_out = sizes(VectorSet(10, 5000, "float16"), ["pgvector"])
    assert not found
    assert "4,000 dimensions" in left_out["pgvector"]


def test_a_type_that_a_store_lacks_is_named() -> None:
    assert "halfvec" in one(VectorSet(10, 384, "int8"), "pgvector").index
    assert "halfvec" in one(VectorSet(10, 3072, "float32"), "pgvector").index


def test_a_family_is_named_by_its_store() -> None:
    assert [size.store for size in sizes(BILLION, ["qdrant"])[0]] == ["qdrant", "qdrant-int8"]


def test_an_unknown_store_is_a_usage_error() -> None:
    with pytest.raises(Usage, match="pgvektor") as refused:
        sizes(BILLION, ["pgvektor"])
    assert "pgvector" in refused.value.hint


def test_halfvec_and_944_dimensions_are_proposed_with_their_saving() -> None:
    found = {p.change: p for p in size_document("x", BILLION, ["pgvector"]).proposals}
    half = found["halfvec (dtype: float16)"]
    assert half.bytes_after < 0.45 * half.bytes_before
    fewer = found["944 dimensions: a page holds more"]
    assert fewer.bytes_after < 0.65 * fewer.bytes_before


def test_binary_alone_is_warned_of() -> None:
    (warning,) = size_document("x", VectorSet(10, 384, "binary")).warnings
    assert "0.669" in warning
    assert "rerank" in warning
    assert not size_document("x", BILLION).warnings
