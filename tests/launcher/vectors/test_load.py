"""Every library gets the same rows."""

# the libraries are optional, and their types are theirs
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from typing import Any

import numpy as np
import pytest

from launcher.errors import Problem, Usage
from launcher.vectors.load import load_as
from launcher.vectors.read_dataset import Dataset, open_dataset
from tests.support.vector_runs import run_of_dtype

IDS = [f"{file}-{n}" for file in range(3) for n in range(10)]


@pytest.fixture(scope="module", params=["float32", "float16", "int8", "binary"])
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(run_of_dtype(tmp_path_factory.mktemp("run"), request.param))


def expected(dataset: Dataset) -> Any:
    return np.stack([np.asarray(row) for row in dataset.reader().read_all().column("vector").to_pylist()])


def test_polars_is_lazy_and_can_be_collected_twice(dataset: Dataset) -> None:
    pl = pytest.importorskip("polars")
    frame = load_as(dataset, "polars")
    assert isinstance(frame, pl.LazyFrame)
    for _ in range(2):
        rows = frame.collect()
        assert rows["id"].to_list() == IDS
        assert np.allclose(rows["vector"].to_numpy(), expected(dataset))
    assert frame.filter(pl.col("id").str.starts_with("1-")).select("id", "chunk").collect().height == 10
    assert frame.head(3).collect()["id"].to_list() == IDS[:3]
    assert frame.select(pl.len()).collect().item() == 30


def test_pandas_has_every_row(dataset: Dataset) -> None:
    frame = load_as(dataset, "pandas")
    assert list(frame["id"]) == IDS
    assert np.allclose(np.stack(list(frame["vector"])), expected(dataset))


def test_duckdb_can_be_queried_again_and_again(dataset: Dataset) -> None:
    relation = load_as(dataset, "duckdb")
    for _ in range(2):
        assert relation.count("*").fetchall()[0][0] == 30
    first = relation.order("id").limit(1).fetchall()[0]
    assert first[0] == "0-0"
    assert np.allclose(first[2], expected(dataset)[0])


def test_stored_vectors_are_loaded_too(dataset: Dataset) -> None:
    for library in ("pandas", "polars", "duckdb"):
        if library == "duckdb" and dataset.header.dtype == "float16":
            with pytest.raises(Problem, match="DuckDB cannot take these vectors"):  # it has no half precision
                load_as(dataset, library, "stored")
            continue
        frame = load_as(dataset, library, "stored", ["id", "vector"])
        assert list(frame.collect_schema() if library == "polars" else frame.columns) == ["id", "vector"]


def test_unknown_library_is_refused(dataset: Dataset) -> None:
    with pytest.raises(Usage, match="no way to load as 'spark'"):
        load_as(dataset, "spark")
