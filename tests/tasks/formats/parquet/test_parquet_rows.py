"""Parquet: any range of rows, whatever the types of its columns."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import uuid
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.formats.rows import BadRow
from tests.support.read_rows import BY_ID, MISSING, UNNAMED, found, short


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
