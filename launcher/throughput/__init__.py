"""How many tokens per second a model embeds on a GPU or on this machine.

Imports: corpus.profile, ledger.records, errors; pricing.gpu, tasks.

predict: the prediction from the model's shape and the GPU's kernel ceiling (docs/speed-model.md).
lookup: which speed to use: given, measured or predicted.
gpu_memory: whether a model fits into a GPU, and in which dtype.
known_layouts: the layouts of known models, as the description that their files would give.
model_shapes: the shape of a model, from the table of known models, a folder or a job.
local_machine: measures this machine with real engines.
calibration: speeds learned from receipts, first minutes and bench, for the ledger.
table: the rows of `embedfleet speed`.
spread: a figure with its P10, P50 and P90.
"""
