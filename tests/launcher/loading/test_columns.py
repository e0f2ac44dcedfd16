"""A column of Arrow as a sequence: its values are those of a list, and are made only when they are looked at."""

import pyarrow as pa
import pytest

from launcher.loading.dataset_rows.columns import ArrowColumn, arrow_of, distinct

VALUES = ["a", None, "b", "a"]


def test_column_is_its_values() -> None:
    column = ArrowColumn(pa.array(VALUES))
    assert (len(column), list(column), column[2], column[-1]) == (4, VALUES, "b", "a")
    assert list(column[1:3]) == VALUES[1:3]
    assert list(column[2:99]) == VALUES[2:]
    assert list(column[5:9]) == []


def test_array_goes_through_without_values() -> None:
    array = pa.array(VALUES)
    assert arrow_of(ArrowColumn(array), pa.string()) is array
    assert arrow_of(ArrowColumn(array)[1:], pa.large_string()).to_pylist() == VALUES[1:]
    assert arrow_of(VALUES, pa.string()) == array


@pytest.mark.parametrize(
    ("ids", "chunks", "rows"),
    [(["a", "a"], [0, 1], 2), (["a", "a"], [0, 0], 1), (["a", "b"], [0, 0], 2), ([], [], 0)],
)
def test_rows_are_counted_by_all_columns(ids: list[str], chunks: list[int], rows: int) -> None:
    columns = [ArrowColumn(pa.array(ids, pa.string())), ArrowColumn(pa.array(chunks, pa.int32()))]
    assert distinct(columns) == rows
