"""Rows of Parquet files, read forward in bounded memory.

Imports: `arrow`, what all formats share, `tasks.protocol`, `stores`, `errors`.

parquet_rows: rows of a slice of a Parquet file.
parquet_reader: rows of a Parquet file, forward, kept open between slices.
open_parquet: opens a Parquet file whose pages are compared with their checksums.
checked_table: reads our own files, of vectors and of lists, in bounded memory.
parquet_footer: row groups and columns of a Parquet footer, their rows and sizes.
parquet_pages: values in the pages of a row group, counted while they are read.
parquet_limits: how many rows of Parquet are decoded at once.
"""
