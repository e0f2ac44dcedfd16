"""The vectors that a run has written: their dataset manifest, the proof that they are right, and what may be deleted.

Imports: tasks.

dataset: writes the manifest that lists every file of vectors.
taken_over: the shards of earlier runs whose vectors belong to the dataset of a run.
hashed_names: names as 64-bit hashes, and whether a set of them has one.
id_hashes: compares sequences of ids at 8 bytes an id.
vector_sample: a bounded sample of the vectors of a run.
stored_files: which files an output holds, by name and size.
missing: notices that files of a finished run are gone or cut.
repeats_run: reads the receipts of the run that embeds first what a corpus repeats.
finished_run: the receipts of a finished run, and which files they name.
garbage: finds files of a finished run's attempts that lost.
verification: the proof that the vectors of a run are right, file by file and row by row.
"""
