"""Row groups and column chunks of a Parquet footer: their rows and sizes.

`pyarrow`'s `metadata.row_group(g).column(c)` must not be asked: it ends the whole process, by SIGABRT, where the
statistics in the footer are damaged; so does writing the metadata again, by SIGSEGV, where columns are encrypted. So the
few numbers are taken from the bytes of the footer: structs in Thrift's compact protocol, with the fields of
apache/parquet-format. Every value takes a byte at least, so damaged bytes are passed over in bounded time.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

from tasks.formats.damage import DamagedFileError, EncryptedFileError

T = TypeVar("T")

TAIL_BYTES = 8  # behind the footer: its length, and "PAR1"
ENCRYPTED_FOOTER_MARK = b"PARE"  # instead of "PAR1"
MAX_DEPTH = 16  # of structs within structs; Parquet has 5

# types in the compact protocol
TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
NUMBERS = frozenset({4, 5, 6})  # of 16, 32 and 64 bits, each a varint
SIZES = {
    TRUE: 0,
    FALSE: 0,
    BYTE: 1,
    DOUBLE: 8,
}  # bytes of a field that always has the same; the type is the truth value


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column of a row group, by its path in the schema. `dictionary`: where its page of values begins, or None.

    `data` is where its first page of data begins, in bytes from the beginning of the file.
    """

    path: str
    values: int
    unpacked_bytes: int
    stored_bytes: int
    dictionary: int | None
    data: int
    encrypted: bool = False

    @property
    def first(self) -> int:
        """Where its first page begins."""
        return self.data if not self.dictionary else min(self.data, self.dictionary)


@dataclass(frozen=True, slots=True)
class Group:
    """A row group by the footer."""

    rows: int
    unpacked_bytes: int
    chunks: tuple[Chunk, ...]


def check_not_encrypted(stream: BinaryIO) -> None:
    """Check that the footer of a Parquet file can be read without a key.

    Raises:
        EncryptedFileError: it cannot.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - len(ENCRYPTED_FOOTER_MARK)))
    if stream.read(len(ENCRYPTED_FOOTER_MARK)) == ENCRYPTED_FOOTER_MARK:
        raise EncryptedFileError("its footer is encrypted")


def chunks_of(group: Group, columns: Sequence[str]) -> Sequence[Chunk]:
    """The chunks of a group that are read for these columns, whose names may lead into structs by dots.

    Raises:
        EncryptedFileError: one of them is encrypted.
    """
    found = [c for c in group.chunks if any(f"{c.path}.".startswith(f"{name}.") for name in columns)]
    for chunk in found:
        if chunk.encrypted:
            raise EncryptedFileError(f"its column {chunk.path!r} is encrypted")
    return found


def read_groups(metadata: Any, stream: BinaryIO) -> tuple[Group, ...]:
    """The row groups of an open file, from its `pyarrow.parquet.FileMetaData` and its bytes.

    Raises:
        DamagedFileError: the footer lacks what every footer has.
    """
    try:
        paths = [metadata.schema.column(n).path for n in range(metadata.num_columns)]
    except UnicodeDecodeError as error:
        raise DamagedFileError(f"the name of a column is not text: {error}") from error
    stream.seek(-TAIL_BYTES, io.SEEK_END)
    size = int.from_bytes(stream.read(4), "little")
    stream.seek(-TAIL_BYTES - size, io.SEEK_END)
    return groups_of(stream.read(size), paths)


def groups_of(footer: bytes, paths: Sequence[str]) -> tuple[Group, ...]:
    """The row groups of a serialised FileMetaData whose schema has these columns.

    Raises:
        DamagedFileError: it is not one, or lacks what every footer has.
    """
    try:
        found = Compact(footer).struct({4: lambda one: one.list_of(_group)})
        return tuple(_named(group, paths) for group in found.get(4, ()))
    except IndexError as error:
        raise DamagedFileError(f"its footer is not whole: {error}") from error
    except KeyError as error:
        raise DamagedFileError(f"its footer lacks field {error} of a row group or column") from error


def _named(group: dict[int, Any], paths: Sequence[str]) -> Group:
    """A group with the paths of its columns: by place, as pyarrow reads them, for the footer may name others."""
    columns = ((chunk[3], 8 in chunk) for chunk in group[1])
    chunks = (
        Chunk(path, c[5], c[6], c[7], c.get(11), c[9], encrypted)
        for path, (c, encrypted) in zip(paths, columns, strict=False)
    )
    return Group(group[3], group[2], tuple(chunks))


def _group(compact: "Compact") -> dict[int, Any]:
    return compact.struct({1: lambda one: one.list_of(_chunk), 2: _number, 3: _number})


def _chunk(compact: "Compact") -> dict[int, Any]:
    return compact.struct({3: _column, 8: lambda one: one.struct({})})  # 8: how it is encrypted


def _column(compact: "Compact") -> dict[int, Any]:
    return compact.struct({5: _number, 6: _number, 7: _number, 9: _number, 11: _number})


def _number(compact: "Compact") -> int:
    return compact.number()


class Compact:
    """A place in bytes of Thrift's compact protocol. Bytes that end early raise IndexError."""

    __slots__ = ("at", "body")

    def __init__(self, body: bytes | memoryview) -> None:
        self.body, self.at = body, 0

    def struct(self, wanted: dict[int, "Callable[[Compact], Any]"]) -> dict[int, Any]:
        """Read a struct: the wanted fields by number, each by its reader; others are passed over."""
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self.number()
            kind, reader = head & 15, wanted.get(field)
            if reader is None:
                self._pass_over(kind)
            else:
                found[field] = reader(self)
        return found

    def list_of(self, reader: "Callable[[Compact], T]") -> list[T]:
        _, count = self._list_head()
        return [reader(self) for _ in range(count)]

    def number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)  # zigzag

    def _byte(self) -> int:
        self.at += 1
        return self.body[self.at - 1]

    def _skip(self, size: int) -> None:
        self.at += size
        if self.at > len(self.body):
            raise IndexError(f"{len(self.body):,} bytes end within a value")

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 70:
                raise IndexError("a number of more than 64 bits")
        return value | byte << shift

    def _list_head(self) -> tuple[int, int]:
        """The type of the elements, and how many they are."""
        head = self._byte()
        return head & 15, self._varint() if head >> 4 == 15 else head >> 4

    def _pass_over(self, kind: int, depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise IndexError("structs within structs within structs")
        if kind in NUMBERS:
            self._varint()
        elif kind == BINARY:
            self._skip(self._varint())
        elif kind in SIZES:
            self._skip(SIZES[kind])
        elif kind == STRUCT:
            while head := self._byte():
                if not head >> 4:
                    self._varint()
                self._pass_over(head & 15, depth + 1)
        elif kind in (LIST, SET):
            element, count = self._list_head()
            self._pass_over_all(count, [element], depth)
        elif kind == MAP:
            count = self._varint()
            kinds = self._byte() if count else 0
            self._pass_over_all(count, [kinds >> 4, kinds & 15], depth)
        else:
            raise IndexError(f"type {kind} is unknown")

    def _pass_over_all(self, count: int, kinds: list[int], depth: int) -> None:
        for _ in range(count):
            for kind in kinds:
                self._pass_over(
                    BYTE if kind in (TRUE, FALSE) else kind, depth + 1
                )  # a truth value in a list is a byte
