"""Messages between the launcher and the workers while machines run, and the names and exit statuses they use.

Imports: `tasks.protocol.documents`, `bounds`, `keys`, `lease`; `stores`, `clock`, `errors`. `worker_names` is pure.

heartbeat: what a worker writes about itself while it lives.
control: the launcher's message to every worker: go on, or drain.
allowance: until when machines may work without a launcher.
crash_marker: the shards that were in the engine when a process died.
worker_names: names of workers, built and parsed.
exit_codes: exit statuses of workers and supervisors.
"""
