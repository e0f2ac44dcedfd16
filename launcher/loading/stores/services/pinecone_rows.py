"""A row as Pinecone takes it: its id, its metadata, and how many ids a request for rows has. Imports no client."""

import json
from collections.abc import Generator, Sequence
from typing import Any
from urllib.parse import quote

from launcher.errors import Problem
from launcher.loading.stores.common.row_names import hint_of_length, name_of_key
from launcher.loading.stores.common.schema_limits import begins_with_dollar, check_kept
from launcher.loading.vector_store import Key, Rows, Schema

# https://docs.pinecone.io/reference/api/database-limits/operation-limits, read 2026-11-30
ID_BYTES, METADATA_BYTES = 512, 40_000
FETCH_ROWS, FETCH_BYTES = 100, 6_000  # of ids in the address of a request
OWN_FIELDS = ("id", "chunk")


def check_columns(schema: Schema) -> None:
    """Refuse kept columns with names that are taken.

    Raises:
        Problem: a kept column has such a name.
    """
    check_kept(schema, "Pinecone", OWN_FIELDS, begins_with_dollar)


def check_rows(rows: Rows) -> None:
    """Refuse rows whose metadata is too long.

    Raises:
        Problem: the metadata of a row is above Pinecone's limit.
    """
    for row, key in enumerate(rows.keys()):
        size = len(json.dumps(metadata_of(rows, row), ensure_ascii=False).encode())
        if size > METADATA_BYTES:
            raise Problem(
                f"Pinecone takes {METADATA_BYTES:,} bytes of metadata a row, and id {key.id[:60]!r}, chunk "
                f"{key.chunk} has {size:,}",
                hint=hint_of_length(key, METADATA_BYTES),
            )


def row_id(key: Key) -> str:
    """The id of a row; Pinecone's are ASCII."""
    return name_of_key(key, ID_BYTES, only_ascii=True)


def metadata_of(rows: Rows, row: int) -> dict[str, Any]:
    """What a row has beside its numbers; Pinecone takes no nulls."""
    kept = {name: values[row] for name, values in rows.kept.items() if values[row] is not None}
    return {"id": rows.ids[row], "chunk": rows.chunks[row], **kept}


def parts_of(keys: Sequence[Key]) -> Generator[dict[str, Key]]:
    """Keys by their ids, as many as the address of a request holds."""
    some: dict[str, Key] = {}
    size = 0
    for key in keys:
        name = row_id(key)
        size += len(quote(name)) + len("&ids=")
        if some and (size > FETCH_BYTES or len(some) == FETCH_ROWS):
            yield some
            some, size = {}, len(quote(name)) + len("&ids=")
        some[name] = key
    if some:
        yield some
