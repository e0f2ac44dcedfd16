"""Rows of JSON files, JSON Lines and plain text with a document a line.

Imports: what all formats share, `tasks.protocol`.

lines: rows of JSON Lines and of text.
json_values: rows of JSON files that are arrays, or values one after the other.
json_lines: the row of a record that is written as JSON.
table_layouts: a record that holds a whole table, and no row.
"""
