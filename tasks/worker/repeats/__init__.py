"""A worker's part in the repeats run (`tasks.protocol.repeats`): texts that the corpus repeats are embedded first.

Imports: what `tasks.worker` imports.

stage: what a worker needs to take part in the repeats run, and to use its vectors afterwards.
shared_vectors: the vectors of a finished repeats run, on the local disk.
"""
