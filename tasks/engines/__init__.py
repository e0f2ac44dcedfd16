"""Models that turn pieces of token ids into unit vectors, behind one interface.

Imports: `errors`. torch, transformers and vLLM are imported by their engine alone, when it is loaded.

base: the interface `Encoder`, and arithmetic on vectors.
load: chooses and loads an engine; the only file that knows all engines.
hash_engine: pseudo-random vectors, for tests.
torch_engine: any model of the hub through transformers.
vllm_engine: the same models through vLLM.
tokenizer: texts into pieces of token ids, truncated or chunked.
pooling: how a vector is made of the tokens' states.
precision: the dtype to compute in.
batching: batches of pieces of similar length.
memory_budget: how many tokens fit into a GPU's memory at once.
deduplicate: embeds equal pieces once, with an LRU cache.
isolate_failures: finds the pieces that make an engine fail, by bisection.
"""
