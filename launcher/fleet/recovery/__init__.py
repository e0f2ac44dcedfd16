"""Brings back what was lost: output that vanished, shards that failed, a ledger that is gone.

Imports: `launcher.costs`, `launcher.fleet.budget`, `create_run`, `run_lock`, `monitoring`, `provisioning`, `scheduling`.

missing_output: embeds again what has vanished of a run.
retry_failed: what failed of a run and may succeed another time is tried again.
put_back: shards that are to be tried again, marked in the store.
planned_inputs: the corpus and the model are still what the plan saw.
rebuild_ledger: a run's ledger from its output path alone.
rebuild_machines: the machines of such a ledger, by their signs of life and by what launchers recorded.
"""
