"""Models that turn pieces of token ids into unit vectors, behind one interface.

Imports: `models`, `errors`. torch, transformers and vLLM are imported by their engine alone, when it is loaded.

base: the interface `Encoder`, and arithmetic on vectors.
load: chooses and loads an engine; the only file that knows all engines.
hash_engine: pseudo-random vectors, for tests.
torch_engine: any model of the hub through transformers.
openvino_engine: the same models compiled by OpenVINO for a CPU, proved against torch_engine when they are loaded.
vllm_engine: the same models through vLLM.
agreement: compares an engine with the torch engine before it embeds.
precision: the dtype to compute in.
versions: versions of the libraries that an engine computes with.
fp8_emulation: vLLM's online fp8 in a torch model, to know its loss without a GPU.
packed: the packed engine: pieces end to end, without padding.
transformer: a transformer as the torch engine and the packed engine build it: weights, pooling and the layers after it.
checks: whether an engine works, and which pieces make it fail.
batches: which pieces go through an engine together, and which need not go at all.
"""
