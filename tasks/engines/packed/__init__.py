"""The packed engine: pieces end to end, without padding.

Imports: tasks.engines.base, batches, checks, transformer and torch_engine; tasks.models.

packed_engine: the same models over packed tokens, proved against torch_engine when they are loaded.
packed_attention: attention of packed pieces, as a function that transformers calls.
fused_qkv: query, key and value as one matrix product.
compiled_layers: the layers around attention, compiled.
packed_mpnet: MPNet's attention over packed pieces.
packing: pieces end to end, and batches by a budget of tokens.
"""
