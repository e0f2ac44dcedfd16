"""The Pinecone namespace at an address: filled by upserts, or, where the address has ?import=, by one import."""

from launcher.errors import Usage
from launcher.loading.stores.services.pinecone_client import problems
from launcher.loading.stores.services.pinecone_import import ImportedNamespace
from launcher.loading.stores.services.pinecone_index import PineconeNamespace
from launcher.sinks.targets import Target


def open_pinecone(target: Target, secret: str | None) -> PineconeNamespace:
    """The namespace that a target names. The secret is an API key; PINECONE_API_KEY holds anyway.

    Raises:
        Usage: there is no key, or ?import= names no bucket.
        Problem: there is no such index.
    """
    bucket = target.options.get("import")
    if bucket is not None and not bucket.startswith(("s3://", "gs://")):
        raise Usage(
            "?import= names no bucket", hint="such as ?import=s3://BUCKET/FOLDER, which Pinecone may read"
        )
    kind = PineconeNamespace if bucket is None else ImportedNamespace
    try:
        with problems():
            return kind(target, secret)
    except ValueError as error:  # pinecone's own, of the key
        raise Usage(
            f"Pinecone: {error}"[:200],
            hint="export PINECONE_API_KEY=..., or name another variable: --secret NAME",
        ) from error
