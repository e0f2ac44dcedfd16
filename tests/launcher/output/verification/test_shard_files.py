"""Files of a finished run that are missing, damaged or another's."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import hashlib
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.launcher.output.verification.damaged_run import Finished


def test_missing_file_is_found(run: Finished) -> None:
    key = run.signed(1)["key"]
    run.data(1).unlink()
    assert run.faults() == [f"shard 1: {key} is missing"]


@pytest.mark.parametrize("place", [0, 200, -1])
def test_flipped_byte_is_found(run: Finished, place: int) -> None:
    body = bytearray(run.data(1).read_bytes())
    body[place] ^= 1
    run.data(1).write_bytes(body)
    assert run.faults() == [
        f"shard 1: {run.signed(1)['key']} is not the file that its receipt names (SHA-256)"
    ]


def test_truncated_file_is_found(run: Finished) -> None:
    run.data(1).write_bytes(run.data(1).read_bytes()[:-10])
    assert run.faults() == [
        f"shard 1: {run.signed(1)['key']} is not the file that its receipt names (SHA-256)"
    ]


def test_file_of_another_shard_is_found(run: Finished) -> None:
    other = run.signed(0)
    run.sign(1, key=other["key"], digest=other["digest"], chunks=other["chunks"])
    faults = run.faults()
    assert "shard 1: 6 documents of the input missing, 6 not in the input" in faults
    assert any("rows have an id that another row has, too" in f for f in faults)


def test_a_signed_file_that_cannot_be_read_is_a_fault(run: Finished) -> None:
    path = run.data(1)
    column = pq.read_metadata(path).row_group(0).column(2)
    body = bytearray(path.read_bytes())
    body[column.data_page_offset + column.total_compressed_size - 4] ^= 1
    path.write_bytes(body)
    run.sign(1, digest=hashlib.sha256(body).hexdigest())
    faults = run.faults()
    assert any("its file of vectors cannot be read from row 0 on: " in fault for fault in faults)
    assert all(fault.startswith("shard 1") or "dataset" in fault for fault in faults)


OTHER_FORMS: dict[str, Callable[[pa.Table], pa.Table]] = {
    "it has no column 'chunk' of type int32": lambda t: t.drop_columns(["chunk"]),
    "it has no column 'id' of type string": lambda t: t.set_column(0, "key", t["id"]),
    "it has no column 'vector' of lists of float of one length": lambda t: t.set_column(
        2, "vector", t["vector"].cast(pa.list_(pa.float32()))
    ),
    "its metadata has '' for embedfleet.dtype": lambda t: t.replace_schema_metadata({}),
    "its column 'id' has missing values": lambda t: t.set_column(
        0, "id", pa.array([None, *t["id"].to_pylist()[1:]])
    ),
}


@pytest.mark.parametrize("fault", OTHER_FORMS)
def test_a_signed_file_of_another_form_is_a_fault(run: Finished, fault: str) -> None:
    run.rewrite(1, OTHER_FORMS[fault])
    faults = run.faults()
    assert any("cannot be read" in one and fault in one for one in faults), faults
