"""Services that bill by what is written and kept. They have no aliases: see `launcher.loading.stores.common.register`.

Imports: `launcher.loading`, `sinks`, `errors`; `tasks`; boto3, turbopuffer and pinecone, which are extras.

s3_vectors: Amazon S3 Vectors, a vector a row.
s3_vectors_limits: its limits, and the metadata of a row.
turbopuffer_namespaces: turbopuffer, a document a row.
pinecone_store: the namespace of Pinecone at an address.
pinecone_index: one that upserts fill, a row an id.
pinecone_import: one that an import from a bucket fills.
pinecone_rows: a row as Pinecone takes it: its id and metadata, and their limits.
pinecone_client: connections to Pinecone, and its errors.
"""
