"""Tiny models in the layouts of the hub's repositories: two layers, random weights, every file where real ones have it.

layouts: every layout by name.
layout: what a layout is.
encoders, decoders, pooling_layers, other_kinds, weight_files, own_code, adapters, text_settings: the layouts by kind.
base_models: config.json, weights and tokenizer of the models that layouts are made of.
tokenizers: small tokenizers of the kinds that models have, trained in a moment.
folders: what sentence-transformers writes beside a model, and changes to a folder's files.
comparison: what our engine gives for a layout beside sentence-transformers, in words.
table: the outcomes of both major versions of transformers as the table of docs/models.md.
"""
