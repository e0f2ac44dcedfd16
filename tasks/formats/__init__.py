"""File formats: documents are read from the corpus and vectors are written to Parquet.

Imports: `protocol`, `engines`, `stores`, `errors`.

readers: documents from Parquet, JSON Lines, CSV and text, with bad rows.
tables: splits CSV and TSV into records, strictly.
parquet_reader: rows of a Parquet file, forward, kept open between slices.
prefetch: opens small files before their turn.
vector_file: writes vectors in row groups.
quantize: vectors in fewer bits, and back.
"""
