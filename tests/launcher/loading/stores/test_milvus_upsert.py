"""Upserts of Milvus made of columns are those that its client makes of rows."""

# pymilvus is typed in part
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportMissingImports=false
from typing import Any

import numpy as np
import pytest

from launcher.loading.vector_store import Rows

pytest.importorskip("pymilvus", reason="no client of Milvus here: make e2e-load installs it")

from pymilvus import DataType
from pymilvus.client.prepare import Prepare

from launcher.loading.stores.milvus_upsert import upsert_request

IDS = ["a", 'quo"te', "nul\0 tab\t", "ünï 日本 🎉", "back\\slash", ""]
KEPT = {"title": ["one", None, 'x "y"', "é\n", "\\", ""], 'na"me': [None, None, "v", None, None, None]}
FIELDS = [
    {"name": "key", "type": DataType.VARCHAR, "is_primary": True, "params": {"max_length": 65_535}},
    {"name": "id", "type": DataType.VARCHAR, "params": {"max_length": 65_535}},
    {"name": "chunk", "type": DataType.INT32},
]


def of_the_client(rows: Rows, kind: Any, width: int) -> Any:
    """The request that pymilvus makes of dicts."""
    dicts = [
        {
            "key": f"{rows.ids[n]}:{rows.chunks[n]}",
            "id": rows.ids[n],
            "chunk": rows.chunks[n],
            "vector": rows.vectors[n].tobytes() if rows.vectors.dtype == np.uint8 else rows.vectors[n],
        }
        | {name: values[n] for name, values in rows.kept.items() if values[n] is not None}
        for n in range(len(rows))
    ]
    fields = [*FIELDS, {"name": "vector", "type": kind, "params": {"dim": width}}]
    return Prepare.row_upsert_param("docs", dicts, "", fields, enable_dynamic=True)


@pytest.mark.parametrize("dimensions", [1, 3, 32, 384])  # lengths of one byte and of several
@pytest.mark.parametrize("kept", [{}, KEPT], ids=["plain", "kept"])
def test_floats_are_those_of_the_client(dimensions: int, kept: dict[str, list[str | None]]) -> None:
    vectors = np.random.default_rng(1).normal(size=(6, dimensions)).astype(np.float32)
    vectors[0, 0], vectors[1, 0] = np.float32(1e-42), -0.0
    rows = Rows(IDS, [0, 1, 2, 3, 4, 70_000], vectors, kept)
    theirs = of_the_client(rows, DataType.FLOAT_VECTOR, dimensions)
    assert upsert_request("docs", "", rows) == theirs
    assert upsert_request("docs", "", rows).SerializeToString() == theirs.SerializeToString()


def test_bits_are_those_of_the_client() -> None:
    bits = np.random.default_rng(2).integers(0, 256, (6, 4), np.uint8)
    rows = Rows(IDS, [0] * 6, bits, KEPT)
    assert upsert_request("docs", "", rows) == of_the_client(rows, DataType.BINARY_VECTOR, 32)


def test_database_is_named() -> None:
    rows = Rows(["a"], [0], np.ones((1, 2), np.float32), {})
    assert upsert_request("docs", "other", rows).db_name == "other"
