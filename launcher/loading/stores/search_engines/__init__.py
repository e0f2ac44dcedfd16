"""OpenSearch and Elasticsearch: an index behind an alias.

Imports: `launcher.loading`, `sinks`, `errors`; `tasks`; opensearch-py and elasticsearch, which are extras.

search_engine: what they have in common: _bulk under an id, an index behind an alias.
opensearch: how OpenSearch maps and searches vectors.
elastic: Elasticsearch: the same.
"""
