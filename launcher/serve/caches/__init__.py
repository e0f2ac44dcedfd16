"""Caches of the server: vectors by fingerprint and token ids, and results of similar queries.

Imports: `launcher.serve.served_run`, `launcher.vectors` and below; `tasks`. redis in one file, when the server starts.

vector_cache: the exact cache of vectors, in memory and in Redis.
redis_cache: the cache in Redis or Valkey; the only file that imports its client.
semantic_cache: results of similar queries, off by default, and how often their first hit is wrong.
"""
