"""An id has one form, whatever the type of the column is."""

import io
from datetime import date
from decimal import Decimal
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.formats.arrow.arrow_batch import batch_rows
from tasks.formats.ids import id_of_bytes, id_text
from tasks.formats.read import rows_of_stream
from tasks.formats.rows import BadRow, Columns, Document, ReadRow
from tasks.protocol.shard import Slice


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (3.0, "3"),
        (Decimal(3), "3"),
        (Decimal("3.00"), "3"),
        (Decimal("3E+2"), "300"),
        (1e22, "10000000000000000000000"),
        (-0.0, "0"),
        (1.5, "1.5"),
        (Decimal("1.50"), "1.5"),
        (1e-7, "0.0000001"),
        ("3.0", "3.0"),
        ("007", "007"),
        (" ", " "),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_id_of_a_value(value: object, text: str) -> None:
    assert id_text(value) == text


@pytest.mark.parametrize(
    "value",
    [
        "",
        None,
        True,
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("-Infinity"),
        [1],
        {},
        date(2026, 1, 1),
    ],
)
def test_what_is_no_id(value: object) -> None:
    assert id_text(value) is None


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_has_one_form_in_every_type(number: int) -> None:
    forms = {
        id_text(number),
        id_text(float(number)),
        id_text(Decimal(number)),
        id_text(Decimal(f"{number}.000")),
    }
    assert forms == {str(number)}


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_two_numbers_have_two_ids(one: float, other: float) -> None:
    assert (id_text(one) == id_text(other)) == (one == other)


@pytest.mark.parametrize("value", [3.0, 1e22, 1.5, Decimal("3.00")])
def test_the_form_of_a_run_of_an_earlier_version_is_kept(value: float | Decimal) -> None:
    assert id_text(value, plain=False) == str(value)


def test_bytes_that_are_text_are_an_id() -> None:
    assert id_of_bytes("é-1".encode()) == "é-1"


@pytest.mark.parametrize("value", [bytes(16), UUID(int=7**44).bytes, b"abc\n", b"\xff"])
def test_bytes_that_are_no_text_are_no_id(value: bytes) -> None:
    assert id_of_bytes(value) is None


def rows_of_json(*ids: str) -> list[ReadRow]:
    body = "".join(f'{{"id": {one}, "text": "a"}}\n' for one in ids).encode()
    return list(rows_of_stream(io.BytesIO(body), Slice("a.jsonl", "1", "jsonl"), Columns("text", "id")))


def test_a_float_beyond_its_digits_is_no_id() -> None:
    exact, rounded, integer = rows_of_json("9007199254740992.0", "9007199254740993.0e1", "9007199254740993")
    assert isinstance(exact, Document)
    assert isinstance(rounded, BadRow)
    assert rounded.reason == "no id: 'id' is float 90071992547409940, whose last digits are rounded"
    assert isinstance(integer, Document)
    assert integer.id == "9007199254740993"


@pytest.mark.parametrize(("kind", "digits"), [("float16", 11), ("float32", 24), ("float64", 53)])
def test_a_column_of_floats_has_ids_as_far_as_they_are_exact(kind: str, digits: int) -> None:
    ids = pa.array(np.array([2**digits, 2 ** (digits + 1), 1.5], kind))
    batch = pa.record_batch({"id": ids, "text": pa.array(["a", "b", "c"])})
    exact, rounded, fraction = batch_rows(batch, 0, "a.parquet", Columns("text", "id"))
    assert isinstance(exact, Document)
    assert exact.id == str(2**digits)
    assert isinstance(rounded, BadRow)
    assert "whose last digits are rounded" in rounded.reason
    assert isinstance(fraction, Document)


def test_ids_of_a_run_that_had_them_otherwise_stay() -> None:
    before = Columns("text", "id", plain_ids=False)
    found = rows_of_stream(io.BytesIO(b'{"id": 1e17, "text": "a"}\n'), Slice("a", "1", "jsonl"), before)
    assert [row.id for row in found] == ["1e+17"]
