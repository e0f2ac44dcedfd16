"""Measure how fast this machine embeds: the engine alone, and whole workers in a small run.

Imports: throughput, corpus, jobs, ledger.

measure: the measurement, what it derives, and the record for the ledger.
trial_run: a small run with real workers in a temporary folder.
synthetic_texts: random texts of given token lengths.
"""
