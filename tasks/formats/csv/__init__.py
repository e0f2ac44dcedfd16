"""Rows of CSV and TSV, and of other tables of delimited text.

Imports: what all formats share, `tasks.protocol`.

csv_rows: rows of CSV and TSV.
tables: splits CSV and TSV into records, strictly.
table_lines: the lines of a table, in bounded memory and time.
records: the values that a table is split into.
text_format: the records of PostgreSQL's and MySQL's text format, which has escapes and no quotes.
"""
