"""Settle a worker that crashed: its last heartbeat, and the leases that it held."""

import socket
from collections.abc import Mapping

from tasks.clock import utc
from tasks.protocol.keys import heartbeat_key, lease_key, repeats_run
from tasks.protocol.lease import holder, release
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.heartbeat import Heartbeat, ReturnedLease
from tasks.stores.base import Store, read
from tasks.worker.monitoring.heartbeat import HeartbeatWriter


def settle(store: Store, run: str, name: str, pid: int, how: str, died_of: Mapping[str, str]) -> bool:
    """Write the last heartbeat of a crashed worker and release its leases; whether it had finished a shard.

    Args:
        store: of the run.
        run: its id.
        name: of the worker.
        pid: of the crashed process.
        how: the cause, for the heartbeat.
        died_of: keys of the leases whose shards it may have crashed on, with its place.
    """
    body = read(store, heartbeat_key(run, name))
    now = utc()
    pulse = (
        heartbeat.load(body)
        if body
        else Heartbeat(run=run, worker=name, host=socket.gethostname(), pid=pid, started=now)
    )
    pulse.state, pulse.stopping, pulse.error = "lost", now, how
    for slab, shard, generation, claimed in pulse.leases:
        lease = lease_key(repeats_run(run), slab, shard, generation)
        if _release(store, lease, name, died_of.get(lease)):
            continue  # the ledger knows no shards of a repeats run
        lease = lease_key(run, slab, shard, generation)
        if _release(store, lease, name, died_of.get(lease)):
            pulse.returned.append(
                ReturnedLease(slab=slab, shard=shard, generation=generation, claimed=claimed, returned=now)
            )
    for lease, place in died_of.items():  # claimed after its last heartbeat
        _release(store, lease, name, place)
    pulse.leases = []
    HeartbeatWriter(store, pulse).write_now()
    return pulse.shards > 0


def _release(store: Store, lease: str, name: str, died_at: str | None) -> bool:
    """Free a lease that this worker still holds."""
    held = holder(store, lease)
    ours = held is not None and held[0] == name
    if ours:
        release(store, lease, died_at=died_at)
    return ours
