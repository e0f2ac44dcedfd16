"""A worker's sign of life: what it holds, how large it is, and how often it comes."""

import json
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.protocol.keys import heartbeat_key
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.heartbeat import Heartbeat, HeldLease, ReturnedLease
from tasks.stores.base import read
from tasks.stores.folder import FolderStore
from tasks.stores.memory import MemoryStore
from tasks.worker.leases.lease_renewal import RETURNED_LEASES_KEPT
from tasks.worker.monitoring.heartbeat import HEARTBEAT_SECONDS, HeartbeatWriter
from tasks.worker.monitoring.stage_timer import STAGES
from tasks.worker.reader import MAX_SHARDS_IN_HAND
from tests.support.paths import ROOT
from tests.support.runs import NOON, Clock, corpus, launch

LEASE = HeldLease("00012", "a" * 40, 3, NOON)


def fresh(worker: str = "w0") -> Heartbeat:
    return Heartbeat(run="run-1", worker=worker, host="box", pid=7, started=NOON)


def kept(store: MemoryStore | FolderStore, worker: str = "w0") -> Heartbeat:
    body = read(store, heartbeat_key("run-1", worker))
    assert body is not None
    return heartbeat.load(body)


def test_heartbeat_is_written_with_its_time_and_updated_figures() -> None:
    store, clock = MemoryStore(), Clock()

    def look(pulse: Heartbeat) -> None:
        pulse.tokens = 5

    writer = HeartbeatWriter(store, fresh(), update=look, clock=clock)
    writer.write_now()
    clock.pass_seconds(15)
    writer.write_now()
    assert kept(store).tokens == 5
    assert kept(store).at == NOON + timedelta(seconds=15)


def test_default_interval_is_the_constant() -> None:
    assert HeartbeatWriter(MemoryStore(), fresh()).every == HEARTBEAT_SECONDS == 15.0


def test_writer_repeats_until_it_is_stopped() -> None:
    beats, enough = [0], threading.Event()

    def look(_pulse: Heartbeat) -> None:
        beats[0] += 1
        if beats[0] == 3:
            enough.set()

    writer = HeartbeatWriter(MemoryStore(), fresh(), every=0.01, update=look)
    writer.start()
    assert enough.wait(10)
    writer.stop()
    before = beats[0]
    assert not any(thread.name == "heartbeat" for thread in threading.enumerate())
    assert beats[0] == before


def test_heartbeat_of_another_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="not a worker of schema"):
        heartbeat.load(b'{"schema": "embedfleet/worker/1"}')


def test_heartbeat_stays_small_with_a_long_error() -> None:
    store, pulse = MemoryStore(), fresh()
    pulse.error = "boom " * 100_000
    pulse.leases = [LEASE] * MAX_SHARDS_IN_HAND
    pulse.returned = [ReturnedLease(*LEASE, NOON)] * RETURNED_LEASES_KEPT
    pulse.stages = dict.fromkeys(STAGES, 123_456.789)
    pulse.machine = {f"figure_{n}": 123_456_789_012.0 for n in range(20)}
    HeartbeatWriter(store, pulse).write_now()
    body = read(store, heartbeat_key("run-1", "w0"))
    assert body is not None
    assert len(body) < 24_000
    assert kept(store).error == ("boom " * 100)


def test_real_worker_reports_shards_tokens_rates_stages_and_machine(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    corpus(tmp_path / "in", 4, 30)
    store = FolderStore(tmp_path / "out")
    header = launch(store, tmp_path / "in", 4)
    command = [sys.executable, "-m", "tasks.worker", "--store", str(store.root), "--run", header.run]
    subprocess.run([*command, "--name", "w0"], cwd=ROOT, check=True, capture_output=True, timeout=60)
    pulse = kept(store)
    assert (pulse.state, pulse.shards, pulse.engine, pulse.error) == ("done", 4, "hash", None)
    assert pulse.tokens > 4_000
    assert pulse.seconds > 0
    assert pulse.recent is None or pulse.recent > 0
    assert set(pulse.stages) <= set(STAGES)
    assert {"read", "tokenise", "engine", "write", "store"} <= pulse.stages.keys()
    resident = pulse.machine["rss_bytes"]
    assert isinstance(resident, int)
    assert resident > 2**20
    assert json.dumps(pulse.machine)
