"""Load the vectors of a dataset into a vector store: each row once, whatever is killed on the way.

Imports: `launcher.vectors`, `sinks`, `errors`; `tasks`. The client of a store is imported in its file, when it is used.

vector_store: the interface of a store, and the values that cross it.
contents: what a collection says of itself, and what a load may do to it.
backpressure: fewer and smaller requests while a store is busy.
columns: a column of Arrow as a sequence of values.
rows: rows of a dataset in the type that a store takes.
register: which collection a name stands for, in a store without aliases.
unique_keys: two rows of one key, for a store that would keep both.
reads: what was written and is not seen yet.
row_names: the one text that names a row.
signs: packed bits as numbers.
receipts: which files a load has finished, for stores without transactions.
difference: the files and keys in which two datasets differ.
loader: load a dataset: prepare, write, delete, seal, count.
writer: the writing of one load.
beginning: what served when the first of several loaders began.
shares: which loader writes a file of a load that several share.
check: compare a store with its dataset.
preview: what a load would do.
documents: what `load` prints.
connect: the store at an address.
committed: the files of a run that goes on, as they are done.
follow: load a run while it goes on.
load_status: how far a load is, beside the run.
stores: one file a store.
"""
