"""The rows of a shard as windows of token ids, from the corpus or from earlier runs.

Imports: tasks.formats, tasks.models, tasks.engines, tasks.protocol, tasks.stores, tasks.worker.monitoring.

input_rows: the rows of a shard, as its run reads them.
windows: reads a shard as windows of token ids.
window_queue: the bounded queue between reader and engine.
earlier_vectors: vectors of earlier runs, for texts that have not changed.
"""
