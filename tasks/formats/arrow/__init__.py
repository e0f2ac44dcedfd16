"""Rows of Arrow IPC files and streams, and of the batches of Arrow columns that Parquet gives, too.

Imports: what all formats share, `tasks.protocol`.

arrow_rows: rows of Arrow files and streams.
arrow_messages: checks the sizes of the parts of Arrow files before they are held.
flatbuffers: reads the headers of Arrow without trust.
arrow_batch: rows of a batch of Arrow columns.
"""
