"""The indexes of a Lance dataset: of the ids, and of the vectors in partitions with an HNSW graph each."""

# lance is typed in part
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportMissingImports=false
from collections.abc import Callable
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from launcher.loading.vector_store import Schema, Vectors
from launcher.sinks.index import IndexSpec

# Below it a search through all rows takes a few milliseconds, and k-means has too little to learn from.
LEAST_INDEXED_ROWS = 5_000
PARTITION_ROWS = 250_000  # of an IVF partition, each with a graph of its own
NPROBES, EF_SEARCH, REFINE = 20, 100, 2


def index_text(schema: Schema, index: IndexSpec) -> str:
    """The index of the vectors that `build_indexes` builds."""
    if index.kind == "none" or schema.rows < LEAST_INDEXED_ROWS:
        return "none: a search goes through all rows"
    partitions = _partitions(schema)
    if schema.element == "bits":
        return f"IVF_FLAT, hamming, {partitions} partitions"
    return (
        f"IVF_HNSW_SQ, cosine, {partitions} partitions, m={index.m}, ef_construction={index.ef_construction}"
    )


def build_indexes(there: "Callable[[], lance.LanceDataset]", schema: Schema, index: IndexSpec) -> None:
    """Index the ids and the vectors, or take new rows into the indexes that are there. `there` opens the dataset."""
    dataset = there()
    names = {found.name for found in dataset.describe_indices()}
    if names:
        dataset.optimize.optimize_indices()
    if schema.rows < LEAST_INDEXED_ROWS:
        return
    if "id_idx" not in names:
        dataset.create_scalar_index("id", "BTREE", name="id_idx")
    if "vector_idx" not in names and index.kind != "none":
        kind = "IVF_FLAT"
        about: dict[str, Any] = {"metric": "hamming"}
        if schema.element != "bits":
            kind = "IVF_HNSW_SQ"
            about = {"metric": "cosine", "m": index.m, "ef_construction": index.ef_construction}
        there().create_index("vector", kind, name="vector_idx", num_partitions=_partitions(schema), **about)


def nearest_rows(vector: Vectors, k: int, *, exact: bool) -> dict[str, Any]:
    """The `nearest` of a scan: by the index with its best candidates compared again in full, or through all rows."""
    nearest: dict[str, Any] = {
        "column": "vector",
        "q": pa.array(vector),
        "k": k,
        "use_index": not exact,
        "metric": "hamming" if vector.dtype == np.uint8 else "cosine",
    }
    if not exact:
        nearest |= {"nprobes": NPROBES, "ef": max(EF_SEARCH, k * REFINE), "refine_factor": REFINE}
    return nearest


def _partitions(schema: Schema) -> int:
    return max(1, round(schema.rows / PARTITION_ROWS))
