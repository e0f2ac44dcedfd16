"""Garbage is the files of a finished run that no receipt names, and no other file."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.output.garbage import garbage
from tasks.protocol.lease import claim
from tasks.protocol.manifest import Header, all_shards
from tasks.stores.folder import FolderStore
from tests.support.finished_run import finished_run
from tests.support.runs import NOON, launch, receipts_of


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "out")


def unnamed_file(store: FolderStore, header: Header, name: str) -> str:
    """Write a complete file of the run that no receipt names, as an overtaken worker leaves it."""
    key = f"data/{name}.parquet"
    good = receipts_of(store, header)[0].key
    assert good
    (store.root / key).write_bytes((store.root / good).read_bytes())
    return key


def test_files_that_no_receipt_names_are_garbage(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    key = unnamed_file(store, header, "0123456789abcdef-feedfeedfeed")
    assert [entry.key for entry in garbage(store, header, receipts_of(store, header))] == [key]


def test_files_of_other_runs_and_other_programs_are_not_garbage(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    finished_run(store, tmp_path, "run-2")
    other = launch(store, tmp_path / "in", 3, run="run-3")  # not finished: it has no receipt yet
    claim(store, "run-3", next(iter(all_shards(store, other))), 1, "ann", NOON)
    (store.root / "data" / "notes.txt").write_text("mine")
    with pq.ParquetWriter(store.root / "data" / "mine.parquet", pa.schema([("x", pa.int64())])):
        pass
    assert list(garbage(store, header, receipts_of(store, header))) == []
