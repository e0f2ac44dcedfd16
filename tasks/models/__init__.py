"""What a model's folder or hub repository says of itself, and its tokenizer. Opens no weights beyond their headers.

Imports: `errors`. transformers is imported where a slow tokenizer is converted, and to compare tokens with it.

files: the files of a model, from a folder or from the hub at a revision.
fingerprint: which model exactly: by the content of a folder, or the commit of a hub's repository.
description: what a model's files say, as one frozen value.
describe: reads that value.
adapter_settings: which adapters are merged into their base, by their settings.
modules: modules.json: pooling and the layers after it.
text_settings: prompts, lower-casing, truncation side: what is done to a text before it is tokenized.
length_limit: the longest text in tokens, and what limits it.
position_scaling: positions whose scale depends on other texts.
sparse_attention: attention whose form depends on earlier texts.
own_code: which native classes equal a model's own code.
packed_support: which models the packed engine computes.
weights: the weights' files, their format, and whether they are whole.
support: which engine computes a model; why another does not, and how to convert it.
vllm_support: what vLLM computes as the torch engine does.
precision: reduced precision: which there is, and which GPUs compute it.
tokenizing: texts into token ids and into the pieces that a model reads.
"""
