"""Fuzzing of every border at which bytes from outside are read: whatever they are, the reader answers or refuses.

mutations: edits of real bytes, from a list of small numbers that Hypothesis can shrink.
border: one border: its reader, real bytes to begin with, and which errors are refusals.
borders: all of them.
protocol_borders, launcher_borders, price_borders, corpus_borders, parquet_borders, machine_borders, model_borders: each
kind of border.
test_fuzz: a few inputs for each border, in `make test`.
`python -m tests.fuzz` (`make fuzz`): as many as fit into the time, as JSON.
"""
