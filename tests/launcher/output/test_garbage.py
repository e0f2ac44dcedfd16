"""A finished run is one dataset, and what its workers left behind is removed, and nothing else."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.output.dataset import files, write_dataset
from launcher.output.garbage import garbage
from tasks.engines.hash_engine import HashEncoder
from tasks.protocol.heartbeat import Heartbeat
from tasks.protocol.keys import dataset_key
from tasks.protocol.lease import claim
from tasks.protocol.manifest import Header, all_shards
from tasks.protocol.receipt import Receipt, ReceiptFile
from tasks.stores.folder import FolderStore
from tasks.worker.heartbeat import HeartbeatWriter
from tasks.worker.signals import Signals
from tasks.worker.worker import Worker
from tests.support.cli_runs import Launching, embedfleet, shards
from tests.support.runs import NOON, column, corpus, launch, receipts_of


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "out")


def done(store: FolderStore, tmp_path: Path, run: str = "run-1", number: int = 3) -> Header:
    """A finished run of a few shards."""
    (tmp_path / "in").mkdir(exist_ok=True)
    corpus(tmp_path / "in", number, 10)
    header = launch(store, tmp_path / "in", number, run=run)
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    heart = HeartbeatWriter(store, Heartbeat(run=run, worker="ann", host="here", pid=1, started=NOON), 1_000)
    Worker(
        store=store,
        header=header,
        name="ann",
        offset=0,
        encoder=HashEncoder(),
        heartbeat=heart,
        scratch=scratch,
        signals=Signals(),
    ).run()
    return header


def loser(store: FolderStore, header: Header, name: str) -> str:
    """A whole file of the run's that no receipt names, as one leaves who was overtaken while it signed."""
    key = f"data/{name}.parquet"
    good = receipts_of(store, header)[0].key
    assert good
    (store.root / key).write_bytes((store.root / good).read_bytes())
    return key


def test_the_dataset_names_every_file_with_its_rows_in_the_order_of_the_corpus(
    store: FolderStore, tmp_path: Path
) -> None:
    header = done(store, tmp_path)
    assert write_dataset(store, header, receipts_of(store, header)) == 3
    path = store.root / dataset_key("run-1")
    assert column(path, "position") == [0, 1, 2]
    assert column(path, "rows") == [10, 10, 10]
    assert [column(store.root / name, "id")[0] for name in column(path, "file")] == ["0-0", "1-0", "2-0"]


def test_a_shard_of_several_workers_has_a_row_for_each_of_its_files() -> None:
    one = ReceiptFile("data/a.parquet", "aa", 100, 7, 70, None, "ann", NOON, NOON)
    receipt = Receipt(
        run="run-1", shard="0" * 16, position=4, worker="bob", generation=2, nonce="n", key="data/b.parquet",
        digest="bb", output_bytes=150, input_bytes=1, documents=10, chunks=10, tokens=100, tokens_cut=0,
        failed_rows=0, quarantine=None, started=NOON, finished=NOON, earlier=(one,),
    )  # fmt: skip
    assert [(f["file"], f["rows"], f["bytes"], f["part"]) for f in files([receipt])] == [
        ("data/a.parquet", 7, 100, 0),
        ("data/b.parquet", 3, 50, 1),
    ]


def test_a_run_without_files_has_an_empty_dataset(store: FolderStore, tmp_path: Path) -> None:
    header = done(store, tmp_path, number=0)
    write_dataset(store, header, [])
    assert column(store.root / dataset_key("run-1"), "file") == []


def test_files_that_no_receipt_names_are_garbage(store: FolderStore, tmp_path: Path) -> None:
    header = done(store, tmp_path)
    key = loser(store, header, "0123456789abcdef-feedfeedfeed")
    assert [entry.key for entry in garbage(store, header, receipts_of(store, header))] == [key]


def test_files_of_another_run_and_of_other_people_are_not(store: FolderStore, tmp_path: Path) -> None:
    header = done(store, tmp_path)
    done(store, tmp_path, "run-2")
    other = launch(store, tmp_path / "in", 3, run="run-3")  # under way: it has signed for nothing yet
    claim(store, "run-3", next(iter(all_shards(store, other))), 1, "ann", NOON)
    (store.root / "data" / "notes.txt").write_text("mine")
    with pq.ParquetWriter(store.root / "data" / "mine.parquet", pa.schema([("x", pa.int64())])):
        pass
    assert list(garbage(store, header, receipts_of(store, header))) == []


@pytest.fixture
def laptop(tmp_path: Path) -> Launching:
    shards(tmp_path, 3)
    return Launching(tmp_path)


def test_finish_removes_what_nobody_names_and_the_run_still_verifies(laptop: Launching) -> None:
    assert embedfleet("launch", "plan.json", folder=laptop.folder).returncode == 0
    out = laptop.folder / "out"
    good = sorted(path.name for path in (out / "data").iterdir())
    first = (out / "data" / good[0]).read_bytes()
    (out / "data" / "0123456789abcdef-feedfeedfeed.parquet").write_bytes(first)
    tried = embedfleet("finish", "--dry-run", folder=laptop.folder)
    assert f"1 files of {len(first):,} bytes that no receipt names would be removed" in " ".join(
        tried.stdout.split()
    )
    assert len(list((out / "data").iterdir())) == len(good) + 1
    assert embedfleet("finish", folder=laptop.folder).returncode == 0
    assert sorted(path.name for path in (out / "data").iterdir()) == good
    assert embedfleet("verify", folder=laptop.folder).returncode == 0


def test_a_run_that_is_not_finished_is_left_alone(laptop: Launching) -> None:
    assert embedfleet("launch", "plan.json", folder=laptop.folder).returncode == 0
    receipt = next((laptop.folder / "out" / "_embedfleet").glob("*/receipts/*/*.json"))
    receipt.unlink()
    (laptop.folder / "runs").rename(laptop.folder / "old")
    embedfleet("ledger", "rebuild", "out", folder=laptop.folder)
    said = embedfleet("finish", folder=laptop.folder)
    assert said.returncode == 1
    assert "1 of 3 shards have no receipt" in said.stderr
