"""What several stores share. No client is imported here.

Imports: `launcher.loading`, `sinks`, `errors`; `tasks`.

behind_alias: what stores do alike whose collections have an alias: Milvus, Qdrant, RediSearch, search engines, Weaviate.
schema_limits: the dimensions, column names and filters that a store refuses.
register: which collection a name stands for, in a store without aliases.
backpressure: fewer and smaller requests while a store is busy.
fence: a loader that was away writes nothing more once its load is over.
reads: what was written and is not seen yet.
row_names: the one text that names a row.
tls: whose certificates are accepted, and whether a server speaks TLS at all.
signs: packed bits as numbers.
"""
