"""The proof that the vectors of a run are right, file by file and row by row.

Imports: launcher.output: dataset, taken_over, hashed_names, id_hashes; launcher.format; tasks.

verify: checks every receipt, file, id and length, what readers read, and embeds a sample again.
verify_report: what verify found.
plan_check: compares the manifest of a run with what the ledger knows of it.
shard_files: the receipt of a shard and the files that it names.
shard_rows: the rows of one shard's output and input while they are verified.
dataset_check: compares the dataset manifest with the receipts.
input_balance: accounts for every row of the input.
input_counts: counts the rows of an input file by another way than its reader.
repeated_ids: names the ids that several documents of a run have.
reembed: embeds sampled rows again and returns their cosines.
reference: sentence-transformers as a second opinion, where it is installed.
half_precision: whether a run was computed in half precision.
"""
