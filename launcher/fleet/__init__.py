"""Carries a plan out: starts machines, watches them, ends them, and proves that none is left.

Imports: `launcher.costs`, `planning`, `throughput`, `corpus`, `jobs`, `output`, `ledger` and below, `tasks`, `pricing`;
never `launcher.cli` or `reports`. Inside: controller, status, teardown and create_run stand above budget, this above
monitoring and provisioner, these above backends, these above policy, this above steered,
this above slots, this above fleet_view, this above placement and states.

controller: the loop of a launcher: observe, decide, act, write down.
endings: how a launcher's part in a run ends: done, stopped, or machines left to their work.
create_run: a run's row in the ledger, and its plan and manifest in the store.
status: how a run stands now, for `status`; brings the ledger up to date where no launcher is at work.
course_status: where a run stands to its deadline, for `status`.
run_logs: what the workers of a run wrote, here or on rented machines.
teardown: drains the machines of a run, or takes everything down.
orphan_check: asks SkyPilot and the providers whether a machine of a run is left.
rebuild_ledger: a run's ledger from its output path alone.
missing_output: embeds again what has vanished of a run.
retry_failed: what failed of a run and may succeed another time is tried again.
planned_inputs: the corpus and the model are still what the plan saw.
put_back: shards that are to be tried again, marked in the store.
deadline: when a run is to be done, and refusals of deadlines that cannot be kept.
looks: when a launcher looked, and when it slept.
run_steering: what a run is steered by, from the ledger, and what was decided, into it.
steering_setup: the steering of a run from its plan and its job.
ask_history: what places answered when machines were asked for.
launch_prices: the prices at which a steered run was launched, where the plan's had moved.
pace: measured speeds over planned ones.
run_context: ledger, observer, backend and groups of a run, passed by name.
run_lock: one launcher for each run on this laptop.
interrupts: counts Ctrl-C and SIGTERM.
launch_orders: carries the policy's orders out, each written down before the act.
policy: which machines to start and to end; pure.
steered: what steering sees of a fleet, and its verdict as orders; pure.
slots: which slots of a group are free, and which are given up; pure.
fleet_view: what the policy sees.
states: phases of a machine that has not ended, and how heartbeats end.
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
