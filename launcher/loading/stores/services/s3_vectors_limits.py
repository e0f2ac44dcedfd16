"""Limits of Amazon S3 Vectors, and the metadata of a row. Pure."""

import json
from collections.abc import Sequence
from typing import Any

from launcher.errors import Problem
from launcher.loading.stores.common import schema_limits
from launcher.loading.stores.common.row_names import hint_of_length
from launcher.loading.vector_store import Rows, Schema

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-limitations.html, read 2026-11-30
MOST_DIMENSIONS = 4_096
MOST_VECTORS = 2_000_000_000  # of an index
PUT_ROWS, GET_ROWS, DELETE_ROWS, PAGE_ROWS, SEGMENTS = 500, 100, 500, 1_000, 16
MOST_HITS = 100
KEY_BYTES = 1_024
METADATA_BYTES, FILTERED_BYTES = 40_000, 2_000
METADATA_KEYS, PLAIN_KEYS = 50, 10  # of a vector; of an index, those that cannot be filtered by
OWN_FIELDS = ("id", "chunk")


def metadata_of(rows: Rows, row: int) -> dict[str, Any]:
    """What a vector has beside its numbers."""
    kept = {name: values[row] for name, values in rows.kept.items() if values[row] is not None}
    return {"id": rows.ids[row], "chunk": rows.chunks[row], **kept}


def plain_columns(schema: Schema, filtered: Sequence[str]) -> list[str]:
    """The kept columns that no filter sees."""
    return [name for name in schema.kept if name not in filtered]


def check_schema(schema: Schema, filtered: Sequence[str]) -> None:
    """Check what an index is to hold.

    Raises:
        Problem: it cannot.
    """
    schema_limits.check_schema(schema, "S3 Vectors", MOST_DIMENSIONS, OWN_FIELDS)
    if schema.rows > MOST_VECTORS:
        raise Problem(
            f"an index of S3 Vectors holds {MOST_VECTORS:,} vectors at most, and the run has {schema.rows:,}",
            hint="load into another store",
        )
    schema_limits.check_filtered(schema, filtered)
    plain = plain_columns(schema, filtered)
    if len(plain) > PLAIN_KEYS or len(schema.kept) + len(OWN_FIELDS) > METADATA_KEYS:
        raise Problem(
            f"S3 Vectors keeps {PLAIN_KEYS} columns at most that are not filtered by, and these are {len(plain)}",
            hint="--keep with fewer columns, or ?filter=NAME,NAME in the address for short ones",
        )


def check_rows(rows: Rows, filtered: Sequence[str]) -> None:
    """Check the metadata of rows.

    Raises:
        Problem: one has more than the service takes.
    """
    for row, key in enumerate(rows.keys()):
        whole = metadata_of(rows, row)
        to_filter = {name: value for name, value in whole.items() if name in (*OWN_FIELDS, *filtered)}
        for what, held, most in (
            ("metadata", whole, METADATA_BYTES),
            ("metadata to filter by", to_filter, FILTERED_BYTES),
        ):
            size = len(json.dumps(held, ensure_ascii=False).encode())
            if size > most:
                raise Problem(
                    f"S3 Vectors takes {most:,} bytes of {what} a vector, and id {key.id[:60]!r}, chunk {key.chunk} "
                    f"has {size:,}",
                    hint=hint_of_length(key, most),
                )
