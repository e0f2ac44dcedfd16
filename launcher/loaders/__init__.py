"""Loaders on rented machines: `load --on` has several machines without a GPU load a run, beside the store.

Each machine runs `embedfleet load --share ID`: they divide the files by leases (`progress.shares`), and one ends
the load. SkyPilot starts them as managed jobs, so that one which is preempted comes back.

Imports: launcher.pilot, launcher.planning, launcher.loading, launcher.fleet, launcher.sinks; tasks.

task: the SkyPilot task of a loader. Pure.
rent: starts the loaders, watches what they do and cost, and ends them.
"""
