"""How many rows of a Parquet row group may be decoded at once, and which groups are refused: memory stays bounded.

The footer has sizes of encoded pages. A dictionary holds a long text once and names it in every row: a file of 4 MB may
decode to gigabytes. So the size of the longest value is taken from the header of the dictionary's page.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from typing import Any, BinaryIO

from tasks.formats.damage import UnreadableFileError
from tasks.formats.parquet.parquet_footer import Group, chunks_of

BATCH_ROWS = 1_024  # decoded at once, at most
BATCH_BYTES = 4 * 2**20  # decoded at once, by the sizes in the footer
DECODED_BYTES = 64 * 2**20  # decoded at once, if every row has the longest value of its dictionary
MAX_CHUNK_BYTES = 256 * 2**20  # of a column chunk or page that unpacks to MAX_RATIO times its stored bytes
MAX_RATIO = 100
HEADER_BYTES = 32  # of a page's header, that are read
I32_FIELD = 0x15  # thrift's compact protocol: the next field, a 32-bit number


def batch_rows(
    group: Group, columns: Sequence[str], stream: BinaryIO, most: int = BATCH_ROWS, size: int = BATCH_BYTES
) -> int:
    """How many rows of a row group are decoded at once: at most `most`, and of about `size` bytes by the footer.

    Raises:
        UnreadableFileError: it unpacks to more than may be in memory, or is encrypted.
    """
    rows = min(most, size // max(1, group.unpacked_bytes // max(1, group.rows)))
    for chunk in chunks_of(group, columns):
        check_unpacked(chunk.path, chunk.unpacked_bytes, chunk.stored_bytes)
        if chunk.dictionary is not None and chunk.unpacked_bytes * rows > DECODED_BYTES:
            stream.seek(max(0, chunk.dictionary))
            sizes = page_sizes(stream.read(HEADER_BYTES))
            if sizes is not None:
                check_unpacked(chunk.path, *sizes)
                rows = min(rows, DECODED_BYTES // max(1, sizes[0]))
    return max(1, rows)


def surplus_rows(group: Group, schema: Any, columns: Sequence[str]) -> int:
    """Rows of a group that its own number of rows denies: values that a column has beyond it, by the footer."""
    leaves = [schema.column(n) for n in range(len(schema))]
    flat = [
        chunk.values
        for leaf, chunk in zip(leaves, group.chunks, strict=False)
        if leaf.max_repetition_level == 0 and leaf.path in columns
    ]
    return max([0, *(values - group.rows for values in flat)])


def page_sizes(header: bytes) -> tuple[int, int] | None:
    """The unpacked and the stored size of a page, from the beginning of its header; None where it is no header."""
    place = 0
    numbers: list[int] = []
    while len(numbers) < 3 and place < len(header) and header[place] == I32_FIELD:
        place, value, shift = place + 1, 0, 0
        while place < len(header):
            byte = header[place]
            value |= (byte & 0x7F) << shift
            place, shift = place + 1, shift + 7
            if byte < 0x80:
                break
        numbers.append((value >> 1) ^ -(value & 1))  # zigzag
    return (numbers[1], numbers[2]) if len(numbers) == 3 and min(numbers[1:]) >= 0 else None


def check_unpacked(column: str, unpacked: int, stored: int) -> None:
    """Check the sizes of a column chunk or page.

    Raises:
        UnreadableFileError: it unpacks to more than may be in memory.
    """
    if unpacked > MAX_CHUNK_BYTES and unpacked > MAX_RATIO * stored:
        raise UnreadableFileError(
            f"column {column!r} unpacks from {stored:,} to {unpacked:,} bytes; at most "
            f"{MAX_CHUNK_BYTES:,} are unpacked at {MAX_RATIO} times their stored size"
        )
