"""File formats: documents are read from the corpus and vectors are written to Parquet.

Imports: `protocol`, `engines`, `stores`, `errors`.

read: opens the files of slices and reads their rows, whatever the format.
rows: the row of a record: a document, or a bad row and why.
compression: the plain bytes of compressed files.
damage: what a damaged place loses, told from a store that fails.
lines: rows of JSON Lines and of text.
json_lines: the row of a line of JSON Lines.
csv_rows: rows of CSV and TSV.
tables: splits CSV and TSV into records, strictly.
parquet_rows: rows of a slice of a Parquet file.
parquet_limits: how many rows of Parquet are decoded at once.
parquet_reader: rows of a Parquet file, forward, kept open between slices.
arrow_batch: rows of a batch of Arrow columns.
prefetch: opens small files before their turn.
vector_file: writes vectors in row groups.
quantize: vectors in fewer bits, and back.
"""
