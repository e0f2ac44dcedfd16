"""Vectors in the types and row groups in which they are stored.

Imports: `tasks.engines`, `protocol`.

vector_file: writes vectors in row groups.
quantize: vectors in fewer bits, and back.
"""
