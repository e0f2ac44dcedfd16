"""Rows of CSV and TSV, and of other tables of delimited text.

Imports: what all formats share, `tasks.protocol`.

csv_rows: rows of CSV and TSV.
tables: splits CSV and TSV into records, strictly.
table_lines: the lines of a table, in bounded memory and time.
"""
