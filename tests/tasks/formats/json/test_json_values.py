"""Records of JSON files that are arrays or values one after the other: none lost, none invented, none too large held."""

import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.formats.json.json_values import JsonValues, has_lines, is_array
from tasks.formats.read import rows_of_stream
from tasks.formats.rows import MAX_TEXT_BYTES, BadRow, Columns, Document, ReadRow
from tasks.protocol.shard import Kind, Slice

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).map(lambda text: f"a{text}")
records = st.lists(st.fixed_dictionaries({"text": texts, "more": values}), max_size=6)


def rows(body: bytes, kind: Kind = "json", columns: Columns | None = None) -> list[ReadRow]:
    return list(
        rows_of_stream(io.BytesIO(body), Slice("a.json", "1", kind), columns or Columns("text", None))
    )


def texts_of(found: list[ReadRow]) -> list[str]:
    return [row.text if isinstance(row, Document) else row.reason for row in found]


def written(found: list[dict[str, Any]], style: str, *, ascii_only: bool) -> bytes:
    indent = 2 if style.startswith("pretty") else None
    if style.endswith("array"):
        return json.dumps(found, indent=indent, ensure_ascii=ascii_only).encode()
    return "\n".join(json.dumps(one, indent=indent, ensure_ascii=ascii_only) for one in found).encode()


STYLES = ["array", "pretty array", "lines", "pretty objects"]


@given(records, st.sampled_from(STYLES), st.booleans(), st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_every_style_gives_the_records(
    found: list[dict[str, Any]], style: str, ascii_only: bool, mark: bytes
) -> None:
    body = mark + written(found, style, ascii_only=ascii_only)
    assert texts_of(rows(body)) == [record["text"] for record in found]


class InPieces(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, body: bytes, size: int) -> None:
        self._body, self._size = io.BytesIO(body), size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._body.read(min(size, self._size))


@given(st.lists(values, max_size=5), st.sampled_from([None, 1]), st.integers(1, 4))
def test_values_do_not_depend_on_where_reads_end(found: list[Any], indent: int | None, size: int) -> None:
    body = json.dumps(found, indent=indent).encode()
    read: Any = InPieces(body, size)
    got = list(JsonValues(read))
    assert [json.loads(value.body or b"") for value in got] == found
    assert all(body[value.position : value.position + value.size] == value.body for value in got)


@given(st.binary(max_size=60) | st.text('[]{},:"\\ \n0ae', max_size=40).map(str.encode))
def test_any_bytes_give_rows(body: bytes) -> None:
    assert all(isinstance(row, BadRow) for row in rows(body))


class Endless(io.RawIOBase):
    """An array whose first record is one string of so many bytes."""

    def __init__(self, size: int) -> None:
        self._parts = self._pieces(size)
        self._held = b""

    def _pieces(self, size: int) -> Iterator[bytes]:
        yield b'[{"text": "'
        for _ in range(size // 2**16):
            yield b"x" * 2**16
        yield b'"}, {"text": "after"}]'

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        self._held = self._held or next(self._parts, b"")
        part, self._held = self._held[:size], self._held[size:]
        return part


def test_a_huge_record_is_set_aside_and_not_held() -> None:
    stream: Any = Endless(64 * 2**20)
    tracemalloc.start()
    found = list(rows_of_stream(stream, Slice("a.json", "1", "json"), Columns("text", None)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    first, second = found
    assert isinstance(first, BadRow)
    assert first.reason.startswith("over-long record: 67,108,")
    assert isinstance(second, Document)
    assert peak < 3 * MAX_TEXT_BYTES


def test_a_record_that_is_no_json_costs_no_other() -> None:
    bad, good = rows(b'[{"text": oops},\n{"text": "good"}]')
    assert isinstance(bad, BadRow)
    assert (bad.reason, bad.position) == (
        "broken JSON record: Expecting value: line 1 column 10 (char 9)",
        1,
    )
    assert texts_of([good]) == ["good"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'[{"text": "a"}, {"text": "b', "the file ends inside a string"),
        (b'[{"text": "a"}, {"text": ', "the file ends inside a record"),
        (b'[{"text": "a"},', "the file ends inside its array"),
        (b'[{"text": "a"}, {"text": "b}, \n{"text": "c"}]', "a line end inside a string"),
        (b'[{"text": "a"}, {"b": [1}, {"text": "c"}]', "} closes a bracket of the other kind"),
        (b'[{"text": "a"}] ]', "] where a record should begin"),
        (b'[{"text": "a"}, ' + b"[" * 20_000, "more than 10,000 brackets inside one another"),
    ],
)
def test_what_is_lost_behind_a_broken_place_is_said(body: bytes, why: str) -> None:
    first, last = rows(body)
    assert isinstance(first, Document)
    assert isinstance(last, BadRow)
    assert (last.more, last.damage) == (True, True)
    assert last.reason.startswith(f"the JSON is broken from here on: {why}")


def test_one_object_says_which_keys_it_has() -> None:
    (row,) = rows(json.dumps({"meta": {"version": 1}, "data": [{"text": "a"}]}, indent=1).encode())
    assert isinstance(row, BadRow)
    assert row.reason == (
        "no text: 'text' is missing or null; the record has 'meta.version', 'data', and a list of records in 'data'"
    )


def test_utf16_is_named() -> None:
    (row,) = rows('[{"text": "a"}]'.encode("utf-16"))
    assert isinstance(row, BadRow)
    assert row.reason.endswith("the file is UTF-16, not UTF-8")


def test_lines_of_a_json_file_fail_alone() -> None:
    found = rows(b'{"text": "a"}\n{"text": "b}\n{"text": "c"}\n')
    assert [type(row) for row in found] == [Document, BadRow, Document]


@pytest.mark.parametrize(
    "body",
    [
        b'[\n{"text": "a"},\n{"text": "b"}\n]',
        b'[{"text": "a"}, {"text": "b"}]',
        b'[\n {\n"text": "a"},{"text":"b"}]',
    ],
)
def test_json_lines_that_are_one_array_are_read_as_one(body: bytes) -> None:
    assert texts_of(rows(body, "jsonl")) == ["a", "b"]


def test_a_line_that_is_a_list_makes_no_array() -> None:
    found = rows(b'["a", "b"]\n{"text": "c"}\n', "jsonl")
    assert texts_of(found) == ["not a JSON object: list", "c"]


@pytest.mark.parametrize(
    ("first", "lines"),
    [
        (b'{"a": 1}\n{"a": 2}\n', True),
        (b'{"a": oops}\n{"a": 2}\n', True),
        (b'{"a": "cut\n', True),
        (b"{\n", False),
        (b'{"a": [\n1]}', False),
        (b'{"a": 1}', False),
        (b"[\n", False),
        (b"", False),
    ],
)
def test_lines_are_known_by_the_first(first: bytes, lines: bool) -> None:
    assert has_lines(first) is lines


@pytest.mark.parametrize("first", [b"[", b" [\n{", b"\xef\xbb\xbf[ {", b"[\r\n"])
def test_an_array_is_known_by_its_beginning(first: bytes) -> None:
    assert is_array(first)
    assert not is_array(b"x" + first)
