"""The input files of a job: which they are, what they hold, and how they are cut into shards.

Imports: launcher.jobs, launcher.errors, launcher.format, tasks.

apart: checks that the output is not among the texts.
inspect: lists and samples the corpus of a job, for the planner.
inspected: what a plan knows of a corpus.
listing: the files of a path, on disk or in a bucket, with their versions.
folder_walk: finds files on disk, behind links, too.
table_formats: folders that are one table, such as Lance.
globs: which names a path reads, and which are hidden.
left_out: what a path names and is not read, by kind and number.
sampling: reads blocks of the files and counts their tokens.
sample_faults: what bad rows of a sample say about whole files.
sampled_ids: ids that repeat in a sample, or have two forms.
beginnings: checks the columns of tables, and the format and encoding of files.
columns: checks the columns of Parquet and Arrow.
missing_column: says which key of the job names a column that is not there, and the nearest that is.
block_positions: chooses which blocks are read, and opens them.
leading_rows: the beginning of files that are read from their beginning only.
partial_decompress: decompresses the beginning of a file.
profile: estimates documents, tokens and lengths from a sample, with their uncertainty.
document_columns: checks the columns of files that are one document each.
text_units: asks what a document of a text file is.
chunking: how a job cuts texts into chunks.
sharding: cuts the files into shards.
repeat_shares: how much of a corpus repeats, as a plan holds it.
repeats: how much of a corpus is texts that occur before, anywhere in it.
incremental: selects the files that no earlier run has embedded.
"""
