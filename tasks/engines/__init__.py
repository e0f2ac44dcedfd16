"""Models that turn pieces of token ids into unit vectors, behind one interface.

Imports: `models`, `errors`. torch, transformers and vLLM are imported by their engine alone, when it is loaded.

base: the interface `Encoder`, and arithmetic on vectors.
load: chooses and loads an engine; the only file that knows all engines.
hash_engine: pseudo-random vectors, for tests.
torch_engine: any model of the hub through transformers.
load_transformer: loads a transformer's weights, and refuses one of which some are missing.
adapter: merges a PEFT adapter into its base.
layers: the layers after the pooling: Dense, LayerNorm, Normalize.
packed_engine: the same models over packed tokens, proved against torch_engine when they are loaded.
packed_attention: attention of packed pieces, as a function that transformers calls.
packed_mpnet: MPNet's attention over packed pieces.
packing: pieces end to end, and batches by a budget of tokens.
openvino_engine: the same models compiled by OpenVINO for a CPU, proved against torch_engine when they are loaded.
probes: pieces by which two engines are compared.
vllm_engine: the same models through vLLM.
agreement: compares an engine with the torch engine before it embeds.
pooling: how a vector is made of the tokens' states.
precision: the dtype to compute in.
versions: versions of the libraries that an engine computes with.
fp8_emulation: vLLM's online fp8 in a torch model, to know its loss without a GPU.
batching: batches of pieces of similar length.
memory_budget: how many tokens fit into a GPU's memory at once.
piece_hash: the hash of what the model reads of a text.
deduplicate: embeds equal pieces once, with an LRU cache.
engine_check: whether an engine works at all: what fails on a plain word is broken.
isolate_failures: finds the pieces that make an engine fail, by bisection.
"""
