"""Carries a plan out: starts machines, watches them, ends them, and proves that none is left.

Imports: `launcher.costs`, `planning`, `throughput`, `corpus`, `jobs`, `output`, `ledger` and below, `tasks`, `pricing`;
never `launcher.cli` or `reports`. Inside: controller, status, teardown and recovery stand above
create_run, this above budget and steering, these above monitoring and provisioning, these above backends, these above
scheduling.

controller: the loop of a launcher: observe, decide, act, write down.
endings: how a launcher's part in a run ends: done, stopped, or machines left to their work.
create_run: a run's row in the ledger, and its plan and manifest in the store.
status: how a run stands now, for `status`; brings the ledger up to date where no launcher is at work.
run_logs: what the workers of a run wrote, here or on rented machines.
teardown: drains the machines of a run, or takes everything down.
orphan_check: asks SkyPilot and the providers whether a machine of a run is left.
run_context: ledger, observer, backend and groups of a run, passed by name.
run_lock: one launcher for each run on this laptop.
interrupts: counts Ctrl-C and SIGTERM.
launch_orders: carries the policy's orders out, each written down before the act.
progress: the figures that a user watches.
failure_messages: what a launcher says when machines fail, or are left running.
notifications: decides and sends a run's messages while a launcher drives it.
budget: the money of a run in its store, over all launchers.
backends: where machines come from: this machine, or SkyPilot.
scheduling: which machines to start and to end; pure.
provisioning: from a plan to tasks, machines and prices; what places answered.
recovery: what was lost is found and done again.
steering: deadline, course and pace of a steered run.
monitoring: what machines and workers report, written into the ledger.
"""
