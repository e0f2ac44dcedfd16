"""Which shards a worker works on, and the leases that say so.

Imports: tasks.protocol, tasks.stores, tasks.clock, tasks.errors.

claims: which shard to claim next.
blame: whether a shard on which processes died is to blame, or the machine.
lease_renewal: leases in hand and the thread that renews them.
"""
