"""Rows as commands of Redis's protocol, in one buffer: clients pack each argument by itself, which costs most of a load.

Pure: what is sent, and nothing of a connection.
"""

from collections.abc import Iterable, Mapping, Sequence

MULTI = b"*1\r\n$5\r\nMULTI\r\n"
EXEC = b"*1\r\n$4\r\nEXEC\r\n"


def bulk(value: bytes) -> bytes:
    """One argument."""
    return b"$%d\r\n%b\r\n" % (len(value), value)


HSET, DEL = bulk(b"HSET"), bulk(b"DEL")
OWN = [bulk(name) for name in (b"id", b"chunk", b"vector")]


def transaction(
    keys: Sequence[str],
    ids: Sequence[str],
    chunks: Sequence[int],
    vectors: bytes,
    kept: Mapping[str, Iterable[str | None]],
    *,
    fresh: bool,
) -> tuple[bytes, int]:
    """A transaction that writes a hash for each row, and how many commands are in it.

    Args:
        keys: of the hashes.
        ids: of the documents, as the field `id`.
        chunks: as the field `chunk`.
        vectors: of all rows one after another, equally long, as the field `vector`.
        kept: further fields; a row has none where it has None.
        fresh: each hash is deleted before, so that it has no other field.
    """
    width = len(vectors) // max(1, len(keys))
    id_field, chunk_field, vector_field = OWN
    vector_head = vector_field + b"$%d\r\n" % width
    all_vectors = memoryview(vectors)
    names = [bulk(name.encode()) for name in kept]
    columns = zip(*kept.values(), strict=True) if kept else iter([()] * len(keys))
    parts = [MULTI]
    for row, (key, name, chunk, values) in enumerate(zip(keys, ids, chunks, columns, strict=True)):
        where = bulk(key.encode())
        fields = [
            field + bulk(value.encode())
            for field, value in zip(names, values, strict=True)
            if value is not None
        ]
        if fresh:
            parts.append(b"*2\r\n%b%b" % (DEL, where))
        own = (id_field, bulk(name.encode()), chunk_field, bulk(b"%d" % chunk))
        parts += [b"*%d\r\n" % (8 + 2 * len(fields)), HSET, where, *own, *fields, vector_head]
        parts += [all_vectors[row * width : (row + 1) * width], b"\r\n"]
    parts.append(EXEC)
    return b"".join(parts), len(keys) * (2 if fresh else 1)
