"""The pilot: a run's launcher on a small rented machine, so that the laptop may close.

`launch --pilot` plans, asks and cuts the corpus on the laptop as ever. Then it sends the run's part of the ledger to the
store, and to SkyPilot a managed job that runs `embedfleet pilot`. Machine and laptop reach the same API server of
SkyPilot, so `stop` and `down` reach the machines of the run from both.

Imports: launcher.fleet, launcher.planning, launcher.ledger, launcher.jobs, tasks, pricing.

cpu_task: what the tasks of pilots and of rented loaders have in common. Pure.
task: the SkyPilot task of a pilot. Pure.
ledger_copy: the run's part of a ledger in the store, from one machine to the other.
news: what the laptop learns of a run that its pilot drives.
hand_over: checks what a pilot needs, sends one, finds it and ends it.
drive: what the pilot does on its machine.
"""
