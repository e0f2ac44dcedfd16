"""Rows of Arrow streams and files, whoever wrote them; none takes more memory than is allowed."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import gzip
import io
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from struct import pack, unpack_from
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather, ipc

from tasks.formats.arrow import arrow_messages
from tasks.formats.arrow.arrow_messages import BLOCK
from tasks.formats.arrow.flatbuffers import FlatTable
from tasks.formats.compression import decompressed
from tasks.formats.read import rows_of_stream
from tasks.formats.rows import BadRow, Columns, Document, ReadRow
from tasks.protocol.shard import Slice

TABLE = pa.table(
    {
        "id": [1, 2, 3],
        "text": ["one", "two", None],
        "doc": [{"text": "a", "k": {"id": "x"}}, None, {"text": "c", "k": None}],
        "parts": [["p", "q"], [], None],
        "word": pa.array(["u", "v", "u"]).dictionary_encode(),
        "image": pa.array([b"x" * 50_000] * 3),
    }
)


def written(kind: str = "stream", compression: Any = None, table: pa.Table = TABLE, rows: int = 2) -> bytes:
    body = io.BytesIO()
    new: Any = ipc.new_file if kind == "file" else ipc.new_stream
    with new(body, table.schema, options=ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return body.getvalue()


def rows(body: bytes, text: str = "text", name: str = "a.arrow", **more: Any) -> list[ReadRow]:
    columns = Columns(text, more.pop("id", "id"), **more)
    with decompressed(io.BytesIO(body), name) as stream:
        return list(rows_of_stream(stream, Slice(name, "1", "arrow"), columns))


def said(found: list[ReadRow]) -> list[tuple[str | None, str]]:
    return [(row.id, row.text if isinstance(row, Document) else row.reason) for row in found]


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("kind", ["stream", "file"])
def test_rows_of_both_kinds(kind: str, compression: str | None) -> None:
    found = rows(written(kind, compression), keep=("word", "parts"))
    assert said(found) == [("1", "one"), ("2", "two"), ("3", "no text: 'text' is missing or null")]
    assert [row.kept for row in found if isinstance(row, Document)] == [("u", '["p", "q"]'), ("v", "[]")]
    assert [row.position for row in found] == [0, 1, 2]


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_fields_of_structs_by_dots(kind: str) -> None:
    missing = "no text: 'doc.text' is missing or null"
    assert said(rows(written(kind), "doc.text")) == [("1", "a"), ("2", missing), ("3", "c")]
    assert said(rows(written(kind), id="doc.k.id"))[0] == ("x", "one")


def test_kept_dates_and_decimals_are_text_that_a_filter_finds() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    kept: dict[str, list[Any]] = {
        "day": [moment.date()],
        "at": [moment],
        "clock": [moment.time()],
        "price": [Decimal("12.50")],
        "days": [[moment.date()]],
        "open": [True],
        "code": [b"\xc3\xa9"],
    }
    (row,) = rows(written(table=pa.table({"id": [1], "text": ["a"], **kept})), keep=tuple(kept))
    assert isinstance(row, Document)
    assert row.kept == (
        "2026-01-02",
        "2026-01-02T03:04:05+00:00",
        "03:04:05",
        "12.50",
        '["2026-01-02"]',
        "true",
        "é",
    )


def test_lists_are_joined_where_the_job_says_how() -> None:
    refused = "not a string: 'parts' is list ['p', 'q']; corpus.join joins lists of strings"
    assert said(rows(written(), "parts"))[0] == ("1", refused)
    assert said(rows(written(), "parts", join=" / "))[0] == ("1", "p / q")


def test_a_stream_may_be_compressed_and_a_file_may_not() -> None:
    assert said(rows(gzip.compress(written()), name="a.arrow.gz"))[:2] == [("1", "one"), ("2", "two")]
    (row,) = rows(gzip.compress(written("file")), name="a.arrow.gz")
    assert isinstance(row, BadRow)
    assert "decompress it" in row.reason


@pytest.mark.parametrize("compression", ["uncompressed", "zstd", "lz4"])
def test_files_of_polars(compression: Any) -> None:
    body = io.BytesIO()
    frame = pl.DataFrame({"id": ["x", "y"], "text": pl.Series(["k", "l"], dtype=pl.Categorical)})
    frame.write_ipc(body, compression=compression)
    assert said(rows(body.getvalue())) == [("x", "k"), ("y", "l")]


@pytest.mark.filterwarnings("ignore:Feather V1")
def test_feather_of_version_1_is_named(tmp_path: Any) -> None:
    feather.write_feather(TABLE.select(["id", "text"]), str(tmp_path / "a"), version=1)
    (row,) = rows((tmp_path / "a").read_bytes())
    assert isinstance(row, BadRow)
    assert row.reason == "it is Feather of version 1; write it again as version 2"


@pytest.mark.parametrize("kind", ["stream", "file"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_cut_file_says_so(kind: str, share: float) -> None:
    body = written(kind)
    last = rows(body[: int(len(body) * share)])[-1]
    assert isinstance(last, BadRow)
    assert (last.more, last.damage) == (True, True)


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_a_batch_above_the_limit_is_refused_with_words(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_messages, "MAX_BATCH_BYTES", 50_000)
    last = rows(written(kind))[-1]
    assert isinstance(last, BadRow)
    assert "write the file again with fewer rows a batch" in last.reason


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_a_buffer_that_claims_to_be_huge_is_refused_before_it_is_allocated(kind: str) -> None:
    table = pa.table({"id": ["a"], "text": ["x" * 100_000]})
    body = written(kind, "zstd", table)
    claim = pack("<q", 100_000)  # what the compressed text says that it takes
    place = body.rindex(claim)
    last = rows(body[:place] + pack("<q", 2**40) + body[place + 8 :])[-1]
    assert isinstance(last, BadRow)
    assert last.reason.startswith("a record batch takes 1,048,576 MiB")


def test_large_batches_come_in_parts() -> None:
    count = 5_000
    table = pa.table({"id": list(range(count)), "text": ["word"] * count})
    assert [row.position for row in rows(written(table=table, rows=count))] == list(range(count))


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_missing_column_makes_every_row_bad(kind: str) -> None:
    assert {reason for _, reason in said(rows(written(kind), "body"))} == {
        "no text: 'body' is missing or null"
    }


SMALL = {kind: written(kind, table=TABLE.select(["id", "text"])) for kind in ("stream", "file")}


def change_each_byte(kind: str) -> None:
    """Each byte of a small file becomes each of a few values that lengths, kinds and offsets are wrong with."""
    for place in range(len(SMALL[kind])):
        for value in (0, 1, 2, 3, 4, 8, 16, 64, 127, 128, 254, 255):
            body = bytearray(SMALL[kind])
            body[place] = value
            assert all(isinstance(row, Document | BadRow) for row in rows(bytes(body))), (place, value)


@pytest.mark.parametrize(
    "change", ["change_each_byte('stream')", "change_each_byte('file')", "schema_of_no_kind()"]
)
def test_changed_bytes_end_no_process(change: str) -> None:
    code = f"from tests.tasks.formats.arrow import test_arrow_rows as t; t.{change}"
    ended = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2_000:]


def read_counting_threads(kind: str) -> None:
    before = len(list(Path("/proc/self/task").iterdir()))
    assert len(rows(written(kind))) == len(TABLE)
    assert len(list(Path("/proc/self/task").iterdir())) == before


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_no_thread_holds_the_file_when_the_interpreter_ends(kind: str) -> None:
    code = f"from tests.tasks.formats.arrow import test_arrow_rows as t; t.read_counting_threads({kind!r})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2_000:]


@pytest.mark.parametrize("place", ["start", "size"])
def test_footer_that_names_more_than_the_file_holds_is_damage(place: str) -> None:
    body = SMALL["file"]
    footer = body[-10 - unpack_from("<i", body, len(body) - 10)[0] : -10]
    start, header, size = FlatTable.root(footer).structs(3, BLOCK)[0]
    changed = BLOCK.pack(-8, header, size) if place == "start" else BLOCK.pack(start, header, 2**40)
    (row,) = rows(body.replace(BLOCK.pack(start, header, size), changed))
    assert isinstance(row, BadRow)
    assert row.reason.endswith("its footer names messages that the file does not hold")


@given(st.sampled_from(["stream", "file"]), st.data())
def test_any_changed_bytes_give_rows(kind: str, data: st.DataObject) -> None:
    body = bytearray(SMALL[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    assert all(isinstance(row, Document | BadRow) for row in rows(bytes(body)))


def schema_of_no_kind() -> None:
    """A message whose kind Arrow does not know passes its checks, whatever it has inside."""
    body = SMALL["stream"]
    size = ipc.read_message(body).serialize().size
    (table,) = unpack_from("<i", body, 8)
    fields = 8 + table - unpack_from("<i", body, 8 + table)[0]  # where the fields of the message are
    kind = 8 + table + unpack_from("<H", body, fields + 6)[0]
    for place in range(kind + 1, size - 3):
        for offset in (2**30, 2**31 - 1, 2**32 - 1):
            changed = bytearray(body)
            changed[kind] = 255
            changed[place : place + 4] = pack("<I", offset)
            assert all(isinstance(row, Document | BadRow) for row in rows(bytes(changed))), (place, offset)


def test_column_whose_name_is_not_text_is_damage() -> None:
    sink = io.BytesIO()
    table = pa.table({"text": ["a"], "naaame": ["b"]})
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body = sink.getvalue().replace(b"naaame", b"na\xe9\xe9me")
    rows = list(rows_of_stream(io.BytesIO(body), Slice("a.arrow", "1", "arrow"), Columns("text", None)))
    assert [type(row) for row in rows] == [BadRow]
