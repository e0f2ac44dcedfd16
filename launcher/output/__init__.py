"""The vectors that a run has written: their dataset manifest, the proof that they are right, and what may be deleted.

Imports: tasks.

dataset: writes the manifest that lists every file of vectors.
verify: checks every receipt, file, id and length, and embeds a sample again.
shard_rows: the rows of one shard's output and input while they are verified.
id_hashes: compares sequences of ids at 8 bytes an id.
reembed: embeds sampled rows again and returns their cosines.
missing: notices that files of a finished run are gone.
garbage: reads all receipts of a finished run, and finds files of its attempts that lost.
"""
