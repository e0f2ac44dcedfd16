"""Fuzzing of every border at which bytes from outside are read: whatever they are, the reader answers or refuses.

mutations: edits of real bytes, from a list of small numbers that Hypothesis can shrink.
borders: what is read, by whom, from which real bytes, and which errors are refusals.
test_fuzz: a few inputs for each border, in `make test`.
`python -m tests.fuzz` (`make fuzz`): as many as fit into the time, as JSON.
"""
