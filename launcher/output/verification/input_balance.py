"""Account for every row of the input: each file is in the shards as a whole, and no reader has overlooked a row of it.

The rows of a file are counted a second time by another way (`input_counts`). Files come in the order of the shards, so
only those of one shard are in memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from launcher.format import plural
from launcher.output.verification.input_counts import InputCount, count_input
from tasks.formats.rows import BadRow, ReadRow
from tasks.protocol.manifest import Header
from tasks.protocol.shard import Shard, Slice
from tasks.stores.base import ObjectChanged, Store

TABLES = ("csv", "tsv")


@dataclass(slots=True)
class _File:
    """What the shards so far hold of a file."""

    last: Slice  # the last slice
    rows: int = 0  # by the reader, bad ones included
    aside: int = 0  # of these, bad ones
    more: bool = False  # the reader knows of further rows that it cannot count
    unread: bool = False  # not all of it was read here


@dataclass(slots=True)
class InputBalance:
    """Takes the shards in order; `close` ends it. Faults and notes are in words."""

    corpus: Store
    faults: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    rows: int = 0  # counted by the other way
    uncounted: int = 0  # files for which there is none, or that were not read as a whole
    _open: dict[str, _File] = field(default_factory=dict[str, _File])

    def begin(self, header: Header, shard: Shard, *, unread: bool) -> None:
        """A shard comes; `unread`: its input will not be read, because it has no vectors to compare with."""
        for piece in shard.slices:
            known = self._open.get(piece.path)
            expected = 0 if known is None else known.last.end
            if piece.start != expected:
                self.faults.append(f"{piece.path}: what is before {piece.start:,} is in no shard, or in two")
            if known is None:
                known = self._open[piece.path] = _File(piece)
            known.last = piece
            known.unread |= unread
        here = {piece.path for piece in shard.slices}
        for path in [path for path in self._open if path not in here]:  # it has no other slice
            self._close(header, self._open.pop(path))

    def watch(self, rows: Iterable[ReadRow]) -> Iterator[ReadRow]:
        """The rows of the shard that has begun, as the reader gives them."""
        for row in rows:
            known = self._open[row.file]
            if isinstance(row, BadRow):
                known.aside += row.rows
                known.more |= row.more
            known.rows += row.rows if isinstance(row, BadRow) else 1
            yield row

    def unread(self, shard: Shard) -> None:
        """The reading of this shard was broken off."""
        for piece in shard.slices:
            if piece.path in self._open:
                self._open[piece.path].unread = True

    def close(self, header: Header) -> None:
        """No shard comes any more."""
        for known in self._open.values():
            self._close(header, known)
        self._open.clear()

    def _close(self, header: Header, known: _File) -> None:
        """The last slice of a file has been read."""
        if known.unread:
            self.uncounted += 1
            return
        try:
            counted = count_input(self.corpus, known.last, header.csv)
        except ObjectChanged:
            counted = None
        if counted is None:
            self.uncounted += 1
            return
        self.rows += counted.rows
        self._compare(known, counted)

    def _compare(self, known: _File, counted: InputCount) -> None:
        if counted.rows == known.rows or (known.more and counted.rows > known.rows):
            return
        path = known.last.path
        said = f"{path}: {plural(counted.rows, 'row')} by {counted.way}, but {known.rows:,} were read"
        if known.aside and known.last.kind in TABLES:  # a broken record may be one row or several lines
            self.notes.append(f"{said}, of which {known.aside:,} were set aside")
        else:
            self.faults.append(said)
