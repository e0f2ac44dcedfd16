"""The worker process: claims shards, embeds them, writes the vectors and commits the receipts.

Imports: tasks.formats, tasks.engines, tasks.protocol, tasks.stores, tasks.clock, tasks.errors.

__main__: `python -m tasks.worker`.
worker: command line and main object of a worker; its heartbeat and its end.
context: the parts that reader, engine loop and writer share.
pipeline: the engine loop in the main thread, with the reader and writer threads beside it.
reader: the reader thread, which claims shards ahead of the engine and prefetches them.
writer: the writer thread, which writes files and commits shards.
engine_schedule: how much goes through the engine at once, and when it will run dry.
claims: which shard to claim next.
blame: whether a shard on which processes died is to blame, or the machine.
watchdog: ends the worker when its engine, or a read of the input, hangs.
lease_renewal: leases in hand and the thread that renews them.
commit: uploads files and creates receipts and parts.
shard_task: a shard that the worker holds, and one window of it.
input_rows: the rows of a shard, as its run reads them.
windows: reads a shard as windows of token ids.
window_queue: the bounded queue between reader and engine.
scratch: the local folder for files on their way, and errors of its disk.
repeats: the part in the repeats run, which embeds first the texts that the corpus has more than once.
earlier_vectors: vectors of earlier runs, for texts that have not changed.
output_files: the local files of one shard while they are written.
heartbeat: the heartbeat object and the thread that writes it.
signals: SIGTERM, drain and preemption deadlines.
preemption_notice: polls the cloud's metadata service for preemption notices.
start_timer: how long each stage of the worker's start took.
stage_timer: seconds by stage, tokens and recent rate.
machine_stats: memory, CPU, disk and GPU figures for the heartbeat.
"""
