"""Workers killed at every step: a text that repeats is embedded before the shards, never with one, and rows are exact."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tasks.protocol import manifest
from tasks.protocol.keys import repeats_run
from tasks.stores.folder import FolderStore
from tests.support.counting_worker import STEPS
from tests.support.repeated_corpus import (
    embedded,
    launch_repeated,
    repeated_corpus,
    repeated_pieces,
    rows_out,
)
from tests.support.runs import column, launch, receipts_of
from tests.support.workers import make_worker

TTL = 2.0
PATIENCE = 90.0


class Fleet:
    """Workers of one run, as processes that write down what they embed."""

    def __init__(self, folder: Path, run: str) -> None:
        self.folder, self.run = folder, run

    def start(self, name: str, step: str = "none") -> "subprocess.Popen[bytes]":
        words = ["--store", str(self.folder / "out"), "--run", self.run, "--name", name, "--offset", "0"]
        scratch = ["--scratch", str(self.folder / f"scratch-{name}")]
        log = str(self.folder / f"{name}.log")
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.counting_worker", log, step, *words, *scratch]
        )

    def embedded(self, *names: str) -> list[tuple[str, str]]:
        return [one for name in names for one in embedded(self.folder / f"{name}.log")]


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_at_any_step_loses_nothing(tmp_path: Path, step: str) -> None:
    texts = repeated_corpus(tmp_path / "in")
    store, plain = FolderStore(tmp_path / "out"), FolderStore(tmp_path / "plain")
    header = launch_repeated(store, tmp_path / "in", ttl=TTL)
    fleet, often = Fleet(tmp_path, header.run), repeated_pieces(texts)
    assert fleet.start("killed", step).wait(PATIENCE) == -9
    others = [fleet.start(name) for name in ("ann", "bob")]
    assert [one.wait(PATIENCE) for one in others] == [0, 0]

    with_shards = {piece for stage, piece in fleet.embedded("killed", "ann", "bob") if stage == "shards"}
    assert with_shards
    assert not with_shards & often.keys()
    first = Counter(piece for stage, piece in fleet.embedded("ann", "bob") if stage == "repeats")
    assert set(first.values()) <= {1}  # each text once by those that live, whatever the dead one lost
    of_repeats = manifest.read_header(store, repeats_run(header.run))
    kept = [
        name
        for receipt in receipts_of(store, of_repeats)
        for key, _ in receipt.files
        for name in column(store.root / key, "text_hash")
    ]
    assert sorted(kept) == sorted(often)
    without = launch(plain, tmp_path / "in", 6)
    make_worker(plain, without, tmp_path / "scratch").run()
    expected, found = rows_out(plain, without), rows_out(store, header)
    assert found.keys() == expected.keys() == texts.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.slow
def test_each_text_is_embedded_once_by_several_workers(tmp_path: Path) -> None:
    texts = repeated_corpus(tmp_path / "in", files=12)
    store = FolderStore(tmp_path / "out")
    header = launch_repeated(store, tmp_path / "in", 12, ttl=30.0)
    fleet = Fleet(tmp_path, header.run)
    names = ("ann", "bob", "cid", "dan")
    workers = [fleet.start(name) for name in names]
    assert [one.wait(PATIENCE) for one in workers] == [0] * 4
    counts = Counter(piece for _, piece in fleet.embedded(*names))
    assert set(counts.values()) == {1}
    assert len(counts) == len(set(texts.values()))
    assert rows_out(store, header).keys() == texts.keys()
