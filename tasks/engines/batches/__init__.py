"""Which pieces go through an engine together, and which need not go at all.

Imports: tasks.engines.base.

batching: batches of pieces of similar length.
memory_budget: how many tokens fit into a GPU's memory at once.
deduplicate: embeds equal pieces once, with an LRU cache.
piece_hash: the hash of what the model reads of a text.
"""
