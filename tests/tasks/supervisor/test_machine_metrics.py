"""Metrics of a machine: sums over all workers that it had, so that a killed one does not make a counter fall."""

from datetime import UTC, datetime
from typing import Any

from tasks.metrics.exposition import render
from tasks.protocol.keys import heartbeat_key
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.stores.base import Entry
from tasks.stores.memory import MemoryStore
from tasks.supervisor.machine_metrics import HeartbeatsOfMachine, machine_metrics
from tasks.supervisor.restart_policy import SlotEnd
from tasks.supervisor.supervisor import WorkerSlot

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def beat(store: MemoryStore, worker: str, state: str, tokens: int, **more: Any) -> None:
    one = Heartbeat(
        run="r", worker=worker, host="h", pid=1, started=NOW, at=NOW, state=state, tokens=tokens, **more
    )
    store.put(heartbeat_key("r", worker), heartbeat.dump(one))


def values(slots: list[WorkerSlot], heartbeats: list[Heartbeat] | None) -> dict[str, str]:
    page = render(machine_metrics("r", "m", slots, heartbeats))
    return dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))


def test_killed_worker_stays_in_the_counters_and_leaves_the_gauges() -> None:
    store = MemoryStore()
    reader = HeartbeatsOfMachine(store, "r", "m", cache_seconds=0)
    slot = WorkerSlot(0, None, 1)
    beat(store, "m-0", "working", 100, recent=50.0, machine={"rss_bytes": 7, "gpu_percent": 80, "gpu": "L4"})
    beat(store, "m-2-0", "working", 1_000)  # of another machine
    first = values([slot], reader.read())
    assert first['embedfleet_machine_tokens_total{run="r",machine="m"}'] == "100"
    assert first['embedfleet_worker_tokens_per_second{run="r",worker="m-0"}'] == "50"
    assert first['embedfleet_gpu_utilization_ratio{run="r",worker="m-0"}'] == "0.8"
    beat(store, "m-0", "lost", 100, recent=50.0)
    beat(store, "m-0r1", "working", 20)
    slot.life = 2
    second = values([slot], reader.read())
    assert second['embedfleet_machine_tokens_total{run="r",machine="m"}'] == "120"
    assert second['embedfleet_worker_restarts_total{run="r",machine="m"}'] == "1"
    assert not any('m-0"' in name for name in second)


class FailingStore(MemoryStore):
    """Its listings fail once `fails` is set."""

    fails = False

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        if self.fails:
            raise OSError
        return super().list(prefix, after)


def test_store_that_fails_and_damage_leave_what_was_seen() -> None:
    store = FailingStore()
    reader = HeartbeatsOfMachine(store, "r", "m", cache_seconds=0)
    beat(store, "m-0", "working", 100)
    assert [one.tokens for one in reader.read() or ()] == [100]
    store.put(heartbeat_key("r", "m-0"), b"{")
    assert [one.tokens for one in reader.read() or ()] == [100]

    store.fails = True
    assert [one.tokens for one in reader.read() or ()] == [100]


def test_counters_are_absent_until_the_store_could_be_read() -> None:
    store = FailingStore()
    reader = HeartbeatsOfMachine(store, "r", "m", cache_seconds=0)
    counters = {f'embedfleet_machine_{name}_total{{run="r",machine="m"}}' for name in ("tokens", "shards")}
    store.fails = True
    assert not counters & values([], reader.read()).keys()
    store.fails = False
    assert {name: values([], reader.read())[name] for name in counters} == dict.fromkeys(counters, "0")


def test_states_of_the_slots_are_counted() -> None:
    ended, restarting = WorkerSlot(0, None, 1), WorkerSlot(1, None, 1)
    ended.end = SlotEnd.DONE
    found = values([ended, restarting], [])
    assert [
        found[f'embedfleet_workers{{run="r",machine="m",state="{state}"}}']
        for state in ("up", "restarting", "ended")
    ] == ["0", "1", "1"]
