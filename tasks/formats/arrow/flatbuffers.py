"""Tables of FlatBuffers, the encoding of the headers of Arrow, read without trust: an offset may point anywhere."""

import struct
from collections.abc import Sequence
from struct import Struct, unpack_from

BrokenTableError = struct.error


class FlatTable:
    """A table of FlatBuffers, the encoding of Arrow's headers. It stands at `place` of the bytes."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self.place = data, place
        if place < 0:
            raise BrokenTableError("a table before the beginning")
        (back,) = unpack_from("<i", data, place)
        self._fields = place - back
        if not 0 <= self._fields < len(data):
            raise BrokenTableError("no table of fields")

    @classmethod
    def root(cls, data: bytes) -> "FlatTable":
        return cls(data, *unpack_from("<I", data))

    def _at(self, field: int) -> int | None:
        (size,) = unpack_from("<H", self._data, self._fields)
        if 4 + 2 * field >= size:
            return None
        (offset,) = unpack_from("<H", self._data, self._fields + 4 + 2 * field)
        return self.place + offset if offset else None

    def int8(self, field: int) -> int:
        at = self._at(field)
        return 0 if at is None else unpack_from("<b", self._data, at)[0]

    def int16(self, field: int) -> int:
        at = self._at(field)
        return 0 if at is None else unpack_from("<h", self._data, at)[0]

    def int64(self, field: int) -> int:
        at = self._at(field)
        return 0 if at is None else unpack_from("<q", self._data, at)[0]

    def table(self, field: int) -> "FlatTable | None":
        at = self._at(field)
        return None if at is None else FlatTable(self._data, at + unpack_from("<I", self._data, at)[0])

    def structs(self, field: int, layout: Struct) -> Sequence[tuple[int, ...]]:
        """A list of structs."""
        at = self._at(field)
        if at is None:
            return []
        at += unpack_from("<I", self._data, at)[0]
        (count,) = unpack_from("<I", self._data, at)
        if count * layout.size > len(self._data):
            raise BrokenTableError("a list is longer than what holds it")
        return [layout.unpack_from(self._data, at + 4 + layout.size * n) for n in range(count)]
