"""Whether an engine works, and which pieces make it fail.

Imports: tasks.engines.base; tasks.errors.

probes: pieces by which two engines are compared.
engine_check: whether an engine works at all: what fails on a plain word is broken.
isolate_failures: finds the pieces that make an engine fail, by bisection.
"""
