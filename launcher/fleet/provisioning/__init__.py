"""Asks for machines: from a plan's groups to tasks, backends and prices, and what places answered.

Imports: `launcher.fleet.backends`, `scheduling`.

provisioner: from a plan to its backend and machine groups.
task_specs: from a plan's machine groups to SkyPilot tasks.
launch_prices: the prices at which a steered run was launched, where the plan's had moved.
placement_failures: preemptions and missing capacity by place, kept in the ledger.
ask_history: what places answered when machines were asked for.
past_runs: what steered runs of this laptop saw of their places.
"""
