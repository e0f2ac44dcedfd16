"""Tiny models in the layouts of the hub's repositories: two layers, random weights, every file where real ones have it.

tokenizers: small tokenizers of the kinds that models have, trained in a moment.
folders: what sentence-transformers writes beside a model, and changes to a folder's files.
layouts: every layout by name, with the function that builds it.
comparison: what our engine gives for a layout beside sentence-transformers, in words.
table: the outcomes of both major versions of transformers as the table of docs/models.md.
"""
