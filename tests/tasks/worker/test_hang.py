"""A worker in which a step hangs ends by itself, gives every lease back, and blames the shards of that step alone."""

import subprocess
import sys
from pathlib import Path

from tasks.protocol import manifest
from tasks.protocol.keys import heartbeat_key
from tasks.protocol.lease import is_free, survey
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.exit_codes import ENGINE_HUNG
from tasks.stores.base import read
from tasks.stores.folder import FolderStore
from tests.support.paths import ROOT
from tests.support.runs import corpus, launch

# The reader is at the second shard while the engine has the first; one of them never returns.
SCRIPT = """
import sys, time
from tasks.engines.hash_engine import HashEncoder
from tasks.worker import process, worker
from tasks.worker.monitoring import watchdog
from tasks.worker.reading import windows

hangs = sys.argv.pop(1)
worker.READ_SECONDS = 2.0 if hangs == "read" else 60.0
watchdog.Watchdog.allowed = lambda *_: 60.0 if hangs == "read" else 2.0
encode, split, calls = HashEncoder.encode, windows.split_texts, []

def engine(self, ids):
    if len(ids) > 1:
        time.sleep(60)
    return encode(self, ids)

def tokenise(*arguments, **options):
    calls.append(1)
    if hangs == "read" and len(calls) > 1:
        time.sleep(60)
    return split(*arguments, **options)

HashEncoder.encode, windows.split_texts = engine, tokenise
sys.exit(process.main())
"""


def hung(tmp_path: Path, which: str) -> tuple[str, list[tuple[int, int]]]:
    """Run a worker in which this step hangs: its last error, and crashes and free leases of both shards."""
    (tmp_path / "in").mkdir()
    corpus(tmp_path / "in", 2, 5)
    store = FolderStore(tmp_path / "out")
    header = launch(store, tmp_path / "in", 2)
    words = ["--store", str(store.root), "--run", header.run, "--name", "ann", "--offset", "0"]
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, which, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert ended.returncode == ENGINE_HUNG, ended.stderr
    pulse = heartbeat.load(read(store, heartbeat_key(header.run, "ann")) or b"")
    assert (pulse.state, len(pulse.returned)) == ("failed", 2)
    shards = manifest.read_slab(store, header.run, 0, header.shards)
    seen = survey(store, header.run, shards[0].slab)
    return pulse.error or "", [(seen.crashes.get(s.id, 0), is_free(seen.newest[s.id][1])) for s in shards]


def test_a_tokenizer_that_hangs_blames_its_shard_and_not_the_one_in_the_engine(tmp_path: Path) -> None:
    error, shards = hung(tmp_path, "read")
    assert error.startswith("a read of the input has taken 2 s")
    assert shards == [(0, True), (1, True)]


def test_an_engine_that_hangs_blames_its_shard_and_not_the_one_that_waits(tmp_path: Path) -> None:
    error, shards = hung(tmp_path, "engine")
    assert error.startswith("the engine's call with ")
    assert shards == [(1, True), (0, True)]
