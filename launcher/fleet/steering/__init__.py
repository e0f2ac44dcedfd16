"""Steers a run to its deadline: what the launcher knows, asks `launcher.steering`, and writes down.

Imports: `launcher.fleet.monitoring`, `provisioning`, `scheduling`, `run_lock`.

run_steering: what a run is steered by, from the ledger, and what was decided, into it.
steering_setup: the steering of a run from its plan and its job.
deadline: when a run is to be done, and refusals of deadlines that cannot be kept.
course_status: where a run stands to its deadline, for `status`.
looks: when a launcher looked, and when it slept.
pace: measured speeds over planned ones.
"""
