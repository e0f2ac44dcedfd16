"""Readers: every row comes once, good or bad, with its position; nothing stops the rest."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import gzip
import json
import os
import uuid
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.formats.compression import decompressed
from tasks.formats.read import read_rows
from tasks.formats.rows import MAX_TEXT_BYTES, BadRow, Columns, Document, ReadRow
from tasks.protocol.shard import Kind, Slice
from tasks.stores.base import ObjectChanged, StoreError
from tasks.stores.folder import FolderStore
from tests.support.runs import version

BY_ID = Columns("text", "id")
UNNAMED = Columns("text", None)
MISSING = "no text: 'text' is missing or null"


def found(
    path: Path, kind: Kind, columns: Columns = BY_ID, start: int = 0, end: int | None = None
) -> list[ReadRow]:
    return list(
        read_rows(FolderStore(path.parent), Slice(path.name, version(path), kind, start, end), columns)
    )


def short(listed: Sequence[ReadRow]) -> list[Any]:
    """(position, id, text) of a good row, (position, reason) of a bad one."""
    return [(r.position, r.id, r.text) if isinstance(r, Document) else (r.position, r.reason) for r in listed]


def jsonl(tmp_path: Path, *lines: bytes) -> Path:
    path = tmp_path / "part.jsonl"
    path.write_bytes(b"\n".join(lines))
    return path


def only(tmp_path: Path, line: bytes, columns: Columns = BY_ID) -> ReadRow:
    """The one row of a file of one line."""
    (row,) = found(jsonl(tmp_path, line), "jsonl", columns)
    return row


def reason(tmp_path: Path, line: bytes) -> str:
    row = only(tmp_path, line)
    assert isinstance(row, BadRow)
    return row.reason


# --- JSON Lines


def test_a_line_becomes_a_document_at_its_byte(tmp_path: Path) -> None:
    path = jsonl(tmp_path, b'{"id": "a", "text": "one"}', b'{"id": "b", "text": "two"}', b"")
    assert found(path, "jsonl") == [
        Document("a", "one", "part.jsonl", 0),
        Document("b", "two", "part.jsonl", 27),
    ]


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    path = jsonl(tmp_path, b'{"id": "a", "text": "one"}', b'{"id": "b", "text": "two"}')
    assert short(found(path, "jsonl")) == [(0, "a", "one"), (27, "b", "two")]


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert found(jsonl(tmp_path), "jsonl") == []


def test_without_an_id_column_a_document_is_named_by_its_place(tmp_path: Path) -> None:
    path = jsonl(tmp_path, b'{"text": "one"}', b'{"text": "two"}')
    assert short(found(path, "jsonl", UNNAMED)) == [(0, "part.jsonl#0", "one"), (16, "part.jsonl#16", "two")]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
lines_of_all_kinds = st.lists(
    st.one_of(
        texts.map(lambda text: json.dumps({"id": "x", "text": text}).encode()),
        texts.map(lambda text: json.dumps({"id": "x", "text": text}, ensure_ascii=False).encode()),
        st.sampled_from([b"", b"\r", b" ", b"{broken", b"[]", b"\xff\xfe", b'{"id": "x"}']),
    ),
    max_size=8,
)


@given(lines_of_all_kinds, st.booleans(), st.data())
def test_slices_cut_on_line_ends_give_together_the_whole_file(
    lines: list[bytes], ended: bool, data: st.DataObject
) -> None:
    body = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    ends = [n + 1 for n, byte in enumerate(body) if byte == 0x0A]
    cuts = data.draw(st.sets(st.sampled_from(ends))) if ends else set[int]()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "part.jsonl"
        path.write_bytes(body)
        edges = [0, *sorted(cuts - {0, len(body)}), len(body)]
        parts = [row for start, end in pairwise(edges) for row in found(path, "jsonl", BY_ID, start, end)]
        assert parts == found(path, "jsonl")


@given(lines_of_all_kinds, st.data())
def test_a_line_belongs_to_the_slice_in_which_it_starts(lines: list[bytes], data: st.DataObject) -> None:
    body = b"\n".join(lines)
    end = data.draw(st.integers(0, len(body)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "part.jsonl"
        path.write_bytes(body)
        expected = [row for row in found(path, "jsonl") if row.position < end]
        assert found(path, "jsonl", BY_ID, 0, end) == expected


@given(st.lists(texts, min_size=1, max_size=8))
def test_every_text_comes_out_as_it_went_in_or_is_blank(written: list[str]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "part.jsonl"
        path.write_text(
            "".join(json.dumps({"id": n, "text": text}) + "\n" for n, text in enumerate(written)), "utf-8"
        )
        out = {int(row.id): row.text for row in found(path, "jsonl") if isinstance(row, Document)}
    assert out == {n: text for n, text in enumerate(written) if text.strip()}


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    path = jsonl(tmp_path, b"", b"  \t", b'{"id": "a", "text": "one"}', b"\r", b"")
    assert short(found(path, "jsonl")) == [(5, "a", "one")]


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    path = jsonl(tmp_path, b'{"id": "a", "text": "one"}\r', b'{"id": "b", "text": "two"}\r', b"")
    assert short(found(path, "jsonl")) == [(0, "a", "one"), (28, "b", "two")]


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = jsonl(tmp_path, b'\xef\xbb\xbf{"id": "a", "text": "one"}', b'{"id": "b", "text": "two"}')
    assert short(found(path, "jsonl")) == [(0, "a", "one"), (30, "b", "two")]


def test_a_broken_line_does_not_stop_the_next(tmp_path: Path) -> None:
    path = jsonl(tmp_path, b'{"id": "a", "text": "on', b'{"id": "b", "text": "two"}')
    broken, good = found(path, "jsonl")
    assert good == Document("b", "two", "part.jsonl", 24)
    assert isinstance(broken, BadRow)
    assert (broken.file, broken.position, broken.id) == ("part.jsonl", 0, None)
    assert broken.reason == "broken JSON line: Invalid control character at: line 1 column 24 (char 23)"


@pytest.mark.parametrize(
    ("line", "kind"),
    [(b"[1]", "list"), (b'"text"', "str"), (b"7", "int"), (b"null", "NoneType"), (b"true", "bool")],
)
def test_a_line_that_is_no_object_is_bad(tmp_path: Path, line: bytes, kind: str) -> None:
    assert reason(tmp_path, line) == f"not a JSON object: {kind}"


@pytest.mark.parametrize(
    ("line", "more"),
    [
        (b'{"id": "a"}', "; the line has 'id'"),
        (b'{"id": "a", "body": "b"}', "; the line has 'id', 'body'"),
        (b'{"id": "a", "text": null}', ""),
    ],
)
def test_a_line_without_text_is_bad_and_keeps_its_id(tmp_path: Path, line: bytes, more: str) -> None:
    assert only(tmp_path, line) == BadRow("part.jsonl", 0, MISSING + more, "a")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("7", "int 7"),
        ("true", "bool True"),
        ("1.5", "float 1.5"),
        ('["x"]', "list ['x']; corpus.join joins lists of strings"),
        ('{"a": 1}', "dict {'a': 1}"),
    ],
)
def test_a_text_that_is_no_string_is_bad(tmp_path: Path, value: str, shown: str) -> None:
    line = f'{{"id": "a", "text": {value}}}'.encode()
    assert only(tmp_path, line) == BadRow("part.jsonl", 0, f"not a string: 'text' is {shown}", "a")


@pytest.mark.parametrize("text", ["", " ", "\\n\\t", "\\u00a0\\u3000"])
def test_a_blank_text_is_bad(tmp_path: Path, text: str) -> None:
    line = f'{{"id": "a", "text": "{text}"}}'.encode()
    assert only(tmp_path, line) == BadRow("part.jsonl", 0, "no text: it is empty or blank", "a")


def test_a_lone_surrogate_is_no_text(tmp_path: Path) -> None:
    line = rb'{"id": "a", "text": "half \ud83d"}'
    assert only(tmp_path, line) == BadRow(
        "part.jsonl", 0, r"half of a surrogate pair, \ud83d, in the text", "a"
    )


def test_a_surrogate_pair_is_a_text(tmp_path: Path) -> None:
    assert only(tmp_path, rb'{"id": "a", "text": "\ud83d\ude00"}') == Document(
        "a", "\U0001f600", "part.jsonl", 0
    )


def test_a_lone_surrogate_is_no_id(tmp_path: Path) -> None:
    line = rb'{"id": "\ud83d", "text": "one"}'
    assert only(tmp_path, line) == BadRow(
        "part.jsonl", 0, r"half of a surrogate pair, \ud83d, in the id", None
    )


def test_a_line_that_is_not_utf8_is_bad(tmp_path: Path) -> None:
    path = jsonl(tmp_path, b'{"id": "a", "text": "caf\xe9"}', b'{"id": "b", "text": "two"}')
    assert short(found(path, "jsonl")) == [(0, "invalid UTF-8 at byte 24 of the line"), (28, "b", "two")]


def test_an_over_long_line_is_bad_and_not_in_the_way(tmp_path: Path) -> None:
    long = b'{"id": "a", "text": "' + b"x" * MAX_TEXT_BYTES + b'"}'
    path = jsonl(tmp_path, b'{"id": "0", "text": "zero"}', long, b'{"id": "b", "text": "two"}')
    assert short(found(path, "jsonl")) == [
        (0, "0", "zero"),
        (28, f"over-long line: {len(long) + 1:,} bytes, at most 8,388,608"),
        (28 + len(long) + 1, "b", "two"),
    ]


@pytest.mark.parametrize("ended", [b"\n", b""])
def test_a_line_may_be_as_long_as_the_limit(tmp_path: Path, ended: bytes) -> None:
    head, tail = b'{"id": "a", "text": "', b'"}' + ended
    path = jsonl(tmp_path, head + b"x" * (MAX_TEXT_BYTES - len(head + tail)) + tail)
    (row,) = found(path, "jsonl")
    assert isinstance(row, Document)
    assert path.stat().st_size == MAX_TEXT_BYTES


def test_a_deeply_nested_line_is_bad(tmp_path: Path) -> None:
    deep = b'{"id": "a", "text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert reason(tmp_path, deep).startswith("broken JSON line: maximum recursion depth")


@given(st.integers(1, 1_200))
def test_a_text_nested_to_any_depth_is_bad(depth: int) -> None:
    with TemporaryDirectory() as folder:
        line = b'{"id": "a", "text": ' + b"[" * depth + b"]" * depth + b"}"
        assert isinstance(only(Path(folder), line), BadRow)


def test_a_huge_integer_is_bad(tmp_path: Path) -> None:
    line = b'{"id": ' + b"9" * 5_000 + b', "text": "one"}'
    assert reason(tmp_path, line).startswith("broken JSON line: Exceeds the limit")


def test_an_integer_of_any_size_that_python_reads_is_an_id(tmp_path: Path) -> None:
    row = only(tmp_path, b'{"id": 123456789012345678901234567890, "text": "one"}')
    assert isinstance(row, Document)
    assert row.id == "123456789012345678901234567890"


@pytest.mark.parametrize(
    ("value", "name"), [("7", "7"), ("-1.5", "-1.5"), ('"7"', "7"), ("0", "0"), ('" a "', " a ")]
)
def test_numbers_and_strings_are_ids(tmp_path: Path, value: str, name: str) -> None:
    row = only(tmp_path, f'{{"id": {value}, "text": "one"}}'.encode())
    assert row == Document(name, "one", "part.jsonl", 0)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("null", "missing or null"),
        ("true", "bool True"),
        ('""', "str ''"),
        ("[1]", "list [1]"),
        ("NaN", "float nan"),
    ],
)
def test_what_names_nothing_is_no_id(tmp_path: Path, value: str, shown: str) -> None:
    row = only(tmp_path, f'{{"id": {value}, "text": "one"}}'.encode())
    assert row == BadRow("part.jsonl", 0, f"no id: 'id' is {shown}", None)


def test_a_missing_id_is_no_id(tmp_path: Path) -> None:
    said = "no id: 'id' is missing or null; the line has 'text'"
    assert reason(tmp_path, b'{"text": "one"}') == said


def test_the_text_may_be_the_id(tmp_path: Path) -> None:
    row = only(tmp_path, b'{"text": "one"}', Columns("text", "text"))
    assert row == Document("one", "one", "part.jsonl", 0)


# --- compressed


GOOD = b'{"id": "a", "text": "one"}\n{"id": "b", "text": "two"}\n{"id": "c", "text": "three"}\n'
READ = [(0, "a", "one"), (27, "b", "two"), (54, "c", "three")]


def zst(body: bytes) -> bytes:
    packed: bytes = pa.compress(body, codec="zstd", asbytes=True)
    return packed


def packed(tmp_path: Path, suffix: str, *members: bytes, broken: int = 0) -> Path:
    """A compressed file of several members, with the last `broken` bytes missing."""
    compress = {"gz": gzip.compress, "zst": zst}[suffix]
    body = b"".join(compress(member) for member in members)
    path = tmp_path / f"part.jsonl.{suffix}"
    path.write_bytes(body[: len(body) - broken])
    return path


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_compressed_file_reads_as_the_plain_one(tmp_path: Path, suffix: str) -> None:
    assert short(found(packed(tmp_path, suffix, GOOD), "jsonl")) == READ


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_the_parts_of_a_compressed_file_are_one_file(tmp_path: Path, suffix: str) -> None:
    path = packed(tmp_path, suffix, GOOD[:35], b"", GOOD[35:40], GOOD[40:])
    assert short(found(path, "jsonl")) == READ


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_compressed_file_of_many_parts_loses_nothing(tmp_path: Path, suffix: str) -> None:
    lines = [json.dumps({"id": n, "text": f"{n} " * (n % 50 + 1)}).encode() + b"\n" for n in range(2_000)]
    members = [b"".join(lines[n : n + 100]) for n in range(0, 2_000, 100)]
    out = found(packed(tmp_path, suffix, *members), "jsonl")
    assert [row.id for row in out] == [str(n) for n in range(2_000)]


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_an_empty_compressed_file_has_no_rows(tmp_path: Path, suffix: str) -> None:
    assert found(packed(tmp_path, suffix, b""), "jsonl") == []


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_truncated_file_gives_what_is_whole_and_one_bad_row(tmp_path: Path, suffix: str) -> None:
    path = packed(tmp_path, suffix, GOOD * 200, GOOD[:-3], broken=12)
    *good, bad = found(path, "jsonl")
    plain = found(jsonl(tmp_path, GOOD * 201), "jsonl")
    assert short(good) == short(plain)[: len(good)]
    assert len(good) > 540
    assert isinstance(bad, BadRow)
    assert bad.position == plain[len(good)].position
    assert bad.reason.startswith("the file is damaged from here on: ")


@pytest.mark.parametrize("suffix", ["gz", "zst"])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "text"])
def test_a_file_that_is_not_compressed_at_all_is_one_bad_row(tmp_path: Path, suffix: str, kind: Kind) -> None:
    path = tmp_path / f"part.jsonl.{suffix}"
    path.write_bytes(GOOD)
    (bad,) = found(path, kind)
    assert isinstance(bad, BadRow)
    assert bad.reason.startswith("the file is damaged from here on: ")


def test_a_gz_file_whose_checksum_is_wrong_ends_in_a_bad_row(tmp_path: Path) -> None:
    path = packed(tmp_path, "gz", GOOD)
    body = bytearray(path.read_bytes())
    body[-8] ^= 1
    path.write_bytes(body)
    *_, bad = found(path, "jsonl")
    assert isinstance(bad, BadRow)
    assert bad.reason == "the file is damaged from here on: incorrect data check"


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_truncated_table_gives_what_is_whole_and_one_bad_row(tmp_path: Path, suffix: str) -> None:
    path = packed(tmp_path, suffix, b"id,text\na,one\n" * 1_000, b"b,two\n", broken=12)
    *good, bad = found(path, "csv")
    assert [row.position for row in good] == list(range(len(good)))
    assert len(good) > 1_000
    assert isinstance(bad, BadRow)
    assert bad.position == len(good)


# --- CSV and TSV


def table(tmp_path: Path, body: bytes, kind: Kind = "csv", columns: Columns = BY_ID) -> list[Any]:
    path = tmp_path / f"part.{kind}"
    path.write_bytes(body)
    return short(found(path, kind, columns))


def test_records_are_counted_from_0(tmp_path: Path) -> None:
    assert table(tmp_path, b"id,text\na,one\nb,two\n") == [(0, "a", "one"), (1, "b", "two")]


def test_a_field_in_quotes_may_hold_lines_commas_and_quotes(tmp_path: Path) -> None:
    body = b'id,text\na,"one,\nand ""two""\r\n"\nb,three\n'
    assert table(tmp_path, body) == [(0, "a", 'one,\nand "two"\r\n'), (1, "b", "three")]


def test_tabs_separate_the_fields_of_a_tsv(tmp_path: Path) -> None:
    assert table(tmp_path, b'id\ttext\na\tone, two\nb\t"x y"\n', "tsv") == [
        (0, "a", "one, two"),
        (1, "b", '"x y"'),
    ]


def test_columns_may_be_in_any_order_among_others(tmp_path: Path) -> None:
    assert table(tmp_path, b"stars,text,id\n5,one,a\n") == [(0, "a", "one")]


def test_a_short_record_is_set_aside(tmp_path: Path) -> None:
    assert table(tmp_path, b"id,text\na\nb,two\n") == [
        (0, "line 2: 1 field, and the table has 2 columns"),
        (1, "b", "two"),
    ]


def test_a_long_record_is_set_aside(tmp_path: Path) -> None:
    assert table(tmp_path, b"id,text\na,one,more,and more\nb,two\n") == [
        (0, "line 2: 4 fields, and the table has 2 columns"),
        (1, "b", "two"),
    ]


def test_a_table_without_the_text_column_is_all_bad(tmp_path: Path) -> None:
    assert table(tmp_path, b"id,body\na,one\nb,two\n") == [(0, MISSING), (1, MISSING)]


def test_an_empty_id_is_not_an_id(tmp_path: Path) -> None:
    assert table(tmp_path, b"id,text\n,one\n") == [(0, "no id: 'id' is str ''")]


def test_bytes_that_are_not_utf8_make_their_record_bad_and_no_other(tmp_path: Path) -> None:
    body = b"id,text\na,caf\xe9\nb,two\n\xff,three\n"
    assert table(tmp_path, body) == [
        (0, "invalid UTF-8 in the text"),
        (1, "b", "two"),
        (2, "invalid UTF-8 in the id"),
    ]


def test_a_nul_is_a_character_like_any_other(tmp_path: Path) -> None:
    assert table(tmp_path, b"id,text\na,one\0two\nb,three\n") == [(0, "a", "one\0two"), (1, "b", "three")]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert table(tmp_path, b"\xef\xbb\xbfid,text\na,one\n") == [(0, "a", "one")]


@pytest.mark.parametrize("body", [b"", b"id,text\n", b"\n\n"])
def test_a_table_without_records_has_no_rows(tmp_path: Path, body: bytes) -> None:
    assert table(tmp_path, body) == []


def test_records_without_an_id_column_are_named_by_their_number(tmp_path: Path) -> None:
    assert table(tmp_path, b"text\none\ntwo\n", columns=UNNAMED) == [
        (0, "part.csv#0", "one"),
        (1, "part.csv#1", "two"),
    ]


def test_a_text_over_the_limit_is_a_bad_row_and_stops_nothing(tmp_path: Path) -> None:
    body = b"id,text\na," + b"x" * (MAX_TEXT_BYTES + 1) + b"\nb,two\n"
    assert table(tmp_path, body) == [
        (0, "over-long: 8,388,609 characters, at most 8,388,608"),
        (1, "b", "two"),
    ]


# --- text


def test_every_line_of_a_text_file_is_a_document(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"\xef\xbb\xbffirst\r\n\n  second  \ncaf\xe9\n\xe6\xa1\xb6")
    assert short(found(path, "text", UNNAMED)) == [
        (0, "notes.txt#0", "first"),
        (11, "notes.txt#11", "  second  "),
        (22, "invalid UTF-8 at byte 3 of the line"),
        (27, "notes.txt#27", "桶"),
    ]


def test_a_text_file_needs_no_id_whatever_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"first\n")
    assert short(found(path, "text", BY_ID)) == [(0, "notes.txt#0", "first")]


# --- Parquet


def parquet(tmp_path: Path, group: Any = None, **columns: Any) -> Path:
    path = tmp_path / "part.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return path


TEN = {"id": [f"d{n}" for n in range(10)], "text": [f"text {n}" for n in range(10)]}


@pytest.mark.parametrize("group", [3, 5, 10])
@given(edges=st.tuples(st.integers(0, 10), st.integers(0, 10)))
def test_any_range_of_rows_is_read_within_and_across_row_groups(group: int, edges: tuple[int, int]) -> None:
    start, end = sorted(edges)
    with TemporaryDirectory() as folder:
        path = parquet(Path(folder), group, **TEN)
        expected = [(n, f"d{n}", f"text {n}") for n in range(start, end)]
        assert short(found(path, "parquet", BY_ID, start, end)) == expected


def test_a_range_in_the_middle_of_a_large_row_group_is_read(tmp_path: Path) -> None:
    path = parquet(tmp_path, id=list(range(5_000)), text=["x"] * 5_000)
    out = found(path, "parquet", BY_ID, 1_500, 3_700)
    assert [row.position for row in out] == list(range(1_500, 3_700))
    assert [row.id for row in out] == [str(n) for n in range(1_500, 3_700)]


def test_a_file_of_zero_rows_has_no_rows(tmp_path: Path) -> None:
    path = parquet(tmp_path, id=pa.array([], pa.string()), text=pa.array([], pa.string()))
    assert found(path, "parquet") == []


def test_a_missing_text_column_makes_every_row_bad(tmp_path: Path) -> None:
    path = parquet(tmp_path, id=["a", "b"], body=["one", "two"])
    assert found(path, "parquet") == [
        BadRow("part.parquet", 0, MISSING, "a"),
        BadRow("part.parquet", 1, MISSING, "b"),
    ]


def test_a_missing_id_column_makes_every_row_bad(tmp_path: Path) -> None:
    path = parquet(tmp_path, text=["one", "two"])
    assert short(found(path, "parquet")) == [
        (0, "no id: 'id' is missing or null"),
        (1, "no id: 'id' is missing or null"),
    ]


def test_a_file_with_neither_column_still_counts_its_rows(tmp_path: Path) -> None:
    path = parquet(tmp_path, stars=[1, 2, 3])
    assert short(found(path, "parquet", UNNAMED)) == [(0, MISSING), (1, MISSING), (2, MISSING)]


TEXT_TYPES = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "string_view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
    "large dictionary": pa.dictionary(pa.int8(), pa.large_string()),
    "binary": pa.binary(),
    "large_binary": pa.large_binary(),
}


@pytest.mark.parametrize("kind", TEXT_TYPES)
def test_every_kind_of_string_column_is_read(tmp_path: Path, kind: str) -> None:
    plain = pa.array(["één", None, "", "één"])
    path = parquet(tmp_path, id=["a", "b", "c", "d"], text=plain.cast(TEXT_TYPES[kind]))
    assert short(found(path, "parquet")) == [
        (0, "a", "één"),
        (1, MISSING),
        (2, "no text: it is empty or blank"),
        (3, "d", "één"),
    ]


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "dictionary", "binary"])
def test_bytes_of_a_string_column_that_are_not_utf8_make_their_row_bad(tmp_path: Path, kind: str) -> None:
    raw = pa.array([b"one", b"caf\xe9", b"three"])
    if kind == "dictionary":
        column: Any = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int32()), raw.view(pa.string()))
    elif kind == "large_string":
        column = raw.cast(pa.large_binary()).view(pa.large_string())
    elif kind == "string_view":
        column = raw.cast(pa.binary_view()).view(pa.string_view())
    else:
        column = raw if kind == "binary" else raw.view(pa.string())
    path = parquet(tmp_path, id=["a", "b", "c"], text=column)
    assert short(found(path, "parquet")) == [
        (0, "a", "one"),
        (1, "invalid UTF-8 in the text"),
        (2, "c", "three"),
    ]


def test_a_narrow_dictionary_that_is_not_utf8_is_a_damaged_file(tmp_path: Path) -> None:
    """Arrow casts dictionaries whose indices are not int32, and refuses to cast this one."""
    raw = pa.array([b"one", b"caf\xe9"]).view(pa.string())
    column: Any = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), raw)
    path = parquet(tmp_path, id=["a", "b"], text=column)
    assert short(found(path, "parquet")) == [(0, "the file is damaged from here on: Invalid UTF8 payload")]


def test_an_id_that_is_not_utf8_makes_its_row_bad(tmp_path: Path) -> None:
    path = parquet(tmp_path, id=pa.array([b"a", b"\xff"]).view(pa.string()), text=["one", "two"])
    assert found(path, "parquet")[1] == BadRow("part.parquet", 1, "invalid UTF-8 in the id", None)


def test_a_column_that_holds_no_strings_makes_every_row_bad(tmp_path: Path) -> None:
    path = parquet(tmp_path, id=["a", "b"], text=[7, 8])
    assert short(found(path, "parquet")) == [
        (0, "not a string: 'text' is int 7"),
        (1, "not a string: 'text' is int 8"),
    ]


def test_a_nested_text_column_makes_every_row_bad(tmp_path: Path) -> None:
    path = parquet(tmp_path, id=["a"], text=[{"en": "one"}])
    assert short(found(path, "parquet")) == [(0, "not a string: 'text' is dict {'en': 'one'}")]


@pytest.mark.parametrize(
    ("column", "names"),
    [
        (pa.array([1, 2], pa.int64()), ["1", "2"]),
        (pa.array([1, 2], pa.uint8()), ["1", "2"]),
        (pa.array([1.5, -2.0]), ["1.5", "-2"]),
        (pa.array([Decimal(1_000), Decimal(2)], pa.decimal128(38, 0)), ["1000", "2"]),
        (pa.array([b"a", b"b"]), ["a", "b"]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
    ],
    ids=["int64", "uint8", "float64", "decimal", "binary", "dictionary"],
)
def test_columns_of_numbers_and_strings_name_documents(tmp_path: Path, column: Any, names: list[str]) -> None:
    path = parquet(tmp_path, id=column, text=["one", "two"])
    assert [row.id for row in found(path, "parquet")] == names


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        (pa.array([None], pa.int64()), "missing or null"),
        (pa.array([True]), "bool True"),
        (pa.array([""]), "str ''"),
        (pa.array([float("nan")]), "float nan"),
        (pa.array([[1]]), "list [1]"),
    ],
    ids=["null", "bool", "empty", "nan", "list"],
)
def test_columns_of_other_types_are_not_ids(tmp_path: Path, column: Any, shown: str) -> None:
    path = parquet(tmp_path, id=column, text=["one"])
    assert short(found(path, "parquet")) == [(0, f"no id: 'id' is {shown}")]


def misread(column: Any, kind: Any) -> Any:
    """The same bytes as another type, which they may not fit."""
    return column.view(kind)


UNREADABLE = {
    "date": misread(pa.array([1, 2**31 - 1], pa.int32()), pa.date32()),
    "time": misread(pa.array([1, 2**62], pa.int64()), pa.timestamp("us")),
    "duration": misread(pa.array([1, 2**62], pa.int64()), pa.duration("s")),
    "struct": pa.StructArray.from_arrays([misread(pa.array([b"a", b"\xff"]), pa.string())], ["en"]),
    "list": pa.ListArray.from_arrays([0, 1, 2], misread(pa.array([b"a", b"\xff"]), pa.string())),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_value_that_python_cannot_hold_makes_its_row_bad_and_no_other(tmp_path: Path, name: str) -> None:
    column = UNREADABLE[name]
    as_id, as_text = (
        short(found(parquet(tmp_path, **columns), "parquet"))
        for columns in ({"id": column, "text": ["one", "two"]}, {"id": ["a", "b"], "text": column})
    )
    for rows_found, said in ((as_id, "no id: 'id' is "), (as_text, "not a string: 'text' is ")):
        (first, second) = (reason for _, reason in rows_found)
        assert first.startswith(said)
        assert "cannot be read" not in first
        assert second.startswith(f"{said}a ")
        assert " that cannot be read: " in second


def test_two_columns_of_one_name_make_every_row_bad(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    columns = [pa.array(["a"]), pa.array(["one"]), pa.array(["two"])]
    pq.write_table(pa.Table.from_arrays(columns, ["id", "text", "text"]), path)
    assert short(found(path, "parquet")) == [(0, "not a string: 'text' is in more than one column")]


def test_an_id_of_type_uuid_is_named_as_people_write_it(tmp_path: Path) -> None:
    name = uuid.UUID("12345678-1234-5678-1234-567812345678")
    column: Any = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([name.bytes], pa.binary(16)))
    path = parquet(tmp_path, id=column, text=["one"])
    assert short(found(path, "parquet")) == [(0, str(name), "one")]


def test_a_truncated_parquet_file_is_one_bad_row(tmp_path: Path) -> None:
    path = parquet(tmp_path, **TEN)
    path.write_bytes(path.read_bytes()[:-20])
    (bad,) = found(path, "parquet")
    assert isinstance(bad, BadRow)
    assert bad.reason.startswith("the file is damaged from here on: ")


def test_a_parquet_file_damaged_in_the_middle_gives_what_comes_before(tmp_path: Path) -> None:
    path = parquet(tmp_path, 5, **TEN)
    body = bytearray(path.read_bytes())
    group = pq.read_metadata(path).row_group(1)
    for n in range(group.num_columns):
        column = group.column(n)
        start = column.dictionary_page_offset or column.data_page_offset
        body[start : start + 12] = b"\xff" * 12
    path.write_bytes(body)
    *good, bad = found(path, "parquet")
    assert [row.position for row in good] == [0, 1, 2, 3, 4]
    assert isinstance(bad, BadRow)
    assert bad.position == 5


# --- the file itself


def test_a_file_that_changed_its_size_is_refused(tmp_path: Path) -> None:
    path = jsonl(tmp_path, b'{"id": "a", "text": "one"}')
    planned = Slice(path.name, version(path), "jsonl")
    with path.open("ab") as stream:
        stream.write(b"\n")
    with pytest.raises(ObjectChanged, match=r"part\.jsonl changed after the plan was made") as problem:
        list(read_rows(FolderStore(tmp_path), planned, BY_ID))
    assert problem.value.hint == "plan and launch again: a changed corpus is a new run"


def test_a_file_that_was_rewritten_at_the_same_size_is_refused(tmp_path: Path) -> None:
    path = jsonl(tmp_path, b'{"id": "a", "text": "one"}')
    planned = Slice(path.name, version(path), "jsonl")
    path.write_bytes(b'{"id": "a", "text": "two"}')
    os.utime(path, (1_000, 1_000))
    with pytest.raises(ObjectChanged, match="changed after the plan was made"):
        list(read_rows(FolderStore(tmp_path), planned, BY_ID))


def test_a_corpus_that_is_gone_is_not_a_changed_file(tmp_path: Path) -> None:
    """A disk that is not mounted must not fail every shard for good."""
    with pytest.raises(StoreError, match=r"cannot read gone\.jsonl: nothing is left of the corpus"):
        list(read_rows(FolderStore(tmp_path / "unmounted"), Slice("gone.jsonl", "1-1", "jsonl"), BY_ID))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    jsonl(tmp_path, b"{}")
    with pytest.raises(ObjectChanged, match=r"gone\.jsonl changed after the plan was made \(it is gone\)"):
        list(read_rows(FolderStore(tmp_path), Slice("gone.jsonl", "1-1", "jsonl"), BY_ID))


@pytest.mark.parametrize("where", ["absolute", "above", "round about"])
def test_a_path_that_leads_out_of_the_corpus_is_refused(tmp_path: Path, where: str) -> None:
    """A manifest must not make a worker read files outside the corpus."""
    path = jsonl(tmp_path, b'{"id": "a", "text": "one"}')
    root = tmp_path / "corpus"
    root.mkdir()
    name = {"absolute": str(path), "above": f"../{path.name}", "round about": f"x/../../{path.name}"}[where]
    with pytest.raises(StoreError, match="is not a path inside the corpus") as problem:
        list(read_rows(FolderStore(root), Slice(name, version(path), "jsonl"), BY_ID))
    assert problem.value.hint == "plan and launch again"


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_plain_stream_gives_the_bytes_of_the_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"part.jsonl{suffix}"
    path.write_bytes({"": bytes, ".gz": gzip.compress, ".zst": zst}[suffix](GOOD))
    with path.open("rb") as stored, decompressed(stored, path.name) as stream:
        assert stream.read() == GOOD


# --- records and lines that are divided otherwise


@pytest.mark.parametrize(
    ("between", "how"),
    [(b"", "with nothing between them"), (b"\r", "with '\\r' between them"), (b" ", "with ' ' ")],
)
def test_several_records_in_a_line_are_named_and_not_counted_as_one(
    tmp_path: Path, between: bytes, how: str
) -> None:
    (row,) = found(
        jsonl(tmp_path, between.join([b'{"id": 1, "text": "one"}', b'{"id": 2, "text": "two"}'])), "jsonl"
    )
    assert isinstance(row, BadRow)
    assert row.reason.startswith(f"several JSON records in one line, {how}")
    assert row.more


def test_lines_that_end_with_returns_alone_are_named_and_not_counted_as_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\rtwo\rthree\r")
    (row,) = found(path, "text", UNNAMED)
    assert isinstance(row, BadRow)
    assert row.reason == "its lines end with carriage returns alone, not with line feeds"
    assert row.more
    path.write_bytes(b"one\rmore of it\ntwo\r\n")
    assert [r.text for r in found(path, "text", UNNAMED) if isinstance(r, Document)] == [
        "one\rmore of it",
        "two",
    ]
    long = tmp_path / "a.jsonl"
    long.write_bytes(b'{"id": 1, "text": "one"}\r' * (MAX_TEXT_BYTES // 20))
    (row,) = found(long, "jsonl")
    assert isinstance(row, BadRow)
    assert "carriage returns alone" in row.reason


def test_a_json_text_sequence_is_read(tmp_path: Path) -> None:
    path = jsonl(tmp_path, b'\x1e{"id": 1, "text": "one"}', b'\x1e{"id": 2, "text": "two"}', b"")
    assert [row.id for row in found(path, "jsonl")] == ["1", "2"]


def test_a_record_that_holds_the_records_is_more_than_one_row(tmp_path: Path) -> None:
    row = only(tmp_path, b'{"version": 2, "data": [{"id": 1, "text": "one"}, {"id": 2, "text": "two"}]}')
    assert isinstance(row, BadRow)
    assert row.reason.endswith("the line has 'version', 'data', and a list of records in 'data'")
    assert row.more
