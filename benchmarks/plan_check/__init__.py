"""Plans checked by a second calculation that shares no code with the planner: `make check-plans`.

It knows a plan as a reader of `plan --json` does, the job as its YAML, and prices as the CSV files of the snapshot.

__main__: plans each job with the command line as a process, checks it, and prints JSON.
snapshot: the CSV files of prices, egress, storage, models and GPUs, read here a second time.
arithmetic: tokens, hours and each item of the dollars, computed again.
steered: items and bounds of a steered run, computed again from its own hours.
choice: limits, quotes, quota and unknown legs; and whether a cheaper fleet was overlooked.
jobs: twenty jobs, from tiny to 600 billion tokens, on each cloud, tight and loose.
"""
