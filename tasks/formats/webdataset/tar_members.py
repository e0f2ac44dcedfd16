"""The files in a tar archive, in order, as a stream.

Not by `tarfile`: it takes a damaged header for the end of the archive, holds whatever a header says is its own size, and
keeps every member. Here damage is an error, names are bounded, and one member is known at a time. Reads ustar, GNU and
pax archives, and archives put one behind the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tasks.formats.beginning import read_some, read_up_to
from tasks.formats.damage import DamagedFileError

BLOCK_BYTES = 512
READ_BYTES = 2**20
MAX_NAME_BYTES = 2**16  # of a name, or of a pax header with it
FILES = (b"0", b"\0", b"7")
LINKS = {b"1": "a link", b"2": "a symbolic link"}  # they have no body, whatever their size says
SPARSE = "a sparse file, which is stored in parts"
SPARSE_GOES_ON, SPARSE_MAP_GOES_ON = 482, 504  # bytes of a header, and of a block of its map
GNU_SPARSE, PAX_SPARSE = b"S", "GNU.sparse."  # a kind of header, and how the names of values begin
NAME_FOLLOWS, PAX = b"L", b"x"
BINARY_NUMBER = 0x80  # the first byte of a number that is not in octal digits


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive. `position` is where its header begins."""

    name: str
    size: int
    position: int
    unreadable: str | None = None  # what it is, where its body is not the bytes of a file of that name


class TarMembers:
    """The files of an archive. `body` reads the last one; what is not read of it is skipped."""

    def __init__(self, stream: BinaryIO) -> None:
        self.position = 0
        self._stream = stream
        self._left = 0  # bytes of the last member
        self._padding = 0  # behind it

    def __iter__(self) -> Iterator[Member]:
        """Yield the files in order.

        Raises:
            DamagedFileError: it is no tar, or is damaged or cut off.
        """
        name: str | None = None
        size: int | None = None
        sparse = False
        while (header := self._header()) is not None:
            kind, position = header[156:157], self.position - BLOCK_BYTES
            stated = _number(header[124:136])
            self._left = stated if size is None or kind in (NAME_FOLLOWS, PAX) else size
            self._padding = -self._left % BLOCK_BYTES
            if kind == NAME_FOLLOWS:
                name = _text(self._extension())
                continue
            if kind == PAX:
                values = _pax_values(self._extension())
                name = values.get("GNU.sparse.name", values.get("path", name))
                size = _decimal(values["size"]) if "size" in values else size
                sparse = sparse or any(key.startswith(PAX_SPARSE) for key in values)
                continue
            if kind in LINKS:
                self._left = self._padding = 0
            if kind == GNU_SPARSE and header[SPARSE_GOES_ON]:
                self._skip_sparse_map()
            what = SPARSE if sparse or kind == GNU_SPARSE else LINKS.get(kind)
            if what is not None or kind in FILES:
                yield Member(name or _name_of(header), self._left, position, what)
            name, size, sparse = None, None, False

    def _header(self) -> bytes | None:
        """Skip to the next header; None at the end."""
        ended = False
        while True:
            self._skip(self._left + self._padding)
            self._left = self._padding = 0
            begun = self.position > 0
            header = self._read(BLOCK_BYTES)
            if not header and (ended or not begun):
                return None
            if len(header) < BLOCK_BYTES or not (_sum_is_right(header) or not header.strip(b"\0")):
                if not begun:
                    raise DamagedFileError("it is no tar archive")
                raise DamagedFileError(
                    "a header is broken" if len(header) == BLOCK_BYTES else "it is cut off"
                )
            if header.strip(b"\0"):
                return header
            ended = True  # two blocks of zeros end an archive, and another may follow

    def _skip_sparse_map(self) -> None:
        """Skip the blocks that say where the parts of a sparse file go."""
        while (block := self._read(BLOCK_BYTES)) and block[SPARSE_MAP_GOES_ON:][:1].strip(b"\0"):
            pass

    def body(self, limit: int) -> bytes | None:
        """The bytes of the last member; None: there are more than `limit`."""
        if self._left > limit:
            return None
        size, self._left = self._left, 0
        found = self._read(size)
        if len(found) < size:
            raise DamagedFileError("it is cut off in the middle of a file")
        return found

    def _extension(self) -> bytes:
        found = self.body(MAX_NAME_BYTES)
        if found is None:
            raise DamagedFileError(f"a name takes more than {MAX_NAME_BYTES:,} bytes")
        return found

    def _read(self, size: int) -> bytes:
        found = read_up_to(self._stream, size)
        self.position += len(found)
        return found

    def _skip(self, size: int) -> None:
        while size:
            part = read_some(self._stream, min(size, READ_BYTES))
            if not part:
                raise DamagedFileError("it is cut off in the middle of a file")
            size -= len(part)
            self.position += len(part)


def _sum_is_right(header: bytes) -> bool:
    """Whether the checksum is that of the header, with its own field as blanks; some writers add signed bytes."""
    stated = header[148:156].strip(b"\0 ")
    blank = header[:148] + b" " * 8 + header[156:]
    signed = sum(blank) - 256 * sum(byte > 127 for byte in blank)
    return stated.isdigit() and not stated.strip(b"01234567") and int(stated, 8) in (sum(blank), signed)


def _number(field: bytes) -> int:
    if field[0] == BINARY_NUMBER:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b"\0 ")
    if digits.strip(b"01234567"):
        raise DamagedFileError("a header is broken")
    return int(digits or b"0", 8)


def _decimal(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise DamagedFileError("a header is broken")
    return int(text)


def _name_of(header: bytes) -> str:
    name, folder = _text(header[:100]), _text(header[345:500])
    is_ustar = header[257:263] == b"ustar\0"  # GNU keeps other things in the place of the folder
    return f"{folder}/{name}" if folder and is_ustar else name


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _pax_values(body: bytes) -> dict[str, str]:
    """The `LENGTH KEY=VALUE` lines of a pax header."""
    found: dict[str, str] = {}
    place = 0
    while place < len(body) and body[place]:
        length, blank, _ = body[place : place + 20].partition(b" ")
        if not blank or not length.isdigit() or not len(length) + 1 < int(length) <= len(body) - place:
            raise DamagedFileError("a pax header is broken")
        line = body[place + len(length) + 1 : place + int(length) - 1]
        key, _, value = line.partition(b"=")
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        place += int(length)
    return found
