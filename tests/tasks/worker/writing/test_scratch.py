"""A disk that is full or broken under the worker's own folder ends the worker with a message and blames no shard."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tasks.engines.base import Vectors
from tasks.engines.hash_engine import HashEncoder
from tasks.errors import Problem
from tasks.models.tokenizing.pieces import split_texts
from tasks.protocol import manifest
from tasks.protocol.lease import is_free, survey
from tasks.protocol.messages import crash_marker
from tasks.stores.folder import FolderStore
from tasks.worker.reading import windows
from tasks.worker.writing.scratch import make_scratch, writing_in
from tests.support.runs import corpus, launch
from tests.support.workers import make_worker


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "no space left for the vectors"),
        (errno.EDQUOT, "no space left for the vectors"),
        (errno.EIO, "cannot write the vectors"),
        (errno.EROFS, "cannot write the vectors"),
    ],
)
def test_an_error_of_the_disk_names_the_folder_and_the_cause(tmp_path: Path, number: int, said: str) -> None:
    with pytest.raises(Problem) as raised, writing_in(tmp_path, "the vectors"):
        raise OSError(number, os.strerror(number))
    assert said in str(raised.value)
    assert str(tmp_path) in str(raised.value)
    assert "--scratch" in raised.value.hint


def test_a_folder_that_cannot_be_made_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match=r"cannot write files in .*file"):
        make_scratch(tmp_path / "file" / "scratch")


def test_a_worker_that_cannot_write_there_says_so_and_blames_no_shard(tmp_path: Path) -> None:
    files, scratch, store = tmp_path / "in", tmp_path / "scratch", FolderStore(tmp_path / "out")
    files.mkdir()
    corpus(files, 1, 5)
    header = launch(store, files, 1)
    scratch.mkdir()
    (scratch / crash_marker.NAME).mkdir()  # no file can be written in its place
    with pytest.raises(Problem, match=r"cannot write files in .*scratch"):
        make_worker(store, header, scratch).run()
    assert not crash_marker.blamed(scratch)


@pytest.mark.parametrize("name", [crash_marker.NAME, crash_marker.READER_NAME])
def test_a_marker_that_cannot_be_removed_is_a_message_and_blames_no_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As on a disk that became read-only while the engine, or the reader, was at work."""
    files, scratch, store = tmp_path / "in", tmp_path / "scratch", FolderStore(tmp_path / "out")
    files.mkdir()
    corpus(files, 1, 5)
    header = launch(store, files, 1)

    def spoil() -> None:
        if (scratch / name).is_file():
            (scratch / name).unlink()
            (scratch / name).mkdir()  # no file is to be removed in its place

    class Engine(HashEncoder):
        def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
            spoil()
            return super().encode(ids)

    def tokenise(*arguments: Any, **options: Any) -> Any:
        if name == crash_marker.READER_NAME:
            spoil()
        return split_texts(*arguments, **options)

    monkeypatch.setattr(windows, "split_texts", tokenise)
    with pytest.raises(Problem, match=r"cannot write files in .*scratch"):
        make_worker(store, header, scratch, Engine()).run()
    (shard,) = manifest.read_slab(store, header.run, 0, header.shards)
    seen = survey(store, header.run, shard.slab)
    assert (dict(seen.crashes), is_free(seen.newest[shard.id][1])) == ({}, True)
