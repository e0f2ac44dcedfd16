"""Measures a machine: throughput of the real engine for a few seconds, and the ceiling of matrix products.

Imports: tasks.worker, tasks.engines, tasks.errors; torch where products are measured.

__main__: `python -m tasks.probe`, the measurement of the engine.
matmul: floating-point operations per second of large matrix products.
"""
