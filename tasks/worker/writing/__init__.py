"""The files of a shard while they are written, their upload and the receipts.

Imports: tasks.formats, tasks.engines, tasks.protocol, tasks.stores, tasks.worker.reading, tasks.worker.monitoring,
tasks.clock, tasks.errors.

output_files: the local files of one shard while they are written.
commit: uploads files and creates receipts and parts.
scratch: the local folder for files on their way, and errors of its disk.
shard_task: a shard that the worker holds, and one window of it.
"""
