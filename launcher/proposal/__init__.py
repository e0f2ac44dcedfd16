"""Propose a job for a corpus: what `embedfleet init` writes. Everything is guessed from a few records, and said.

Imports: `launcher.corpus`, `jobs`, `errors`, `format`; `tasks`.

records: the first records of a few files, whatever their format.
columns: which column holds the text, and which the id.
language: whether texts are English.
propose: the proposal: format, columns, model, chunks, dtype and output.
job_text: the proposal as a commented job.yaml.
"""
