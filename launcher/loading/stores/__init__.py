"""Vector stores, one file each: the only ones that import a store's client.

Imports: `launcher.loading`, `errors`; `tasks`. The client library, which is an extra.

pgvector: PostgreSQL with pgvector, a transaction a file.
postgres: connections to PostgreSQL, and its errors.
pgvector_tables: the statements of pgvector's tables and indexes.
lance: Lance datasets, the format of LanceDB: fragments, and one commit.
lance_index: its indexes of ids and vectors.
lance_errors: its errors, and commits that are tried again.
behind_alias: what stores do alike whose collections have an alias: Milvus, Qdrant, RediSearch, search engines, Weaviate.
milvus: Milvus, by upsert into a collection behind an alias.
qdrant: Qdrant, by upsert into a collection behind an alias.
redisearch: Redis or Valkey with RediSearch, a hash a row, an index behind an alias.
chroma: Chroma, by upsert; a replacement takes the name of the collection.
s3_vectors: Amazon S3 Vectors, a vector a row, an index behind a register.
s3_vectors_limits: its limits, and the metadata of a row.
turbopuffer_namespaces: turbopuffer, a document a row, a namespace behind a register.
pinecone_index: Pinecone, a row an id, a namespace behind a register.
pinecone_import: its bulk import from a bucket.
search_engine: what OpenSearch and Elasticsearch have in common: _bulk under an id, an index behind an alias.
opensearch: OpenSearch: how it maps and searches vectors.
elastic: Elasticsearch: the same.
weaviate_collections: Weaviate, by batches of objects under a UUID, a collection behind an alias.
weaviate_client: its connections and errors.
copy_binary: rows as PostgreSQL's COPY BINARY reads them.
"""
