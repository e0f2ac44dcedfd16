"""What passes is asked again and loses nothing; damage is believed when it was read twice."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false
import errno
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.formats.reread import ATTEMPTS, InputUnreadable, reread_rows
from tasks.formats.rows import BadRow, Columns, Document, ReadRow
from tasks.protocol.shard import Kind, Slice
from tasks.stores.base import Span, StoreError
from tasks.stores.folder import FolderStore
from tests.support.flaky_share import Share
from tests.support.runs import version

ROWS = 500
COLUMNS = Columns("text", "id")


RECORDS = [{"id": f"r{n}", "text": f"text number {n} with some more words {n * n}"} for n in range(ROWS)]


def jsonl() -> bytes:
    return "".join(json.dumps(one) + "\n" for one in RECORDS).encode()


def table() -> bytes:
    return b"id,text\n" + "".join(f"{one['id']},{one['text']}\n" for one in RECORDS).encode()


def columns() -> bytes:
    sink = io.BytesIO()
    pq.write_table(
        pa.Table.from_pylist(RECORDS), sink, row_group_size=100, compression="none", use_dictionary=False
    )
    return sink.getvalue()


FORMATS: list[tuple[str, Kind, Callable[[], bytes]]] = [
    ("a.jsonl", "jsonl", jsonl),
    ("a.jsonl.gz", "jsonl", lambda: gzip.compress(jsonl(), 1)),
    ("a.csv", "csv", table),
    ("a.parquet", "parquet", columns),
]


def rows(store: Share, name: str, kind: Kind) -> list[ReadRow]:
    piece = Slice(name, version(store.root / name), kind)
    return list(reread_rows(store, piece, COLUMNS, pause=lambda _seconds: None))


@pytest.mark.parametrize(("name", "kind", "body"), FORMATS, ids=[name for name, *_ in FORMATS])
@pytest.mark.parametrize("failures", [0, 1, ATTEMPTS - 1])
def test_an_error_that_passes_loses_no_row(
    tmp_path: Path, name: str, kind: Kind, body: Callable[[], bytes], failures: int
) -> None:
    (tmp_path / name).write_bytes(body())
    store = Share(tmp_path, failures)
    found = rows(store, name, kind)
    assert [row.id for row in found if isinstance(row, Document)] == [one["id"] for one in RECORDS]
    assert len(found) == ROWS
    assert store.failures <= 0


@pytest.mark.parametrize(("name", "kind", "body"), FORMATS, ids=[name for name, *_ in FORMATS])
def test_an_error_that_stays_is_raised_and_not_taken_for_damage(
    tmp_path: Path, name: str, kind: Kind, body: Callable[[], bytes]
) -> None:
    (tmp_path / name).write_bytes(body())
    with pytest.raises(InputUnreadable, match=rf"cannot read {name} behind .*: \[Errno 5\]"):
        rows(Share(tmp_path, 1_000), name, kind)


def test_what_is_not_read_in_the_end_is_one_row_that_may_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(columns())
    piece = Slice("a.parquet", version(tmp_path / "a.parquet"), "parquet", 0, ROWS)
    source = reread_rows(Share(tmp_path, 1_000), piece, COLUMNS, pause=lambda _seconds: None)
    seen: list[ReadRow] = []
    with pytest.raises(InputUnreadable) as caught:
        seen.extend(source)
    given = len(seen)
    lost = caught.value.lost_rows()
    assert (lost.position, lost.rows, lost.more, lost.retry, lost.damage) == (
        given,
        ROWS - given,
        False,
        True,
        False,
    )


def test_a_right_that_is_missing_is_not_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(jsonl())
    store = Share(tmp_path, 1_000, errno.EACCES)
    with pytest.raises(StoreError, match=r"cannot read a\.jsonl"):
        rows(store, "a.jsonl", "jsonl")
    assert store.failures > 990


def test_bytes_that_were_wrong_once_are_read_again(tmp_path: Path) -> None:
    """A bit that flipped on the way is no damage of the file."""
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(jsonl(), 1))

    class Noisy(FolderStore):
        opened = 0

        def get(self, key: str, version: str | None = None, span: Span | None = None) -> BinaryIO | None:
            stream = super().get(key, version, span)
            assert stream
            self.opened += 1
            with stream:
                body = bytearray(stream.read())
            if self.opened == 1:
                body[len(body) // 2 :] = b"\xff" * (len(body) - len(body) // 2)
            return io.BytesIO(bytes(body))

    store = Noisy(tmp_path)
    piece = Slice("a.jsonl.gz", version(tmp_path / "a.jsonl.gz"), "jsonl")
    found = list(reread_rows(store, piece, COLUMNS))
    assert [row for row in found if isinstance(row, BadRow)] == []
    assert (len(found), store.opened) == (ROWS, 2)


def test_damage_of_the_file_is_told_once(tmp_path: Path) -> None:
    body = gzip.compress(jsonl(), 1)
    (tmp_path / "a.jsonl.gz").write_bytes(body[: len(body) // 2])
    found = rows(Share(tmp_path, 0), "a.jsonl.gz", "jsonl")
    (bad,) = (row for row in found if isinstance(row, BadRow))
    assert (bad.damage, bad.more, bad.retry) == (True, True, False)
    assert len(found) > 100
