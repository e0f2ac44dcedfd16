"""The file of vectors, as any Parquet reader sees it."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.engines.base import Vectors
from tasks.formats.vectors import vector_file
from tasks.formats.vectors.quantize import dequantize
from tasks.formats.vectors.vector_file import VectorFileWriter, sha256_of
from tasks.protocol.dtypes import Dtype

META = {"run": "reviews", "model": "hash"}


def numbers(rows: int, dimensions: int = 4) -> Vectors:
    return np.random.default_rng(7).standard_normal((rows, dimensions)).astype(np.float32)


def written(path: Path, vectors: Vectors, dtype: Dtype = "float32") -> Path:
    ids = [f"d{n}" for n in range(len(vectors))]
    with VectorFileWriter(path, vectors.shape[1], dtype, (), META) as out:
        out.add(ids, [0] * len(ids), vectors)
    return path


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_columns_are_id_chunk_and_a_vector_of_fixed_size(tmp_path: Path, dtype: Dtype) -> None:
    schema = pq.read_schema(written(tmp_path / "v.parquet", numbers(3), dtype))
    element = pa.float32() if dtype == "float32" else pa.float16()
    assert schema.names == ["id", "chunk", "vector"]
    assert schema.field("id").type == pa.string()
    assert schema.field("chunk").type == pa.int32()
    assert schema.field("vector").type == pa.list_(pa.field("element", element, nullable=False), 4)
    assert not any(field.nullable for field in schema)


def test_float32_vectors_come_back_bit_by_bit(tmp_path: Path) -> None:
    vectors = numbers(50)
    table = pq.read_table(written(tmp_path / "v.parquet", vectors))
    assert np.array_equal(np.stack(list(table["vector"].to_numpy())), vectors)


def test_float16_vectors_are_the_nearest(tmp_path: Path) -> None:
    vectors = numbers(50)
    table = pq.read_table(written(tmp_path / "v.parquet", vectors, "float16"))
    assert np.array_equal(np.stack(list(table["vector"].to_numpy())), vectors.astype(np.float16))


def test_the_file_says_where_it_comes_from(tmp_path: Path) -> None:
    found: Any = pq.read_schema(written(tmp_path / "v.parquet", numbers(1))).metadata
    assert found == {
        b"embedfleet.run": b"reviews",
        b"embedfleet.model": b"hash",
        b"embedfleet.dtype": b"float32",
        b"embedfleet.dimensions": b"4",
    }


def test_pandas_reads_it(tmp_path: Path) -> None:
    frame: Any = pd.read_parquet(written(tmp_path / "v.parquet", numbers(3)))
    assert list(frame["id"]) == ["d0", "d1", "d2"]
    assert frame["vector"][0].tolist() == numbers(3)[0].tolist()


def test_small_additions_share_a_row_group(tmp_path: Path) -> None:
    with VectorFileWriter(tmp_path / "v.parquet", 4, "float32", (), META) as out:
        out.add(["a", "b"], [0, 1], numbers(2))
        out.add(["c"], [0], numbers(1))
    assert out.rows == 3
    assert pq.read_metadata(tmp_path / "v.parquet").num_row_groups == 1


def test_nothing_added_is_no_row_group(tmp_path: Path) -> None:
    with VectorFileWriter(tmp_path / "v.parquet", 4, "float32", (), META) as out:
        out.add([], [], numbers(0))
    assert pq.read_metadata(tmp_path / "v.parquet").num_row_groups == 0


def test_a_file_of_no_rows_is_readable(tmp_path: Path) -> None:
    path = written(tmp_path / "v.parquet", numbers(0))
    frame: Any = pd.read_parquet(path)
    assert list(frame.columns) == ["id", "chunk", "vector"]
    assert len(frame) == 0


def test_a_part_of_the_dimensions_may_be_a_view(tmp_path: Path) -> None:
    wide = numbers(3, 8)
    with VectorFileWriter(tmp_path / "v.parquet", 4, "float32", (), META) as out:
        out.add(["a", "b", "c"], [0, 0, 0], wide[:, :4])
    table = pq.read_table(tmp_path / "v.parquet")
    assert np.array_equal(np.stack(list(table["vector"].to_numpy())), wide[:, :4])


def test_vectors_are_not_compressed_and_ids_are(tmp_path: Path) -> None:
    group = pq.read_metadata(written(tmp_path / "v.parquet", numbers(3))).row_group(0)
    found = {group.column(n).path_in_schema: group.column(n).compression for n in range(group.num_columns)}
    assert found == {"id": "ZSTD", "chunk": "ZSTD", "vector.list.element": "UNCOMPRESSED"}


def test_the_same_rows_make_the_same_file(tmp_path: Path) -> None:
    first = written(tmp_path / "1.parquet", numbers(50))
    assert sha256_of(first) == sha256_of(written(tmp_path / "2.parquet", numbers(50)))


def test_a_digest_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"vectors")
    assert sha256_of(tmp_path / "file") == sha256(b"vectors").hexdigest()


# --- row groups


def test_row_groups_hold_as_many_rows_as_allowed_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_file, "GROUP_ROWS", 100)
    with VectorFileWriter(tmp_path / "v.parquet", 4, "float32") as out:
        for first in range(0, 250, 30):
            count = min(30, 250 - first)  # not where the groups end
            out.add([f"d{first + n}" for n in range(count)], [0] * count, numbers(count))
    meta = pq.read_metadata(tmp_path / "v.parquet")
    assert [meta.row_group(n).num_rows for n in range(meta.num_row_groups)] == [100, 100, 50]
    assert pq.read_table(tmp_path / "v.parquet")["id"].to_pylist() == [f"d{n}" for n in range(250)]


def test_one_large_addition_becomes_several_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_file, "GROUP_BYTES", 4 * 4 * 64)
    path = written(tmp_path / "v.parquet", numbers(150))
    meta = pq.read_metadata(path)
    assert [meta.row_group(n).num_rows for n in range(meta.num_row_groups)] == [64, 64, 22]


def test_long_kept_texts_make_smaller_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_file, "GROUP_KEPT_CHARACTERS", 100)
    with VectorFileWriter(tmp_path / "v.parquet", 4, "float32", ["text"]) as out:
        for n in range(4):
            out.add([f"d{n}"], [0], numbers(1), [["x" * 60]])
    assert pq.read_metadata(tmp_path / "v.parquet").num_row_groups == 2


# --- what is kept


def test_kept_columns_are_stored_with_the_vectors_in_order(tmp_path: Path) -> None:
    with VectorFileWriter(tmp_path / "v.parquet", 4, "float32", ["title", "année"]) as out:
        out.add(["a", "b"], [0, 0], numbers(2), [["Ünïcödé 😀", "1999"], [None, "[1, 2]"]])
    table = pq.read_table(tmp_path / "v.parquet")
    assert table.schema.names == ["id", "chunk", "vector", "title", "année"]
    assert table["title"].to_pylist() == ["Ünïcödé 😀", None]
    assert table["année"].to_pylist() == ["1999", "[1, 2]"]


# --- fewer bits


def read_back(path: Path) -> Vectors:
    """Dequantize as a reader of the metadata would."""
    return dequantize(pq.read_table(path))


def units(rows: int, dimensions: int) -> Vectors:
    found = numbers(rows, dimensions)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("dimensions", [32, 384, 1024])
def test_int8_vectors_point_where_they_pointed(tmp_path: Path, dimensions: int) -> None:
    vectors = units(200, dimensions)
    back = read_back(written(tmp_path / "v.parquet", vectors, "int8"))
    cosines = (back * vectors).sum(1) / np.linalg.norm(back, axis=1)
    assert cosines.min() > 0.9998


def test_int8_has_a_byte_a_dimension_and_a_scale_a_row(tmp_path: Path) -> None:
    schema = pq.read_schema(written(tmp_path / "v.parquet", units(3, 16), "int8"))
    assert schema.names == ["id", "chunk", "vector", "scale"]
    assert schema.field("vector").type == pa.list_(pa.field("element", pa.int8(), nullable=False), 16)
    assert schema.field("scale").type == pa.float32()


def test_binary_has_a_bit_a_dimension_which_is_the_sign(tmp_path: Path) -> None:
    vectors = units(50, 64)
    path = written(tmp_path / "v.parquet", vectors, "binary")
    assert pq.read_schema(path).field("vector").type == pa.list_(
        pa.field("element", pa.uint8(), nullable=False), 8
    )
    assert np.array_equal(read_back(path) > 0, vectors > 0)
