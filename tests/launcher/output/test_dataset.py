"""The dataset manifest of a run lists all of its files, and only those."""

from pathlib import Path

import pytest

from launcher.output.dataset import dataset_rows, write_dataset
from tasks.protocol.keys import dataset_key
from tasks.protocol.receipt import Receipt, ReceiptFile
from tasks.stores.folder import FolderStore
from tests.support.finished_run import finished_run
from tests.support.runs import NOON, column, receipts_of


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "out")


def test_dataset_lists_every_file_in_the_order_of_the_corpus(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    assert write_dataset(store, header, receipts_of(store, header)) == 3
    path = store.root / dataset_key("run-1")
    assert column(path, "position") == [0, 1, 2]
    assert column(path, "rows") == [10, 10, 10]
    assert [column(store.root / name, "id")[0] for name in column(path, "file")] == ["0-0", "1-0", "2-0"]


def test_shard_of_several_workers_has_a_row_for_each_file() -> None:
    one = ReceiptFile("data/a.parquet", "aa", 100, 7, 70, None, "ann", NOON, NOON)
    receipt = Receipt(
        run="run-1", shard="0" * 16, position=4, worker="bob", generation=2, nonce="n", key="data/b.parquet",
        digest="bb", output_bytes=150, input_bytes=1, documents=10, chunks=10, tokens=100, tokens_cut=0,
        failed_rows=0, quarantine=None, started=NOON, finished=NOON, earlier=(one,),
    )  # fmt: skip
    assert [(f["file"], f["rows"], f["bytes"], f["part"]) for f in dataset_rows([receipt])] == [
        ("data/a.parquet", 7, 100, 0),
        ("data/b.parquet", 3, 50, 1),
    ]


def test_dataset_of_a_run_without_files_is_empty(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path, shards=0)
    write_dataset(store, header, [])
    assert column(store.root / dataset_key("run-1"), "file") == []
