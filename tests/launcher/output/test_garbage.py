"""Garbage is the files of lost attempts of a finished run, and no other file."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.output.garbage import find_garbage, finished_receipts
from tasks.errors import Problem
from tasks.protocol.keys import manifest_header_key, receipt_key
from tasks.protocol.lease import claim, give_back
from tasks.protocol.manifest import Header, all_shards, read_header
from tasks.stores.folder import FolderStore
from tests.support.finished_run import finished_run
from tests.support.runs import NOON, launch


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "out")


def copy_vectors(store: FolderStore, header: Header, name: str) -> str:
    """Write a complete file of the run that no receipt names."""
    key = f"data/{name}.parquet"
    good = finished_receipts(store, header)[0].key
    assert good
    shutil.copy(store.root / good, store.root / key)
    return key


def lost_attempt(store: FolderStore, header: Header, suffix: str = "") -> str:
    """Write the vectors of an attempt that was overtaken, whose lease is still recorded."""
    shard = next(iter(all_shards(store, header)))
    held = claim(store, header.run, shard, 7, "bob", NOON + timedelta(seconds=1))
    assert held
    return copy_vectors(store, header, f"{shard.id}-{held.nonce[:12]}{suffix}")


def found(store: FolderStore, header: Header) -> list[str]:
    return [entry.key for entry in find_garbage(store, header, finished_receipts(store, header)).found]


def kept(store: FolderStore, header: Header) -> list[str]:
    return [one.entry.key for one in find_garbage(store, header, finished_receipts(store, header)).kept]


@pytest.mark.parametrize("suffix", ["", "-2"])
def test_files_of_an_attempt_with_a_recorded_lease_are_garbage(
    store: FolderStore, tmp_path: Path, suffix: str
) -> None:
    header = finished_run(store, tmp_path)
    key = lost_attempt(store, header, suffix)
    assert found(store, header) == [key]
    assert kept(store, header) == []


def test_a_users_table_derived_from_vectors_is_kept_and_listed(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    key = copy_vectors(store, header, "my-favourites")
    assert found(store, header) == []
    assert kept(store, header) == [key]


def test_a_file_named_like_an_attempt_without_a_lease_is_kept_and_listed(
    store: FolderStore, tmp_path: Path
) -> None:
    header = finished_run(store, tmp_path)
    shard = next(iter(all_shards(store, header)))
    key = copy_vectors(store, header, f"{shard.id}-feedfeedfeed")
    assert found(store, header) == []
    assert kept(store, header) == [key]


def test_an_attempt_whose_lease_was_given_back_is_kept(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    shard = next(iter(all_shards(store, header)))
    held = claim(store, header.run, shard, 7, "bob", NOON)
    assert held
    key = copy_vectors(store, header, f"{shard.id}-{held.nonce[:12]}")
    give_back(store, held)
    assert found(store, header) == []
    assert kept(store, header) == [key]


def test_files_of_other_runs_and_other_programs_are_not_garbage(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    finished_run(store, tmp_path, "run-2")
    other = launch(store, tmp_path / "in", 3, run="run-3")  # not finished: it has no receipt yet
    claim(store, "run-3", next(iter(all_shards(store, other))), 1, "ann", NOON)
    (store.root / "data" / "notes.txt").write_text("mine")
    with pq.ParquetWriter(store.root / "data" / "mine.parquet", pa.schema([("x", pa.int64())])):
        pass
    assert found(store, header) == []
    assert kept(store, header) == ["data/mine.parquet", "data/notes.txt"]


@pytest.mark.parametrize("body", ["", "{", '{"schema": "embedfleet/receipt/3"}'])
def test_a_damaged_receipt_is_refused_by_name(store: FolderStore, tmp_path: Path, body: str) -> None:
    header = finished_run(store, tmp_path)
    shard = next(iter(all_shards(store, header)))
    key = receipt_key(header.run, shard.slab, shard.id)
    (store.root / key).write_text(body)
    with pytest.raises(Problem, match=key):
        finished_receipts(store, header)


def test_a_receipt_of_another_shard_is_refused(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    keys = [receipt_key(header.run, shard.slab, shard.id) for shard in all_shards(store, header)]
    shutil.copy(store.root / keys[0], store.root / keys[1])
    with pytest.raises(Problem, match="is of shard"):
        finished_receipts(store, header)


def test_a_missing_receipt_is_refused(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    shard = next(iter(all_shards(store, header)))
    (store.root / receipt_key(header.run, shard.slab, shard.id)).unlink()
    with pytest.raises(Problem, match="1 of 3 shards have no receipt"):
        finished_receipts(store, header)


def test_a_missing_file_that_a_receipt_names_is_refused(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    key = finished_receipts(store, header)[1].key
    assert key
    (store.root / key).unlink()
    with pytest.raises(Problem, match=key) as refused:
        finished_receipts(store, header)
    assert f"embedfleet resume {header.run}" in refused.value.hint


@pytest.mark.parametrize("shards", [0, 2, 5, 5000])
def test_a_header_with_a_wrong_number_of_shards_is_refused(
    store: FolderStore, tmp_path: Path, shards: int
) -> None:
    header = finished_run(store, tmp_path)
    path = store.root / manifest_header_key(header.run)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shards": shards}))
    with pytest.raises(Problem):
        finished_receipts(store, read_header(store, header.run))
