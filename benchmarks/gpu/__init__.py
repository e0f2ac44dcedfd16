"""Engines on this machine's GPU, on the shapes of known models with random weights.

Imports: launcher, tasks.

__main__: every engine on every model, each in a process of its own, most telling first; what is had is kept.
plan: which measurements, in which order.
records: what processes print, and the JSON object that is made of it.
cell: one engine on one model, in one process.
shapes: the models.
"""
