"""The vectors that a run has written: their dataset manifest, the proof that they are right, and what may be deleted.

Imports: tasks.

dataset: writes the manifest that lists every file of vectors.
taken_over: the shards of earlier runs whose vectors belong to the dataset of a run.
verify: checks every receipt, file, id and length, what readers read, and embeds a sample again.
verify_report: what verify found.
plan_check: compares the manifest of a run with what the ledger knows of it.
shard_files: the receipt of a shard and the files that it names.
shard_rows: the rows of one shard's output and input while they are verified.
dataset_check: compares the dataset manifest with the receipts.
input_balance: accounts for every row of the input.
input_counts: counts the rows of an input file by another way than its reader.
repeated_ids: names the ids that several documents of a run have.
hashed_names: names as 64-bit hashes, and whether a set of them has one.
id_hashes: compares sequences of ids at 8 bytes an id.
reembed: embeds sampled rows again and returns their cosines.
reference: sentence-transformers as a second opinion, where it is installed.
half_precision: whether a run was computed in half precision.
vector_sample: a bounded sample of the vectors of a run.
missing: notices that files of a finished run are gone.
repeats_run: reads the receipts of the run that embeds first what a corpus repeats.
finished_run: the receipts of a finished run, and which files they name.
garbage: finds files of a finished run's attempts that lost.
"""
