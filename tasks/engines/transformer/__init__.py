"""A transformer as the torch engine and the packed engine build it: weights, pooling and the layers after it.

Imports: tasks.models.

adapter: merges a PEFT adapter into its base.
layers: the layers after the pooling: Dense, LayerNorm, Normalize.
load_transformer: loads a transformer's weights, and refuses one of which some are missing.
pooling: how a vector is made of the tokens' states.
"""
