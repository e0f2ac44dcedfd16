"""Rows of WebDataset archives, which are tar files.

Imports: `json`, what all formats share, `tasks.protocol`.

webdataset_rows: rows of WebDataset archives.
tar_members: the files in a tar, in order.
"""
