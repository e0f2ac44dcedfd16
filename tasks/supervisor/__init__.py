"""The supervisor of a machine: keeps one worker process running on each GPU.

Imports: tasks.worker, tasks.protocol, tasks.stores, tasks.clock, tasks.errors.

__main__: `python -m tasks.supervisor`.
supervisor: starts, watches, restarts and settles the worker processes.
restart_policy: whether a worker that ended is started again, and after which backoff.
parent_death: runs a command that gets SIGTERM when its parent dies (Linux).
"""
