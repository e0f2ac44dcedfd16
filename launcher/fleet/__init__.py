"""Carries a plan out: starts machines, watches them, ends them, and proves that none is left.

Imports: `launcher.costs`, `planning`, `throughput`, `corpus`, `jobs`, `output`, `ledger` and below, `tasks`, `pricing`;
never `launcher.cli` or `reports`. Inside: controller, status, teardown and create_run stand above budget, this above
monitoring and provisioner, these above backends, these above policy, this above placement and states.

controller: the loop of a launcher: observe, decide, act, write down.
create_run: a run's row in the ledger, and its plan and manifest in the store.
status: how a run stands now, for `status`; brings the ledger up to date where no launcher is at work.
teardown: drains the machines of a run, or takes everything down.
orphan_check: asks SkyPilot and the providers whether a machine of a run is left.
rebuild_ledger: a run's ledger from its output path alone.
missing_output: embeds again what has vanished of a run.
retry_failed: what failed of a run and may succeed another time is tried again.
planned_inputs: the corpus and the model are still what the plan saw.
put_back: shards that are to be tried again, marked in the store.
run_context: ledger, observer, backend and groups of a run, passed by name.
run_lock: one launcher for each run on this laptop.
interrupts: counts Ctrl-C and SIGTERM.
launch_orders: carries the policy's orders out, each written down before the act.
policy: which machines to start and to end; pure.
states: phases of a machine that has not ended.
placement: in which order to try the places of a group; pure.
placement_failures: preemptions and missing capacity by place, kept in the ledger.
provisioner: from a plan to its backend and machine groups.
task_specs: from a plan's machine groups to SkyPilot tasks.
machine_price: what a machine costs an hour where it came up.
progress: the figures that a user watches.
failure_messages: what a launcher says when machines fail, or are left running.
notifications: decides and sends a run's messages while a launcher drives it.
budget: the money of a run in its store, over all launchers.
backends: where machines come from: this machine, or SkyPilot.
monitoring: what machines and workers report, written into the ledger.
"""
