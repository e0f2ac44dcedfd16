"""Vector stores: the only modules that import a store's client, each the one of its store.

Imports: `launcher.loading`, `errors`; `tasks`. The client library, which is an extra.

lance: Lance datasets, the format of LanceDB: fragments, and one commit.
lance_index: its indexes of ids and vectors.
lance_errors: its errors, and commits that are tried again.
milvus: Milvus, by upsert into a collection behind an alias.
milvus_upsert: its rows as upserts made of columns.
qdrant: Qdrant, by upsert into a collection behind an alias.
redisearch: Redis or Valkey with RediSearch, a hash a row, an index behind an alias.
redis_commands: its rows as commands in one buffer.
chroma: Chroma, by upsert; a replacement takes the name of the collection.
weaviate_collections: Weaviate, by batches of objects under a UUID, a collection behind an alias.
weaviate_client: its connections and errors.
postgresql: PostgreSQL with pgvector.
search_engines: OpenSearch and Elasticsearch.
services: Amazon S3 Vectors, turbopuffer and Pinecone.
common: what several stores share. No client is imported there.
"""
