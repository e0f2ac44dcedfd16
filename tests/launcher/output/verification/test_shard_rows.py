"""Rows of a finished run that are missing, double, in another order or wrong."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.launcher.output.verification.damaged_run import DOCUMENTS, FILES, Finished, finish
from tests.support.runs import write_jsonl


def test_extra_row_is_found(run: Finished) -> None:
    count = run.signed(1)["chunks"]
    run.rewrite(1, lambda t: pa.concat_tables([t, t.slice(0, 1)]))
    faults = run.faults()
    assert f"shard 1: {count + 1} rows, but its receipt says {count}" in faults
    assert any(f.startswith("1 row has an id that another row has, too") for f in faults)


def test_row_of_no_document_is_found(run: Finished) -> None:
    def stray(table: pa.Table) -> pa.Table:
        row = table.slice(0, 1)
        return pa.concat_tables([table, row.set_column(0, row.schema.field(0), pa.array(["stray"]))])

    run.rewrite(1, stray, chunks=run.signed(1)["chunks"] + 1)
    assert run.faults() == ["shard 1: 0 documents of the input missing, 1 not in the input"]


def test_missing_document_is_found(run: Finished) -> None:
    run.rewrite(1, lambda t: t.slice(1), chunks=run.signed(1)["chunks"] - 1)  # the first has one chunk
    assert run.faults() == ["shard 1: 1 document of the input missing, 0 not in the input"]


def test_missing_chunk_is_found(run: Finished) -> None:
    last = run.signed(1)["chunks"] - 1

    def without(table: pa.Table) -> pa.Table:
        return pa.concat_tables([table.slice(0, last - 1), table.slice(last)])

    run.rewrite(1, without, chunks=last)
    (fault,) = run.faults()
    assert fault.startswith("shard 1: '1-5' has chunk ")


def reordered(*order: int) -> Callable[[pa.Table], pa.Table]:
    """Reorder the first rows: two documents of one chunk, then one of two."""
    return lambda t: pa.concat_tables([t.take(list(order)), t.slice(len(order))])


def test_first_documents_have_one_one_and_two_chunks(run: Finished) -> None:
    """The tests of order rely on this."""
    assert pq.read_table(run.data(1))["id"].to_pylist()[:5] == ["1-0", "1-1", "1-2", "1-2", "1-3"]


def test_documents_in_another_order_are_found(run: Finished) -> None:
    run.rewrite(1, reordered(0, 2, 3, 1))
    assert run.faults() == ["shard 1: its documents are not in the order of the input, from '1-2' on"]


def test_chunks_in_another_order_are_found(run: Finished) -> None:
    run.rewrite(1, reordered(0, 1, 3, 2))
    assert run.faults() == [
        "shard 1: '1-2' has chunk 1 where chunk 0 is expected",
        "shard 1: 0 documents of the input missing, 1 not in the input",
    ]


def test_document_twice_in_the_output_is_found(run: Finished) -> None:
    run.rewrite(1, lambda t: pa.concat_tables([t.slice(0, 1), t]), chunks=run.signed(1)["chunks"] + 1)
    assert run.faults() == [
        "shard 1: 0 documents of the input missing, 1 not in the input",
        "1 row has an id that another row has, too, such as '1-0' in 1.jsonl twice",
    ]


def test_document_in_the_place_of_another_is_found(run: Finished) -> None:
    run.rewrite(1, lambda t: pa.concat_tables([t.take([3]), t.slice(1)]))
    assert "shard 1: 1 document of the input missing, 1 not in the input" in run.faults()


def test_missing_first_chunk_is_found(run: Finished) -> None:
    run.rewrite(
        1, lambda t: pa.concat_tables([t.slice(0, 2), t.slice(3)]), chunks=run.signed(1)["chunks"] - 1
    )
    assert run.faults() == ["shard 1: '1-2' has chunk 1 where chunk 0 is expected"]


def test_missing_last_document_is_found(run: Finished) -> None:
    table = pq.read_table(run.data(1))
    rows = sum(1 for name in table["id"].to_pylist() if name != f"1-{DOCUMENTS - 1}")
    run.rewrite(1, lambda t: t.slice(0, rows), chunks=rows)
    assert run.faults() == ["shard 1: 1 document of the input missing, 0 not in the input"]


def test_output_without_rows_is_found(run: Finished) -> None:
    run.rewrite(1, lambda t: t.slice(0, 0), chunks=0)
    assert run.faults() == [f"shard 1: {DOCUMENTS} documents of the input missing, 0 not in the input"]


def scaled(factor: float) -> Callable[[pa.Table], pa.Table]:
    """Multiply the first vector."""

    def change(table: pa.Table) -> pa.Table:
        column: Any = table["vector"].combine_chunks()
        flat = column.flatten().to_numpy(zero_copy_only=False).copy()
        flat[: column.type.list_size] *= np.float32(factor)
        return table.set_column(
            2, table.schema.field(2), pa.FixedSizeListArray.from_arrays(pa.array(flat), type=column.type)
        )

    return change


@pytest.mark.parametrize("factor", [0.0, 0.99, 1.01, float("nan"), float("inf")])
def test_vector_of_another_length_is_found(run: Finished, factor: float) -> None:
    run.rewrite(1, scaled(factor))
    assert run.faults() == ["shard 1: 1 vector not of length 1"]


def test_wrong_direction_is_found_by_embedding_again(run: Finished) -> None:
    run.rewrite(1, scaled(-1.0))
    assert run.faults() == []
    report = run.verify(embed_again=True)
    assert report.worst_cosine is not None
    assert report.worst_cosine < -0.999
    assert report.faults == ("'1-0' chunk 0: embedded again, its cosine is -1.0000",)


# --- ids


def test_duplicate_id_in_the_corpus_is_found(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for file in range(2):
        rows = [{"id": "same" if n == 1 else f"{file}-{n}", "text": f"{n} of {file}"} for n in range(3)]
        write_jsonl(tmp_path / "in" / f"{file}.jsonl", rows)
    assert finish(tmp_path).faults() == [
        "1 row has an id that another row has, too, such as 'same' in 0.jsonl and 1.jsonl"
    ]


def test_neighbours_with_one_id_count_as_two_documents(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    names = ["a", "same", "same", "b", "a"]
    write_jsonl(tmp_path / "in" / "0.jsonl", [{"id": n, "text": f"{i} words"} for i, n in enumerate(names)])
    report = finish(tmp_path).verify(embed_again=True)
    assert report.faults == (
        "2 rows have an id that another row has, too, such as 'a' in 0.jsonl twice, 'same' in 0.jsonl twice",
    )
    assert report.documents == len(names)
    assert report.resampled == 1  # the texts of the others are ambiguous


def test_missing_second_document_of_an_id_is_found(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [{"id": n, "text": f"{i} words"} for i, n in enumerate(["a", "same", "b", "same"])]
    write_jsonl(tmp_path / "in" / "0.jsonl", rows)
    found = finish(tmp_path)
    found.rewrite(0, lambda t: t.slice(0, 3), chunks=3)
    assert found.faults() == ["shard 0: 1 document of the input missing, 0 not in the input"]


# --- reduced precision


def turned(angle: float) -> Callable[[pa.Table], pa.Table]:
    """Turn every vector in the plane of its first two numbers' axes: what a less exact computation does, but known."""

    def change(table: pa.Table) -> pa.Table:
        column: Any = table["vector"].combine_chunks()
        rows = column.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1).copy()
        side = np.roll(rows, 1, axis=1)
        side -= (side * rows).sum(1, keepdims=True) * rows
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        rows = (np.cos(angle) * rows + np.sin(angle) * side).astype(np.float32)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), type=column.type)
        return table.set_column(2, table.schema.field(2), vectors)

    return change


@pytest.mark.parametrize(("angle", "faulty"), [(0.24, False), (0.40, True)])  # cosines of 0.971 and 0.921
def test_run_in_fp8_may_be_less_exact_and_not_wrong(run: Finished, angle: float, faulty: bool) -> None:
    for position in range(FILES):
        run.rewrite(position, turned(angle))
    assert run.verify(embed_again=True).fault_count > 0
    reduced = Finished(run.root, replace(run.header, precision="fp8"))
    assert (reduced.verify(embed_again=True).fault_count > 0) == faulty
