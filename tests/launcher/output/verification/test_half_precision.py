"""A run in half precision may differ more from the second opinion, which is in float32, than a run in float32."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.output.verification.half_precision import computed_in_half
from launcher.output.verification.verify import verify
from launcher.output.verification.verify_report import VerifyReport
from tasks.protocol.keys import heartbeat_key
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.stores.folder import FolderStore
from tests.support.finished_run import finished_run
from tests.support.runs import NOON


def say_dtype(store: FolderStore, dtype: str | None, worker: str = "ben") -> None:
    said = Heartbeat(run="run-1", worker=worker, host="here", pid=1, started=NOON, at=NOON, dtype=dtype)
    store.put(heartbeat_key("run-1", worker), heartbeat.dump(said))


def turn(store: FolderStore, cosine: float) -> None:
    """Turn the first vector of a shard until it has this cosine with what it was, and sign that."""
    signed = min(store.root.glob("_embedfleet/run-1/receipts/*/*.json"))
    receipt: dict[str, Any] = json.loads(signed.read_text())
    path = store.root / receipt["key"]
    table = pq.read_table(path)
    column: Any = table["vector"].combine_chunks()
    size = column.type.list_size
    flat = column.flatten().to_numpy(zero_copy_only=False).copy()
    vector, other = flat[:size].copy(), np.roll(flat[:size], 1)
    other -= (other @ vector) * vector
    flat[:size] = cosine * vector + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)
    turned = pa.FixedSizeListArray.from_arrays(pa.array(flat), type=column.type)
    pq.write_table(table.set_column(2, table.schema.field(2), turned), path)
    signed.write_text(json.dumps(receipt | {"digest": hashlib.sha256(path.read_bytes()).hexdigest()}))


def verified(tmp_path: Path, cosine: float, *dtypes: str | None) -> VerifyReport:
    """The report of a run of 30 rows, all of them sampled, of which one is turned."""
    store = FolderStore(tmp_path / "out")
    header = finished_run(store, tmp_path)
    for number, dtype in enumerate(dtypes):
        say_dtype(store, dtype, f"worker-{number}")
    turn(store, cosine)
    report = verify(store, header, 0, embed_again=True, progress=lambda _done, _all: None)
    assert report.worst_cosine == pytest.approx(cosine, abs=1e-4)
    return report


@pytest.mark.parametrize("dtypes", [("bfloat16",), ("float32", None, "float16")])
def test_rounding_of_half_precision_is_no_fault(tmp_path: Path, dtypes: tuple[str | None, ...]) -> None:
    assert verified(tmp_path, 0.995, *dtypes).faults == ()


@pytest.mark.parametrize("dtypes", [(), ("float32",), (None,)])
def test_the_same_in_float32_is_a_fault(tmp_path: Path, dtypes: tuple[str | None, ...]) -> None:
    report = verified(tmp_path, 0.995, *dtypes)
    assert report.fault_count == 1
    assert report.faults[0].endswith("embedded again, its cosine is 0.9950")


def test_more_than_rounding_is_a_fault_in_half_precision(tmp_path: Path) -> None:
    assert verified(tmp_path, 0.985, "bfloat16").fault_count == 1


def test_heartbeats_that_cannot_be_read_say_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put(heartbeat_key("run-1", "ann"), b"{")
    say_dtype(store, "float32")
    assert not computed_in_half(store, ["run-1", "run-2"])
    say_dtype(store, "bfloat16")
    assert computed_in_half(store, ["run-2", "run-1"])
