"""Records of JSON that are ambiguous, or no Unicode, are set aside with the true cause."""

import io
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.formats.json.json_lines import row_of_json
from tasks.formats.json.lines import line_rows
from tasks.formats.read import rows_of_stream
from tasks.formats.rows import BadRow, Columns, Document, ReadRow
from tasks.protocol.shard import Kind, Slice


def row(line: str, columns: Columns) -> ReadRow:
    return row_of_json(line, "a.jsonl", 0, columns)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('{"id": 1, "text": "one", "text": "two"}', "text"),
        ('{"id": 1, "id": 2, "text": "one"}', "id"),
        ('{"id": 1, "text": "one", "n": 1, "n": 2}', "n"),
        ('{"id": 1, "doc": {"text": "a", "text": "b"}, "text": "one"}', "doc.text"),
        ('{"id": 1, "doc": {"text": "a"}, "doc": {}, "text": "one"}', "doc.text"),
    ],
)
def test_two_values_of_a_key_that_is_read_are_no_row(line: str, name: str) -> None:
    found = row(line, Columns("text", "id", keep=("n", "doc.text")))
    assert isinstance(found, BadRow)
    assert found.reason == f"two values of {name!r} in one line: which is meant is not known"


@pytest.mark.parametrize(
    "line",
    [
        '{"id": 1, "text": "one", "text": "one"}',
        '{"id": 1, "text": "one", "m": 1, "m": 2}',
        '{"id": 1, "text": "one", "other": {"text": 1, "text": 2}}',
        '{"id": 1, "kind": "text", "text": "one"}',
    ],
)
def test_a_key_that_says_one_thing_or_is_not_read_is_no_matter(line: str) -> None:
    found = row(line, Columns("text", "id"))
    assert isinstance(found, Document)
    assert found.text == "one"


@pytest.mark.parametrize(("place", "name"), [("text", "1"), ("id", None)])
def test_half_of_a_surrogate_pair_is_named_as_that(place: str, name: str | None) -> None:
    record = {"id": '"1"', "text": '"one"', place: '"a\\ud83d b"'}
    found = row(
        "{" + ", ".join(f'"{key}": {value}' for key, value in record.items()) + "}", Columns("text", "id")
    )
    assert isinstance(found, BadRow)
    assert (found.reason, found.id) == (f"half of a surrogate pair, \\ud83d, in the {place}", name)


@pytest.mark.parametrize("kind", ["jsonl", "text"])
def test_a_mark_where_files_were_put_one_behind_the_other_is_no_part_of_a_row(kind: Kind) -> None:
    lines = ['{"text": "one"}\n', '{"text": "two"}\n'] if kind == "jsonl" else ["one\n", "two\n"]
    body = "".join(f"\ufeff{line}" for line in lines).encode()
    found = rows_of_stream(io.BytesIO(body), Slice("a", "1", kind), Columns("text", None))
    assert [row.text for row in found if isinstance(row, Document)] == ["one", "two"]


@given(
    lines=st.lists(
        st.sampled_from(
            [b"\n", b"\r\n", b" \t\r\n", b"\r", b" ", b'{"text": "one"}\n', b'  {"text": "b"}\r\n']
        ),
        max_size=30,
    ),
    start=st.integers(0, 40),
    end=st.none() | st.integers(0, 120),
    buffered=st.integers(1, 40),
)
def test_blank_lines_that_are_skipped_together_change_no_row(
    lines: list[bytes], start: int, end: int | None, buffered: int
) -> None:
    """One stream can be looked ahead of, the other cannot."""
    body = b"".join(lines)
    start = len(b"".join(lines[:start]))
    piece, columns = Slice("a.jsonl", "1", "jsonl", start, end), Columns("text", None)
    ahead = cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", io.BytesIO(body)), buffered))
    assert list(line_rows(ahead, piece, columns)) == list(line_rows(io.BytesIO(body), piece, columns))


def test_many_blank_lines_take_few_steps() -> None:
    """A .gz of 1 MB holds a billion: one at a time takes minutes."""
    stream = _Counted(io.BytesIO(b"\n" * 2_000_000 + b'{"text": "one"}\n'))
    piece = Slice("a.jsonl", "1", "jsonl", 0, None)
    (found,) = line_rows(cast("BinaryIO", stream), piece, Columns("text", None))
    assert found.position == 2_000_000
    assert stream.lines < 1_000


class _Counted(io.BufferedReader):
    """Counts the lines that are asked for."""

    lines = 0

    def __init__(self, body: io.BytesIO) -> None:
        super().__init__(cast("io.RawIOBase", body))

    def readline(self, size: int | None = -1, /) -> bytes:
        self.lines += 1
        return super().readline(size)
