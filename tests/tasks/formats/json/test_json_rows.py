"""JSON Lines: each line is one row, good or bad, at its byte."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.formats.rows import MAX_TEXT_BYTES, BadRow, Columns, Document
from tests.support.read_rows import BY_ID, MISSING, UNNAMED, found, jsonl, only, reason, short


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
