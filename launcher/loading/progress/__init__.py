"""How far a load is, beside the run in its output path, and which of several loaders does what of it.

Imports: `launcher.loading.vector_store`, `launcher.vectors`, `documents`; `tasks`.

receipts: which files a load has finished, for stores without transactions.
shares: which loader writes a file of a load that several share.
beginning: what served when the first of several loaders began.
load_status: how far a load is, for `status`.
"""
