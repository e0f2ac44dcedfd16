"""The rows of a dataset as stores take them: in their type, each key once, or what differs from another dataset.

Imports: `launcher.loading.vector_store`, `launcher.vectors`, `output`, `errors`; `tasks`.

columns: a column of Arrow as a sequence of values.
rows: rows of a file in the type that a store takes, and the check of a store's limits.
unique_keys: two rows of one key, for a store that would keep both.
difference: the files and keys in which two datasets differ.
committed: the files of a run that goes on, as they are done.
"""
