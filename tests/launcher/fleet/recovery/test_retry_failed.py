"""What failed and may succeed another time is tried again by a command; every other receipt stays as it is."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from launcher.fleet.recovery.put_back import put_back_shards
from launcher.fleet.recovery.retry_failed import may_succeed
from launcher.output.garbage import find_garbage
from launcher.output.verification.verify import verify
from tasks.engines.base import Vectors
from tasks.engines.hash_engine import HashEncoder
from tasks.protocol import receipt
from tasks.protocol.keys import lease_key, receipt_key, receipts_prefix
from tasks.protocol.lease import CRASHED, MAX_CRASHES
from tasks.protocol.manifest import Header, all_shards
from tasks.protocol.receipt import Receipt
from tasks.protocol.retry import list_receipts
from tasks.stores.base import list_all, read
from tasks.stores.folder import FolderStore
from tests.support.finished_run import read_through
from tests.support.runs import corpus, launch
from tests.support.workers import make_worker

ROWS = 40


class Hot(HashEncoder):
    """Gives no finite vector for texts with this word."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.bad = frozenset(self.tokenizer.ids([word])[0])

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        out = super().encode(ids)
        out[[n for n, piece in enumerate(ids) if self.bad <= set(piece)]] = np.nan
        return out


def newest(store: FolderStore, header: Header) -> list[Receipt]:
    """The receipt that counts, of each shard."""
    found: list[Receipt] = []
    for shard in all_shards(store, header):
        retry = list_receipts(store, "run-1", shard.slab).done[shard.id]
        body = read(store, receipt_key("run-1", shard.slab, shard.id, retry))
        assert body
        found.append(receipt.load(body))
    return found


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return tmp_path / "in"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "out")


@pytest.fixture
def header(store: FolderStore, files: Path) -> Header:
    """Three shards; one row of the second is bad, and will stay so."""
    files.mkdir()
    corpus(files, 3, ROWS)
    with (files / "1.jsonl").open("a") as lines:
        lines.write(json.dumps({"id": "no text"}) + "\n")
    return launch(store, files, 3)


def test_rows_that_the_engine_failed_on_are_embedded_by_a_retry(
    store: FolderStore, header: Header, tmp_path: Path
) -> None:
    make_worker(store, header, tmp_path / "s", Hot("0-5w3")).run()
    before = newest(store, header)
    assert [one.failed_rows for one in before] == [1, 1, 0]
    first = {entry.key: read(store, entry.key) for entry in list_all(store, receipts_prefix("run-1"))}

    failed = [one for one in before if may_succeed(store, one)]
    assert [one.position for one in failed] == [0]
    put_back_shards(store, "run-1", failed, "a test")
    put_back_shards(store, "run-1", failed, "another launcher does the same")
    make_worker(store, header, tmp_path / "s").run()

    after = newest(store, header)
    assert [one.failed_rows for one in after] == [0, 1, 0]
    assert [one.retry for one in after] == [1, 0, 0]
    assert {key: read(store, key) for key in first} == first
    assert not any(may_succeed(store, one) for one in after)
    verdict = verify(store, header, 0, embed_again=True, progress=lambda _done, _all: None)
    assert verdict.faults == ()
    assert (verdict.rows, verdict.failed_rows) == (3 * ROWS, 1)


def test_finish_keeps_the_files_of_receipts_that_a_retry_replaced(
    store: FolderStore, header: Header, files: Path, tmp_path: Path
) -> None:
    """A later run may have taken them over into its dataset."""
    make_worker(store, header, tmp_path / "s", Hot("0-5w3")).run()
    put_back_shards(
        store, "run-1", [one for one in newest(store, header) if may_succeed(store, one)], "a test"
    )
    make_worker(store, header, tmp_path / "s").run()
    garbage = find_garbage(read_through(store, header))
    assert (garbage.found, garbage.kept) == ([], [])


def test_a_shard_that_was_set_aside_is_tried_again_and_its_crashes_are_forgotten(
    store: FolderStore, header: Header, tmp_path: Path
) -> None:
    shard = next(iter(all_shards(store, header)))
    for generation in range(1, MAX_CRASHES + 1):
        store.put(lease_key("run-1", shard.slab, shard.id, generation), CRASHED)
    make_worker(store, header, tmp_path / "s").run()
    before = newest(store, header)
    assert before[0].fault == "set aside: 3 worker processes died of it"
    put_back_shards(store, "run-1", before[:1], "a test")
    make_worker(store, header, tmp_path / "s").run()
    after = newest(store, header)
    assert [(one.fault, one.documents) for one in after] == [(None, ROWS)] * 3


def test_a_worker_of_before_the_retry_cannot_sign_for_it(
    store: FolderStore, header: Header, tmp_path: Path
) -> None:
    make_worker(store, header, tmp_path / "s").run()
    one = newest(store, header)[0]
    put_back_shards(store, "run-1", [one], "a test")
    slab = next(iter(all_shards(store, header))).slab
    assert not store.create(receipt_key("run-1", slab, one.shard), b"a zombie")
    assert one.shard not in list_receipts(store, "run-1", slab).done
