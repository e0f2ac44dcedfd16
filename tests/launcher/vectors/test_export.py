"""An export holds every row of the dataset, is whole or absent, and overwrites nothing."""

# the stubs of pyarrow are generic in what a file decides; lance and datasets have none
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.errors import Usage
from launcher.vectors import export_formats
from launcher.vectors.export import export
from launcher.vectors.read_dataset import Dataset, open_dataset
from tasks.errors import Problem
from tests.support.vector_runs import incremental_run, run_of_dtype

IDS = [f"{file}-{n}" for file in range(3) for n in range(10)]


@pytest.fixture(scope="module", params=["float32", "float16", "int8", "binary"])
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(run_of_dtype(tmp_path_factory.mktemp("run"), request.param))


def rows_of(table: pa.Table) -> Any:
    rows: Any = table.column("vector").to_pylist()
    return np.stack(rows)


def expected(dataset: Dataset) -> Any:
    return rows_of(dataset.reader().read_all())


def test_one_parquet_file_has_every_row(dataset: Dataset, tmp_path: Path) -> None:
    found = export(dataset, tmp_path / "new" / "all.parquet")
    table = pq.read_table(tmp_path / "new" / "all.parquet")
    assert table.column("id").to_pylist() == IDS
    assert found.dtype == ("float16" if dataset.header.dtype == "float16" else "float32")
    assert np.allclose(rows_of(table), expected(dataset))
    assert found.bytes == (tmp_path / "new" / "all.parquet").stat().st_size
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["all.parquet"]


def test_stored_numbers_are_exported_on_request(dataset: Dataset, tmp_path: Path) -> None:
    export(dataset, tmp_path / "all.parquet", "stored")
    stored = dataset.reader("stored").read_all()
    assert pq.read_table(tmp_path / "all.parquet").equals(stored)


def test_numpy_matrix_has_its_ids_beside_it(dataset: Dataset, tmp_path: Path) -> None:
    export(dataset, tmp_path / "all.npy")
    vectors = np.load(tmp_path / "all.npy", mmap_mode="r")
    assert vectors.dtype == (np.float16 if dataset.header.dtype == "float16" else np.float32)
    assert np.allclose(vectors, expected(dataset))
    assert pq.read_table(tmp_path / "all.ids.parquet").column("id").to_pylist() == IDS


def test_hugging_face_loads_the_folder(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(export_formats, "ROWS_OF_A_SHARD", 13)  # several files, cut within a batch
    export(dataset, tmp_path / "folder")
    assert len(list((tmp_path / "folder").glob("*.arrow"))) == 3
    found = datasets.load_from_disk(str(tmp_path / "folder"))
    assert found["id"][:] == IDS
    assert np.allclose(np.asarray(found["vector"][:], np.float32), expected(dataset))


def test_lance_opens_the_folder(dataset: Dataset, tmp_path: Path) -> None:
    lance = pytest.importorskip("lance")
    export(dataset, tmp_path / "all.lance")
    table = lance.dataset(str(tmp_path / "all.lance")).to_table()
    assert table.column("id").to_pylist() == IDS
    assert np.allclose(rows_of(table), expected(dataset))


def test_nothing_is_overwritten(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "all.ids.parquet").write_text("mine")
    with pytest.raises(Problem, match=r"all\.ids\.parquet exists already"):
        export(dataset, tmp_path / "all.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["all.ids.parquet"]


def test_export_that_fails_leaves_nothing(dataset: Dataset, tmp_path: Path) -> None:
    lost = type(dataset.files[0])("data/gone.parquet", 10, 10)
    broken = type(dataset)(dataset.store, "out", dataset.header, (*dataset.files, lost), dataset.stored)
    for name in ("all.parquet", "all.npy", "folder"):
        with pytest.raises(Problem, match="is missing"):
            export(broken, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_ending_that_means_nothing_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(Usage, match="cannot tell the format"):
        export(dataset, tmp_path / "all.csv")


def test_export_of_an_incremental_run_has_each_row_once(tmp_path: Path) -> None:
    ids = incremental_run(tmp_path, output="{path: out, dtype: int8, keep: [title]}")
    export(open_dataset(str(tmp_path / "out")), tmp_path / "all.parquet")
    table = pq.read_table(tmp_path / "all.parquet")
    assert table.column("id").to_pylist() == ids
    assert table.column("title").to_pylist()[:2] == ["T0", "T1"]


def test_parquet_for_milvus_is_lists_without_an_arrow_schema(dataset: Dataset, tmp_path: Path) -> None:
    found = export(dataset, tmp_path / "rows.parquet", how="milvus")
    file = pq.ParquetFile(tmp_path / "rows.parquet")
    assert b"ARROW:schema" not in (file.metadata.metadata or {})
    table = file.read()
    assert str(table.schema.field("vector").type) == "list<element: float>"
    assert (found.dtype, table.column("key").to_pylist()) == ("float32", [f"{one}:0" for one in IDS])
    assert np.allclose(rows_of(table), expected(dataset))


def test_stored_numbers_are_nothing_for_milvus(dataset: Dataset, tmp_path: Path) -> None:
    if dataset.header.dtype == "float32":
        assert export(dataset, tmp_path / "rows.parquet", "float32", "milvus").rows == len(IDS)
        return
    with pytest.raises(Usage, match="Milvus imports vectors of float32"):
        export(dataset, tmp_path / "rows.parquet", "stored", "milvus")
