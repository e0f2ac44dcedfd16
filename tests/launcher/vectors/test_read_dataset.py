"""Reading a dataset gives exactly its rows, in every dtype, and refuses files that are not what it lists."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.corpus.incremental import write_base_dataset
from launcher.output.dataset import write_dataset
from launcher.vectors.read_dataset import Dataset, open_dataset
from tasks.errors import Problem
from tasks.protocol import manifest
from tasks.stores.folder import FolderStore
from tests.support.vector_runs import incremental_run, run_of_dtype

DTYPES = ("float32", "float16", "int8", "binary")


def matrix(table: pa.Table) -> Any:
    column: Any = table.column("vector").combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(table.num_rows, -1)


def whole(dataset: Dataset, **options: Any) -> pa.Table:
    return dataset.reader(**options).read_all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_read_as_unit_vectors(dtype: str, tmp_path: Path) -> None:
    truth = matrix(whole(open_dataset(run_of_dtype(tmp_path, "float32"))))
    (tmp_path / "other").mkdir()
    found = open_dataset(run_of_dtype(tmp_path / "other", dtype))
    table = whole(found)
    assert table.schema.names == ["id", "chunk", "vector"]
    assert table.column("id").to_pylist() == [f"{file}-{n}" for file in range(3) for n in range(10)]
    vectors = matrix(table)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(30), abs=0.02)
    cosines = (vectors * truth).sum(1) / np.linalg.norm(vectors, axis=1)
    assert cosines.min() > (0.6 if dtype == "binary" else 0.999)
    assert (found.rows, found.dimensions) == (30, 32)
    assert table.schema.metadata[b"embedfleet.stored_dtype"].decode() == dtype


@pytest.mark.parametrize(
    ("dtype", "numbers", "width"),
    [("float16", "halffloat", 32), ("int8", "int8", 32), ("binary", "uint8", 4)],
)
def test_stored_numbers_are_those_of_the_files(dtype: str, numbers: str, width: int, tmp_path: Path) -> None:
    table = whole(open_dataset(run_of_dtype(tmp_path, dtype)), form="stored")
    kind = cast("Any", table.schema.field("vector").type)
    assert (str(kind.value_type), kind.list_size) == (numbers, width)
    assert ("scale" in table.schema.names) == (dtype == "int8")


def test_incremental_run_gives_each_row_once(tmp_path: Path) -> None:
    ids = incremental_run(tmp_path)
    dataset = open_dataset(str(tmp_path / "out"))  # of two runs the newer
    assert whole(dataset).column("id").to_pylist() == ids
    older = next(
        path.name for path in (tmp_path / "out" / "_embedfleet").iterdir() if path.name != dataset.run
    )
    assert whole(open_dataset(str(tmp_path / "out"), older)).num_rows == 7
    with pytest.raises(Problem, match="2 runs begin with 'small'"):
        open_dataset(str(tmp_path / "out"), "small")


def test_columns_are_chosen_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    dataset = open_dataset(run_of_dtype(tmp_path, "int8"))
    assert whole(dataset, columns=["vector", "id"]).schema.names == ["vector", "id"]
    with pytest.raises(Problem, match="no column 'titel'") as wrong:
        whole(dataset, columns=["titel"])
    assert "id, chunk, vector" in wrong.value.hint


def test_runs_with_other_settings_are_not_mixed_up(tmp_path: Path) -> None:
    output = run_of_dtype(tmp_path, "float32")
    run_of_dtype(tmp_path, "float16", run="run-2")
    with pytest.raises(Problem, match="run-2 and run-1 differ in dtype") as unclear:
        open_dataset(output)
    assert "name the run" in unclear.value.hint
    assert open_dataset(output, "run-1").header.dtype == "float32"


def test_run_that_goes_on_has_no_dataset(tmp_path: Path) -> None:
    output = run_of_dtype(tmp_path, "float32")
    (tmp_path / "out" / "_embedfleet" / "run-1" / "dataset.parquet").unlink()
    with pytest.raises(Problem, match="has not finished"):
        open_dataset(output)


def test_folder_without_runs_says_so(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no run under"):
        open_dataset(str(tmp_path))


def test_file_that_is_gone_or_another_is_refused(tmp_path: Path) -> None:
    dataset = open_dataset(run_of_dtype(tmp_path, "float32"))
    path = tmp_path / "out" / dataset.files[1].key
    good = path.read_bytes()
    pq.write_table(pq.read_table(path).slice(0, 4), path)
    with pytest.raises(Problem, match="has 4 rows, not 10"):
        whole(dataset)
    path.write_bytes(good[:-20])
    with pytest.raises(Problem, match="cannot be read"):
        whole(dataset)
    path.unlink()
    with pytest.raises(Problem, match="is missing"):
        whole(dataset)


def test_batches_are_small_where_vectors_are_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launcher.vectors.read_dataset.BATCH_VECTOR_BYTES", 4 * 32 * 4)
    sizes = [batch.num_rows for batch in open_dataset(run_of_dtype(tmp_path, "int8")).batches()]
    assert max(sizes) == 4
    assert sum(sizes) == 30


def test_dataset_that_lists_vectors_of_another_model_is_refused(tmp_path: Path) -> None:
    output = run_of_dtype(tmp_path, "float32", model_fingerprint="sha256:" + "1" * 64)
    store = FolderStore(Path(output))
    header = manifest.read_header(store, "run-1")
    later = replace(header, run="run-2", shards=0, model_fingerprint="sha256:" + "2" * 64)
    shards = [("run-1", shard.id) for shard in manifest.all_shards(store, header)]
    manifest.write(store, later, [])
    write_base_dataset(store, "run-2", shards)
    write_dataset(store, later, [])
    with pytest.raises(Problem, match="lists files of run run-1, whose model_fingerprint is sha256:111"):
        open_dataset(output, "run-2")


def test_file_of_another_model_that_was_mixed_in_by_hand_is_refused(tmp_path: Path) -> None:
    output = run_of_dtype(tmp_path, "float32", model_fingerprint="sha256:" + "1" * 64)
    dataset = open_dataset(output)
    other = pq.read_table(Path(output) / dataset.files[1].key)
    about = dict(other.schema.metadata or {}) | {b"embedfleet.model_fingerprint": b"sha256:" + b"2" * 64}
    pq.write_table(other.replace_schema_metadata(about), Path(output) / dataset.files[1].key)
    with pytest.raises(
        Problem, match="is of another model: fingerprint sha256:222222222222, not sha256:1111"
    ):
        whole(dataset)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_changed_byte_of_a_vector_is_refused(dtype: str, tmp_path: Path) -> None:
    found = open_dataset(run_of_dtype(tmp_path, dtype))
    path = tmp_path / "out" / found.files[1].key
    column = pq.read_metadata(path).row_group(0).column(2)
    first = column.dictionary_page_offset or column.data_page_offset
    place = first + column.total_compressed_size - 1
    body = bytearray(path.read_bytes())
    body[place] ^= 1
    path.write_bytes(body)
    with pytest.raises(Problem, match=r"cannot be read: .*checksum"):
        whole(found)
