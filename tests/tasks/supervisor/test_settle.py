"""A crashed worker is settled: the leases that its last heartbeat lists are free, those of its repeats run as well."""

from pathlib import Path

import pytest

from tasks.protocol.keys import heartbeat_key, repeats_run
from tasks.protocol.lease import Lease, claim, survey
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.heartbeat import Heartbeat, HeldLease
from tasks.protocol.shard import Shard
from tasks.stores.base import read
from tasks.stores.folder import FolderStore
from tasks.supervisor.settle import settle
from tasks.worker.monitoring.heartbeat import HeartbeatWriter
from tests.support.runs import NOON, shards_of


def held(store: FolderStore, run: str, shard: Shard, worker: str = "ann") -> Lease:
    lease = claim(store, run, shard, 1, worker, NOON)
    assert lease
    return lease


@pytest.mark.parametrize("crashed", [False, True])
def test_leases_of_the_run_and_of_its_repeats_run_are_released(tmp_path: Path, crashed: bool) -> None:
    store = FolderStore(tmp_path)
    shards = shards_of(3)
    own = [held(store, "run-1", shards[0]), held(store, repeats_run("run-1"), shards[1])]
    others = held(store, repeats_run("run-1"), shards[2], "bob")
    pulse = Heartbeat(run="run-1", worker="ann", host="h", pid=1, started=NOON)
    pulse.leases = [HeldLease(one.slab, one.shard, 1, NOON) for one in (*own, others)]
    HeartbeatWriter(store, pulse).write_now()
    died_of = {one.key: "0" * 8 for one in own} if crashed else {}
    assert not settle(store, "run-1", "ann", 1, "killed", died_of)
    crashes = [survey(store, run, "00000").crashes for run in ("run-1", repeats_run("run-1"))]
    assert crashes == [{one.shard: 1} if crashed else {} for one in own]
    assert all(len(read(store, one.key) or b"") <= 9 for one in own)
    assert read(store, others.key) == others.body
    last = heartbeat.load(read(store, heartbeat_key("run-1", "ann")) or b"")
    assert [one.shard for one in last.returned] == [shards[0].id]  # the ledger knows no others
