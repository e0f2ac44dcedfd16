"""Checks of any OpenAI-compatible server against a run: equal vectors, known mistakes, latency.

Imports: `launcher.vectors`, `launcher.output` and below; `tasks`.

check: whether a server gives the vectors of a run.
client: asks any OpenAI-compatible server.
mistakes: the known ways to embed a text wrongly, to name the one that a server makes.
sampled_texts: rows of a run with the texts that they were made of.
latency: percentiles of a server's answers at several numbers of clients.
"""
