"""Samples of a corpus: blocks of its files, their columns and faults, and what they say of the whole.

Imports: `launcher.corpus.files`, `launcher.jobs`, `errors`, `format`, `tasks`.

sampling: reads blocks of the files and counts their tokens.
block_positions: chooses which blocks are read, and opens them.
leading_rows: the beginning of files that are read from their beginning only.
partial_decompress: decompresses the beginning of a file.
beginnings: checks the columns of tables, and the format and encoding of files.
columns: checks the columns of Parquet and Arrow.
document_columns: checks the columns of files that are one document each.
missing_column: says which key of the job names a column that is not there, and the nearest that is.
sample_faults: what bad rows of a sample say about whole files.
kept_columns: which columns of output.keep no row has.
sampled_ids: ids that repeat in a sample, or have two forms.
profile: estimates documents, tokens and lengths from a sample, with their uncertainty.
text_escapes: texts of tables that seem to hold escapes or quotes.
"""
