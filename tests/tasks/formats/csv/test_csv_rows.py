"""CSV and TSV: each record is one row, good or bad, at its number."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from pathlib import Path
from typing import Any

import pytest

from tasks.formats.rows import MAX_TEXT_BYTES, Columns
from tasks.protocol.shard import Kind
from tests.support.read_rows import BY_ID, MISSING, UNNAMED, found, short


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
