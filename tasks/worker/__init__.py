"""The worker process: claims shards, embeds them, writes the vectors and commits the receipts.

Imports: tasks.formats, tasks.engines, tasks.protocol, tasks.stores, tasks.clock, tasks.errors.

__main__: `python -m tasks.worker`.
process: command line of a worker process; loads the engine and writes the last heartbeat.
worker: main object of a worker; its pipeline, its heartbeat and how it ends.
context: the parts that reader, engine loop and writer share.
pipeline: the engine loop in the main thread, with the reader and writer threads beside it.
reader: the reader thread, which claims shards ahead of the engine and prefetches them.
writer: the writer thread, which writes files and commits shards.
engine_schedule: how much goes through the engine at once, and when it will run dry.
repeats: the part in the repeats run, which embeds first the texts that the corpus has more than once.
leases: which shards a worker works on, and the leases that say so.
reading: the rows of a shard as windows of token ids, from the corpus or from earlier runs.
writing: the files of a shard while they are written, their upload and the receipts.
monitoring: what a worker says of itself, how long its stages take, and what ends it from outside.
"""
