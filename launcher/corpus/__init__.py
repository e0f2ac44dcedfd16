"""The input files of a job: which they are, what they hold, and how they are cut into shards.

Imports: launcher.jobs, launcher.errors, launcher.format, tasks.

apart: checks that the output is not among the texts.
inspect: lists and samples the corpus of a job, for the planner.
listing: the files of a path, on disk or in a bucket, with their versions.
sampling: reads blocks of the files and counts their tokens.
beginnings: checks the columns of tables and the encoding of files.
block_positions: chooses which blocks are read, and opens them.
partial_decompress: decompresses the beginning of a file.
profile: estimates documents, tokens and lengths from a sample, with their uncertainty.
chunking: how a job cuts texts into chunks.
sharding: cuts the files into shards.
incremental: selects the files that no earlier run has embedded.
"""
