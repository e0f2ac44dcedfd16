"""A loader as it is often written, for a test that must fail with it: each row gets a new key each time it is written."""

import sys
from importlib import import_module
from uuid import uuid4

from launcher.cli.main import main
from launcher.loading.vector_store import Key

KEYS = {  # the module of a store, and its function that makes the key of a row
    "qdrant": ("qdrant", "_point_id"),
    "chroma": ("chroma", "text_of_key"),
    "opensearch": ("search_engines.search_engine", "_document_id"),
    "elasticsearch": ("search_engines.search_engine", "_document_id"),
    "redis": ("redisearch", "text_of_key"),
    "weaviate": ("weaviate_collections", "uuid_of_key"),
    "s3vectors": ("services.s3_vectors", "_name"),
    "turbopuffer": ("services.turbopuffer_namespaces", "uuid_of_key"),
    "pinecone": ("services.pinecone_index", "row_id"),
}


def made_up(_key: Key) -> str:
    return str(uuid4())


def make_up_keys(kind: str) -> None:
    """From now on, in this process, loads into a kind of store write each row under a new key."""
    name, function = KEYS[kind]
    module = import_module(f"launcher.loading.stores.{name}")
    assert hasattr(module, function), (name, function)
    setattr(module, function, made_up)


if __name__ == "__main__":
    make_up_keys(sys.argv[sys.argv.index("--to") + 1].partition("://")[0])
    sys.exit(main())
