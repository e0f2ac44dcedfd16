"""A record that holds a whole table is told from a record that is a row: it is never taken for one of them."""

import io
import json
from typing import Any

import pytest

from tasks.formats.json.table_layouts import table_layout
from tasks.formats.read import rows_of_stream
from tasks.formats.rows import MAX_TEXT_BYTES, BadRow, Columns, Document, ReadRow
from tasks.protocol.shard import Kind, Slice

COLUMNS = Columns("text", "id")
TABLES: dict[
    str, dict[str, Any]
] = {  # as DataFrame.to_json writes them, but for the last one, which is to_dict's
    "split": {"columns": ["id", "text"], "index": [0, 1], "data": [[1, "one"], [2, "two"]]},
    "index": {"0": {"id": 1, "text": "one"}, "1": {"id": 2, "text": "two"}},
    "columns": {"id": {"0": 1, "1": 2}, "text": {"0": "one", "1": "two"}},
    "list": {"id": [1, 2], "text": ["one", "two"]},
}


def read(body: bytes, kind: Kind = "json", columns: Columns = COLUMNS) -> list[ReadRow]:
    return list(rows_of_stream(io.BytesIO(body), Slice("a.json", "1", kind), columns))


@pytest.mark.parametrize("layout", TABLES)
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_a_table_in_one_record_stands_for_at_least_one_row(
    layout: str, indent: int | None, kind: Kind
) -> None:
    if indent and kind == "jsonl":
        return  # its lines are no records
    (row,) = read(json.dumps(TABLES[layout], indent=indent).encode(), kind)
    assert isinstance(row, BadRow)
    assert row.reason == f"a whole table in one record (orient={layout!r} of pandas), and no row"
    assert (row.more, row.id, row.lacks) == (True, None, None)


@pytest.mark.parametrize(
    ("record", "columns"),
    [
        ({"id": 1, "text": ["a sentence", "another"]}, COLUMNS),  # without corpus.join
        ({"id": 1, "text": {"de": "eins", "en": "one"}}, COLUMNS),
        ({"id": 1, "columns": ["a"], "data": ["b"], "body": "a row of a form"}, COLUMNS),
        ({"meta": {"id": 1}, "body": "one"}, COLUMNS),
        ({"meta": {"text": "x"}, "body": "one"}, COLUMNS),
        ({"text": ["a sentence", "another"], "label": [0, 1]}, Columns("text", None)),
        ({}, COLUMNS),
    ],
)
def test_a_row_that_lacks_something_is_no_table(record: dict[str, Any], columns: Columns) -> None:
    assert table_layout(record, columns) is None


def test_a_row_with_objects_inside_is_a_row() -> None:
    record = {"title": {"text": "a title"}, "body": {"text": "one"}}
    (row,) = read(json.dumps(record).encode(), columns=Columns("body.text", None))
    assert isinstance(row, Document)
    assert row.text == "one"


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_a_file_that_is_one_value_longer_than_any_text_is_at_least_one_row(kind: Kind) -> None:
    table = {"columns": ["id", "text"], "data": [[n, "x" * 1_000] for n in range(MAX_TEXT_BYTES // 1_000)]}
    (row,) = read(json.dumps(table).encode(), kind)
    assert isinstance(row, BadRow)
    assert row.reason.startswith("over-long ")
    assert row.more


def test_a_long_line_among_others_is_one_row() -> None:
    long = json.dumps({"id": 1, "text": "x" * MAX_TEXT_BYTES}).encode()
    first, second = read(long + b'\n{"id": 2, "text": "two"}\n', "jsonl")
    assert isinstance(first, BadRow)
    assert not first.more
    assert isinstance(second, Document)
