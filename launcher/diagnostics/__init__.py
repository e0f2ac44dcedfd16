"""The checks of `embedfleet doctor`: what would make a run fail, found before anything is spent.

Imports: fleet, planning, corpus, jobs, ledger, stores.

checks: the result of a check, as a value, JSON and text.
model_check: whether a worker can embed the model of a job.
local_checks: this machine; a job's model and corpus.
store_checks: whether a store does what a run needs.
cloud_checks: SkyPilot, credentials, quotas and orphaned machines.
"""
