"""How often P10 to P90 of a plan holds what comes: drawn worlds, planned and then carried out by a simulator of its own.

__main__: `make bench-intervals`: plans of each size of job in drawn worlds, and how many came inside, as JSON.
world: what is drawn: prices and the older quotes that the planner sees, speeds, starts, waits, preemptions.
simulator: carries out a fleet machine by machine and shard by shard, with nothing of the planner.
"""
