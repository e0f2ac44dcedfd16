"""Load the vectors of a dataset into a vector store: each row once, whatever is killed on the way.

Imports: `launcher.vectors`, `sinks`, `errors`; `tasks`. The client of a store is imported in its file, when it is used.

vector_store: the interface of a store, and the values that cross it.
contents: what a collection says of itself, and what a load may do to it.
loader: load a dataset: prepare, write, delete, seal, count.
writer: the writing of one load.
follow: load a run while it goes on.
check: compare a store with its dataset.
preview: what a load would do.
documents: what `load` prints.
connect: the store at an address.
dataset_rows: the rows of a dataset as stores take them.
progress: how far a load is, and which loader does what of it.
stores: the stores.
"""
