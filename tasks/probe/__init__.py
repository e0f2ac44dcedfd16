"""Measures a machine: throughput of the real engine for a few seconds, and the ceiling of matrix products.

Imports: tasks.worker, tasks.engines, tasks.errors; torch where products are measured.

__main__: `python -m tasks.probe`, the measurement of the engine.
vectors: `python -m tasks.probe.vectors`, vectors in a precision, to compare.
matmul: floating-point operations per second of large matrix products.
"""
