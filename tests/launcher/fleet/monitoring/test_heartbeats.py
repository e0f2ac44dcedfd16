"""Heartbeats in a store, and what `status` makes of those of a real run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.documents.status import WorkerSummary
from launcher.fleet.backends.local import LocalBackend
from launcher.fleet.controller import Controller
from launcher.fleet.monitoring.bottleneck import ADVICE
from launcher.fleet.monitoring.heartbeats import HeartbeatReader, summarize, worker_health
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.run_context import RunContext
from launcher.ledger.ledger import Ledger
from tasks.protocol.keys import heartbeat_key
from tasks.protocol.messages.heartbeat import Heartbeat, dump
from tasks.stores.folder import FolderStore
from tasks.stores.memory import MemoryStore
from tasks.worker.monitoring.heartbeat import HeartbeatWriter
from tests.support.cli_runs import embedfleet, records, write_job, write_plan
from tests.support.runs import NOON, Clock, header_of, write_jsonl

STARVED = {"engine": 40.0, "wait": 60.0, "read": 5.0, "tokenise": 9.0, "write": 2.0, "store": 90.0}


def heartbeat(worker: str, state: str = "working", **stages: float) -> Heartbeat:
    return Heartbeat(
        run="r1",
        worker=worker,
        host="box",
        pid=1,
        started=NOON,
        state=state,
        device="cuda",
        tokens=90_000,
        seconds=100.0,
        recent=950.0,
        stages=STARVED | stages,
        machine={"gpu": "L4", "gpu_percent": 35.0, "rss_bytes": 10**9},
        at=NOON,
    )


def put(store: MemoryStore, one: Heartbeat) -> None:
    store.put(heartbeat_key("r1", one.worker), dump(one))


def test_age_is_by_the_clock_of_the_store() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    put(store, heartbeat("b"))
    clock.pass_seconds(20)
    put(store, heartbeat("a"))
    clock.pass_seconds(5)
    assert [(one.worker, one.age) for one in HeartbeatReader(store, "r1").read()] == [("a", 5.0), ("b", 25.0)]


def test_newer_heartbeat_replaces_the_known_one() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    put(store, heartbeat("a"))
    reader = HeartbeatReader(store, "r1")
    assert reader.read()[0].tokens == 90_000
    clock.pass_seconds(15)
    put(store, replace(heartbeat("a"), tokens=99_000))
    assert reader.read()[0].tokens == 99_000


def test_unreadable_heartbeat_is_skipped() -> None:
    store = MemoryStore()
    put(store, heartbeat("a"))
    store.put(heartbeat_key("r1", "b"), b'{"schema": "embedfleet/worker/1"}')
    store.put(heartbeat_key("r1", "c"), b"no JSON")
    assert [one.worker for one in HeartbeatReader(store, "r1").read()] == ["a"]


def test_summary_without_workers_is_empty() -> None:
    found = summarize(HeartbeatReader(MemoryStore(), "r1").read())
    assert found == WorkerSummary(stages={}, slowest=None, advice=(), signs=())


def test_dead_workers_do_not_count_while_others_live() -> None:
    busy = heartbeat("b", engine=99.0, wait=1.0)
    found = summarize([worker_health(heartbeat("a", "lost"), 900.0), worker_health(busy, 3.0)])
    assert found.slowest == "engine"
    assert [one.worker for one in found.signs] == ["a", "b"]


def test_all_workers_count_once_the_run_is_over() -> None:
    found = summarize(
        [worker_health(heartbeat("a", "done"), 900.0), worker_health(heartbeat("b", "done"), 900.0)]
    )
    assert (found.slowest, found.advice) == ("store", (ADVICE["store"],))
    assert found.stages["wait"] == pytest.approx(0.6)


def test_summary_of_a_worker_has_rate_waiting_and_gpu() -> None:
    (one,) = summarize([worker_health(heartbeat("a"), 3.0)]).signs
    assert (one.tokens_per_second, one.waiting_share, one.gpu, one.gpu_percent) == (
        950.0,
        0.6,
        "L4",
        35.0,
    )


@pytest.mark.slow
def test_status_names_the_bottleneck_of_a_real_run(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", records("d", [100] * 300))
    job = write_job(tmp_path, local="{workers: 2}")
    run = write_plan(job)["run"]
    # 30,600 tokens at 1.2 s a thousand: 36 s of work for two engines together
    assert embedfleet("launch", "plan.json", folder=tmp_path, EMBEDFLEET_HASH_SECONDS="1.2").returncode == 0
    body = json.loads(embedfleet("status", run, "--json", folder=tmp_path).stdout)
    assert body["schema"] == "embedfleet/status/1"
    assert len(body["signs"]) == 2
    assert sum(body["stages"][stage] for stage in ("engine", "wait", "idle")) == pytest.approx(1, abs=0.001)
    assert body["slowest"] in ("engine", "idle")  # the hash engine sleeps: nothing else takes any time
    shown = embedfleet("status", run, folder=tmp_path).stdout
    assert "slowest stage: " in shown
    assert "engines work" in shown
    assert body["advice"][0][:40] in " ".join(shown.split())


def test_first_minute_of_a_worker_is_recorded_while_its_run_lasts(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", records("d", [100] * 300))
    body = write_plan(write_job(tmp_path))
    store, header = FolderStore(tmp_path / "out"), header_of(tmp_path / "in", 1, run=body["run"])
    over = {"seconds": 61.0, "tokens": 122_000, "engine_seconds": 60.0}
    one = replace(heartbeat("w0"), run=header.run, ready=NOON.isoformat(), first_minute=over)
    HeartbeatWriter(store, one).write_now()
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create(header.run, "small", json.dumps(body), body["digest"], str(store.root), NOON)
        assert ledger.machines.intend(header.run, "w0", 0, None, NOON, place="local", gpu="cpu")
        ledger.machines.confirm("w0", "1:w0", NOON)
        observer = StoreObserver(store, ledger, header)
        context = RunContext(ledger=ledger, observer=observer, backend=LocalBackend(tmp_path), groups=())
        controller = Controller(context)
        observer.read_heartbeats()
        for _ in range(2):
            controller.record_first_minutes()
        (seen,) = ledger.speeds.matching()
    assert (seen.mid, seen.gpu, seen.source) == (4_000, "cpu", f"first minute of run {header.run}")
