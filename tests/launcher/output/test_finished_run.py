"""The receipts of a finished run, and which files they name."""

from pathlib import Path

import pytest

from launcher.output.finished_run import FinishedRun
from tasks.protocol.manifest import all_shards
from tasks.stores.folder import FolderStore
from tests.support.finished_run import finished_run, read_through


def test_receipts_come_by_position(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "out")
    run = FinishedRun(store, finished_run(store, tmp_path, shards=5))
    assert [one.position for one in run.receipts()] == [0, 1, 2, 3, 4]


def test_files_of_receipts_are_named_and_others_are_not(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "out")
    run = read_through(store, finished_run(store, tmp_path))
    assert all(run.names(key) for one in run.receipts() for key, _ in one.files)
    assert not run.names("data/other.parquet")


def test_no_file_is_judged_before_all_receipts_were_read(tmp_path: Path) -> None:
    """Else the files of the receipts that come later would be taken for garbage."""
    store = FolderStore(tmp_path / "out")
    run = FinishedRun(store, finished_run(store, tmp_path))
    receipts = run.receipts()
    key, _ = next(receipts).files[0]
    with pytest.raises(ValueError, match="not known"):
        run.names(key)
    assert [one.position for one in receipts] == [1, 2]
    assert run.names(key)


def test_a_shard_is_found_by_its_id(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "out")
    header = finished_run(store, tmp_path)
    run = FinishedRun(store, header)
    shards = list(all_shards(store, header))
    assert [run.slab_of(shard.id) for shard in shards] == [shard.slab for shard in shards]
    assert run.slab_of("0" * 16) is None
    assert run.slab_of("f" * 16) is None
    again = run.receipt_of(shards[1].id, shards[1].slab)
    assert (again.shard, again.position) == (shards[1].id, 1)
