"""The rows of a shard, as its run reads them. Loads no tokenizer and no engine.

Knows no leases and no store of output.
"""

from collections.abc import Iterator

from tasks.formats.parquet.parquet_reader import OpenFile
from tasks.formats.prefetch import prefetch
from tasks.formats.reread import InputUnreadable, reread_rows
from tasks.formats.rows import Columns, ReadRow
from tasks.protocol.manifest import Header
from tasks.protocol.shard import Shard
from tasks.stores.base import Store


def columns_of(header: Header) -> Columns:
    """The columns that this run reads."""
    return Columns(header.text, header.id, header.keep, header.csv, header.join, plain_ids=header.plain_ids)


def rows_of(
    header: Header,
    source: Store,
    shard: Shard,
    bookmark: OpenFile | None = None,
    *,
    set_aside_unreadable: bool = False,
) -> Iterator[ReadRow]:
    """The rows of a shard, in the order of the input.

    Raises:
        InputUnreadable: the system does not give the bytes of a file; with `set_aside_unreadable` that is a bad row.
        ObjectChanged: a file is gone, or not the version that was planned.
        StoreError: it is not a file of the corpus, or the store does not let us read it.
    """
    for piece, opened in prefetch(source, shard.slices):
        try:
            yield from reread_rows(source, piece, columns_of(header), bookmark, opened)
        except InputUnreadable as error:
            if not set_aside_unreadable:
                raise
            yield error.lost_rows()
