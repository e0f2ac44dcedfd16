"""The protocol: every object and name by which launcher and workers communicate through the store.

Imports: `stores`, `clock`, `errors`. `keys`, `shard`, `receipt`, `start_stages`, `documents` and `bounds` are pure.

keys: every object key of an output path, in one page.
documents: JSON documents as typed values, both directions: the border at which all of them are parsed.
bounds: bounds of the numbers, moments and names in a document.
reuse: files of earlier runs with vectors of unchanged texts.
repeats: the run that embeds the texts that a corpus repeats, before the shards of the run.
shard: a slice of the corpus and its id.
manifest: how to embed, and every shard, written once.
lease: who may work on a shard; renewal, generations and crashes.
retry: shards that are done and are to be tried again.
receipt: the proof that a shard, or the first part of it, is done.
start_stages: the stages of a worker's cold start.
runs: which runs an output path holds.
dtypes: types in which vectors are stored.
csv_format: how the tables of a corpus are written.
messages: what launcher and workers tell each other while machines run.
"""
