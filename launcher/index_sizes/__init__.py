"""How large vectors become in a vector store, and what loading and keeping them costs.

Imports: `launcher.errors`, `format`, `money`; `pricing`. Pure: no clock, disk, network or library of a store. What the
figures are held against is in tests/e2e/test_index_sizes.py.

size: the value: what an index of a set of vectors takes, and costs.
sizes: the sizes of a set of vectors in each store, by the names that `size --store` takes.
services: sizes in services, and what they bill.
element_types: the type that a store has for a dtype.
graphs: bytes of HNSW, IVF, product-quantized and DiskANN indexes.
pgvector: bytes of an index and a table of pgvector, by the page.
load_times: how long a load takes, where rates were measured.
charges: what building, loading and keeping an index costs.
proposals: what would make an index smaller, and what a dtype alone cannot do.
document: the document of `size --json`.
"""
