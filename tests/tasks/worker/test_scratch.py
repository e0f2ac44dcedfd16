"""A disk that is full or broken under the worker's own folder ends the worker with a message and blames no shard."""

import errno
import os
from pathlib import Path

import pytest

from tasks.engines.hash_engine import HashEncoder
from tasks.errors import Problem
from tasks.protocol import crash_marker
from tasks.protocol.heartbeat import Heartbeat
from tasks.stores.folder import FolderStore
from tasks.worker.heartbeat import HeartbeatWriter
from tasks.worker.scratch import make_scratch, writing_in
from tasks.worker.signals import Signals
from tasks.worker.worker import Worker
from tests.support.runs import NOON, corpus, launch


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
    pulse = Heartbeat(run="run-1", worker="ann", host="here", pid=1, started=NOON)
    worker = Worker(
        store=store,
        header=header,
        name="ann",
        offset=0,
        encoder=HashEncoder(),
        heartbeat=HeartbeatWriter(store, pulse, 1_000),
        scratch=scratch,
        signals=Signals(),
    )
    with pytest.raises(Problem, match=r"cannot write files in .*scratch"):
        worker.run()
    assert not crash_marker.blamed(scratch)
