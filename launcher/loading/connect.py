"""The vector store at an address. Its client is imported here, when it is used, and is an extra."""

import importlib
import importlib.util
import os
from collections.abc import Mapping
from typing import cast

from launcher.errors import Usage
from launcher.loading.vector_store import VectorStore
from launcher.sinks.targets import Kind, Target

# module, function and the packages that its extra installs, the client first
STORES: Mapping[Kind, tuple[str, str, tuple[str, ...]]] = {
    "pgvector": ("launcher.loading.stores.postgresql.pgvector", "open_pgvector", ("psycopg",)),
    "milvus": ("launcher.loading.stores.milvus", "open_milvus", ("pymilvus", "grpc")),
    "qdrant": ("launcher.loading.stores.qdrant", "open_qdrant", ("qdrant_client",)),
    "redis": ("launcher.loading.stores.redisearch", "open_redisearch", ("redis",)),
    "chroma": ("launcher.loading.stores.chroma", "open_chroma", ("chromadb",)),
    "s3vectors": ("launcher.loading.stores.services.s3_vectors", "open_s3_vectors", ("boto3", "botocore")),
    "turbopuffer": (
        "launcher.loading.stores.services.turbopuffer_namespaces",
        "open_turbopuffer",
        ("turbopuffer",),
    ),
    "pinecone": ("launcher.loading.stores.services.pinecone_store", "open_pinecone", ("pinecone",)),
    "opensearch": ("launcher.loading.stores.search_engines.opensearch", "open_opensearch", ("opensearchpy",)),
    "elasticsearch": (
        "launcher.loading.stores.search_engines.elastic",
        "open_elasticsearch",
        ("elasticsearch", "elastic_transport"),
    ),
    "weaviate": ("launcher.loading.stores.weaviate_collections", "open_weaviate", ("weaviate", "grpc")),
    "lance": ("launcher.loading.stores.lance", "open_lance", ("lance",)),
}


def check_client(target: Target, secret: str | None = None, environ: Mapping[str, str] = os.environ) -> None:
    """Check what a load needs on this machine, without connecting.

    Raises:
        Usage: the variable is not set, or the client is not installed.
    """
    for package in STORES[target.kind][2][:1]:
        if importlib.util.find_spec(package) is None:
            raise _not_installed(target)
    _value_of(secret, environ)


def connect(
    target: Target, secret: str | None = None, environ: Mapping[str, str] = os.environ
) -> VectorStore:
    """Connect to a store.

    Args:
        target: which.
        secret: the name of the environment variable with its password or key, with or without `$`.
        environ: where that is looked up.

    Raises:
        Usage: the variable is not set, or the client is not installed.
        Problem: the store cannot be reached, or refuses.
    """
    module, function, packages = STORES[target.kind]
    try:
        opener = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in packages:
            raise
        raise _not_installed(target) from error
    return cast("VectorStore", opener(target, _value_of(secret, environ)))


def _not_installed(target: Target) -> Usage:
    return Usage(
        f"{STORES[target.kind][2][0]}, the client of {target.kind}, is not installed here",
        hint=f"pip install 'embedfleet[{target.kind}]'",
    )


def _value_of(secret: str | None, environ: Mapping[str, str]) -> str | None:
    if secret is None:
        return None
    name = secret.removeprefix("$")
    if not environ.get(name):
        raise Usage(
            f"--secret: the environment has no {name}, or an empty one",
            hint=f"export {name}=..., or leave --secret out",
        )
    return environ[name]
