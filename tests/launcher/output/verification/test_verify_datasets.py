"""What readers read is verified: the dataset manifest, the shards of the plan, and shards of earlier runs."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.corpus.incremental import write_base_dataset
from launcher.output.dataset import write_dataset
from launcher.output.verification.plan_check import planned_run
from launcher.output.verification.verify import verify
from launcher.output.verification.verify_report import VerifyReport
from tasks.protocol import documents, manifest
from tasks.protocol.keys import base_dataset_key, dataset_key, manifest_header_key, manifest_slab_key
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.stores.folder import FolderStore
from tests.support.finished_run import finished_run
from tests.support.runs import receipts_of

Rows = list[dict[str, Any]]


def in_order(run: "Finished") -> list[Receipt]:
    return sorted(receipts_of(run.store, run.header), key=lambda one: one.position)


class Finished:
    """A finished run of three shards and its dataset manifest, as the ledger knows it."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder / "out")
        self.header = finished_run(self.store, folder)
        write_dataset(self.store, self.header, receipts_of(self.store, self.header))
        ids = [shard.id for shard in manifest.all_shards(self.store, self.header)]
        self.planned = planned_run(self.header, ids, finished=True)
        self.dataset = self.store.root / dataset_key(self.header.run)

    def verify(self, header: Header | None = None) -> VerifyReport:
        return verify(
            self.store,
            header or self.header,
            0,
            embed_again=False,
            progress=lambda _done, _all: None,
            planned=self.planned if header is None else None,
        )

    def faults(self) -> list[str]:
        return list(self.verify().faults)

    def edit(self, change: Callable[[Rows], Rows]) -> None:
        table = pq.read_table(self.dataset)
        pq.write_table(pa.Table.from_pylist(change(table.to_pylist()), schema=table.schema), self.dataset)


@pytest.fixture
def run(tmp_path: Path) -> Finished:
    return Finished(tmp_path)


def test_a_run_that_goes_on_is_not_faulty(run: Finished) -> None:
    """Shards without a receipt are still to be embedded; what is wrong with the others is a fault as ever."""
    run.planned = replace(run.planned, finished=False)
    receipts = sorted(run.store.root.glob(f"_embedfleet/{run.header.run}/receipts/*/*.json"))
    receipts[1].unlink()
    found = run.verify()
    assert (found.faults, found.finished, found.shards_done, found.shards) == ((), False, 2, 3)
    receipts[0].write_bytes(b"{}")
    assert run.verify().fault_count == 1


def test_untouched_dataset_has_no_fault(run: Finished) -> None:
    report = run.verify()
    assert report.faults == ()
    assert report.input_rows == report.documents == report.rows == 30


CHANGES: dict[str, tuple[Callable[[Rows], Rows], list[str]]] = {
    "removed": (lambda rows: rows[1:], ["does not list, or lists otherwise, 1 file: data/"]),
    "twice": (lambda rows: [*rows, rows[0]], ["lists more than once 1 file: data/"]),
    "replaced": (lambda rows: [*rows[1:], rows[1]], ["does not list", "lists more than once 1 file"]),
    "count": (
        lambda rows: [rows[0] | {"rows": 9}, *rows[1:]],
        ["does not list", "no receipt names so, 1 file"],
    ),
    "path": (
        lambda rows: [rows[0] | {"file": "data/o.parquet"}, *rows[1:]],
        ["does not list", "data/o.parquet"],
    ),
    "digest": (lambda rows: [rows[0] | {"sha256": "0"}, *rows[1:]], ["does not list", "no receipt names so"]),
    "added": (
        lambda rows: [*rows, rows[0] | {"file": "data/m.parquet"}],
        ["names so, 1 file: data/m.parquet"],
    ),
    "emptied": (lambda rows: rows[:0], ["does not list, or lists otherwise, 3 files"]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_tampered_dataset_is_found(run: Finished, name: str) -> None:
    change, said = CHANGES[name]
    run.edit(change)
    faults = run.faults()
    assert len(faults) == len(said)
    assert all(words in fault for words, fault in zip(said, faults, strict=True))


def test_order_of_the_files_is_no_fault(run: Finished) -> None:
    run.edit(lambda rows: rows[::-1])
    assert run.faults() == []


def test_dataset_of_another_run_is_found(run: Finished) -> None:
    table = pq.read_table(run.dataset)
    metadata = dict(table.schema.metadata) | {b"embedfleet.run": b"run-0"}
    pq.write_table(table.replace_schema_metadata(metadata), run.dataset)
    assert "embedfleet.run = run-0, but the manifest says run-1" in run.faults()[0]


@pytest.mark.parametrize("body", [b"", b"PAR1", b"not Parquet at all, but longer than a footer"])
def test_damaged_dataset_is_found(run: Finished, body: bytes) -> None:
    run.dataset.write_bytes(body)
    assert "dataset.parquet cannot be read" in run.faults()[0]


def test_dataset_with_other_columns_is_found(run: Finished) -> None:
    pq.write_table(pa.table({"file": ["data/a.parquet"]}), run.dataset)
    assert "has no column rows, bytes, sha256" in run.faults()[0]


def test_missing_dataset_of_a_finished_run_is_found(run: Finished) -> None:
    run.dataset.unlink()
    assert run.faults() == [
        f"{dataset_key('run-1')}, which lists the files for readers, is missing: `embedfleet finish` writes it again"
    ]


# --- the shards are those of the plan


def swap(run: Finished, keep: int) -> None:
    """Swap the manifest for one with fewer shards, and the dataset with it."""
    shards = list(manifest.all_shards(run.store, run.header))[:keep]
    fewer = replace(run.header, shards=keep)
    (run.store.root / manifest_header_key("run-1")).unlink()
    (run.store.root / manifest_slab_key("run-1", 0)).unlink()
    manifest.write(run.store, fewer, shards)
    write_dataset(run.store, fewer, in_order(run)[:keep])
    run.header = fewer


def test_manifest_with_fewer_shards_is_found(run: Finished) -> None:
    swap(run, 2)
    assert run.faults() == [
        "the manifest says shards = 2, but the plan says 3",
        "the manifest holds 2 shards, and the ledger 3",
    ]


def test_manifest_with_another_shard_is_found(run: Finished) -> None:
    run.planned = replace(run.planned, shards=run.planned.shards[:2] + run.planned.shards[:1])
    (fault,) = run.faults()
    assert fault.startswith("shard 2 of the manifest is ")


def test_header_that_says_something_else_is_found(run: Finished) -> None:
    run.planned = replace(run.planned, header=replace(run.header, model="other", ttl=1.0))
    assert run.faults() == ["the manifest says model = hash, but the plan says other"]


def test_slab_that_the_header_hides_is_found(run: Finished) -> None:
    run.store.put(manifest_slab_key("run-1", 1), b"")
    assert run.faults() == ["the manifest has 2 slabs of shards, and its header says 1"]


def test_receipt_of_another_shard_is_found(run: Finished) -> None:
    first, second = (path for path in sorted(run.store.root.glob("_embedfleet/run-1/receipts/*/*.json"))[:2])
    first.write_bytes(second.read_bytes())
    assert any("its receipt is of shard" in fault for fault in run.faults())


# --- shards of earlier runs


def later(run: Finished, **changes: Any) -> Header:
    """A run that took over all shards of the first, and embedded nothing itself."""
    header = replace(run.header, run="run-2", shards=0, **changes)
    taken = [("run-1", shard.id) for shard in manifest.all_shards(run.store, run.header)]
    manifest.write(run.store, header, [])
    write_base_dataset(run.store, "run-2", taken)
    write_dataset(run.store, header, [])
    return header


def test_shards_of_an_earlier_run_are_checked(run: Finished) -> None:
    report = run.verify(later(run))
    assert report.faults == ()
    assert (report.shards, report.shards_taken_over, report.documents, report.input_rows) == (0, 3, 30, 30)


def test_damaged_file_of_an_earlier_run_is_found(run: Finished) -> None:
    header = later(run)
    key = in_order(run)[0].files[0][0]
    (run.store.root / key).write_bytes(b"x")
    assert (
        run.verify(header).faults[0]
        == f"run run-1, shard 0: {key} is not the file that its receipt names (SHA-256)"
    )


def test_earlier_run_with_other_weights_is_found(run: Finished) -> None:
    header = later(run, model_fingerprint="sha256:" + "a" * 64)
    body = documents.encode(replace(run.header, model_fingerprint="sha256:bb"), manifest.SCHEMA)
    run.store.put(manifest_header_key("run-1"), body)
    assert any("whose model_fingerprint is sha256:bb" in fault for fault in run.verify(header).faults)


def test_earlier_run_whose_weights_nobody_recorded_is_noted(run: Finished) -> None:
    report = run.verify(later(run, model_fingerprint="sha256:" + "a" * 64))
    assert report.faults == ()
    assert (
        "run run-1, whose shards were taken over, did not record which weights its model had" in report.notes
    )


def test_earlier_run_with_other_settings_is_found(run: Finished) -> None:
    assert any(
        "whose prompt is , and this run's is query: " in f
        for f in run.verify(later(run, prompt="query: ")).faults
    )


def test_earlier_run_that_is_gone_is_found(run: Finished) -> None:
    header = later(run)
    (run.store.root / manifest_header_key("run-1")).unlink()
    assert "what was taken over from earlier runs cannot be checked" in run.verify(header).faults[0]


def test_damaged_list_of_earlier_shards_is_found(run: Finished) -> None:
    header = later(run)
    run.store.put(base_dataset_key("run-2"), b"[1, 2]")
    assert "what was taken over from earlier runs cannot be checked" in run.verify(header).faults[0]
