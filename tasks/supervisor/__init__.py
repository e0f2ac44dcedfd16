"""The supervisor of a machine: keeps one worker process running on each GPU.

Imports: tasks.worker, tasks.protocol, tasks.metrics, tasks.stores, tasks.clock, tasks.errors.

__main__: `python -m tasks.supervisor`.
command_line: options, and the workers and GPUs that they mean.
supervisor: starts, watches and restarts the worker processes.
machine_metrics: the workers of a machine as metrics of Prometheus.
settle: the last heartbeat of a worker that crashed, and the leases that it held.
restart_policy: whether a worker that ended is started again, and after which backoff.
parent_death: runs a command that gets SIGTERM when its parent dies (Linux).
"""
