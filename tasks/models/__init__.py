"""Models: what a folder or hub repository says of itself. Opens no weights beyond their headers.

Imports: `errors`.

files: the files of a model, from a folder or from the hub at a revision.
fingerprint: which model exactly: by the content of a folder, or the commit of a hub's repository.
description: what a model's files say, as one frozen value.
describe: reads that value.
modules: modules.json: pooling and the layers after it.
text_settings: prompts, lower-casing, truncation side: what is done to a text before it is tokenized.
length_limit: the longest text in tokens, and what limits it.
weights: the weights' files, their format, and whether they are whole.
"""
