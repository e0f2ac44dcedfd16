"""Poison shards: whether a shard on which processes died is to blame, or the machine.

A sick GPU kills every shard that it is given, so crashes at one place prove nothing against a shard while other machines
work on the run: it is left to them. It is set aside after MAX_CRASHES crashes at two places, or where no other place is
alive: every one of these processes had embedded a plain word before, so the engine works and fails on this shard.
"""

from dataclasses import dataclass
from datetime import timedelta

from tasks.protocol import documents
from tasks.protocol.keys import heartbeats_prefix
from tasks.protocol.lease import MAX_CRASHES, Survey, crash_places
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.crash_marker import this_place
from tasks.protocol.retry import NEVER
from tasks.protocol.shard import Shard
from tasks.stores.base import Store, list_all, read

ALIVE = timedelta(seconds=90)  # since the last heartbeat of a worker: six of them
WORKING_STATES = frozenset({"starting", "working", "waiting"})


@dataclass(frozen=True, slots=True)
class Blame:
    """Judges shards for a worker of this run at this place."""

    store: Store
    run: str

    def crashes(self, shard: Shard, seen: Survey) -> int | None:
        """The crashes that count against a shard, MAX_CRASHES when it is to be set aside; None: leave it to others."""
        found = seen.crashes.get(shard.id, 0)
        if found < MAX_CRASHES:
            return found
        here = this_place()
        places = crash_places(self.store, self.run, shard.slab, shard.id, seen.retries.get(shard.id, NEVER))
        if len(places) > 1 or "" in places:
            return found
        if here not in places:
            return MAX_CRASHES - 1  # not tried here yet
        return None if self._others_alive(here) else found

    def _others_alive(self, here: str) -> bool:
        """Whether a worker at another place has given a sign of life lately."""
        now = self.store.now()
        for entry in list_all(self.store, heartbeats_prefix(self.run)):
            if now - entry.modified > ALIVE:
                continue
            try:
                found = heartbeat.load(read(self.store, entry.key) or b"")
            except documents.BadDocument:
                continue
            if found.place not in (None, here) and found.state in WORKING_STATES:
                return True
        return False
