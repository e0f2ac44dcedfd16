"""How many tokens per second a model embeds on a GPU or on this machine.

Imports: corpus.profile, ledger.records, errors; pricing.gpu, tasks.

predict: the prediction from the model's shape and the GPU's ceiling and bandwidth (docs/speed-model.md).
measured_speeds: what the project measured on GPUs, by the shape of the model.
lookup: which speed to use: given, measured or predicted.
reduced_precision: the speed in fp8 by a stated ratio, until it is measured.
gpu_memory: whether a model fits into a GPU, and in which dtype.
known_layouts: the layouts of known models, as the description that their files would give.
model_shapes: the shape of a model, from the table of known models, a folder or a job.
matryoshka: the fewer dimensions that a model was trained for.
folder_shape: the shape of a model by its files, in a folder or on the hub.
local_machine: this machine: its worker slots, its GPUs, and what is measured of it.
probes: processes that load the real engine once, then measure it or work in a run.
calibration: speeds learned from receipts, first minutes and bench, for the ledger.
table: the rows of `embedfleet speed`.
spread: a figure with its P10, P50 and P90.
"""
