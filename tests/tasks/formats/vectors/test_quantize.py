"""Quantization: the loss is bounded, and unusual rows work."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tasks.formats.vectors.quantize import DTYPES, UnsupportedDimensions, dequantize, quantize, stored_width
from tasks.formats.vectors.vector_file import arrow_schema
from tasks.protocol.dtypes import Dtype

ROWS: Any = arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.just(16)),
    elements=st.floats(-1, 1, width=32, allow_subnormal=False),
)


def table_of(rows: NDArray[np.float32], dtype: Dtype) -> pa.Table:
    """A table as it is in a file."""
    stored, scales = quantize(rows, dtype)
    shape = arrow_schema(rows.shape[1], dtype)
    columns: list[Any] = [
        pa.array([str(n) for n in range(len(rows))]),
        pa.array([0] * len(rows), pa.int32()),
        pa.FixedSizeListArray.from_arrays(pa.array(stored.ravel()), type=shape.field("vector").type),
    ]
    return pa.Table.from_arrays([*columns, *([] if scales is None else [pa.array(scales)])], schema=shape)


@given(ROWS)
def test_int8_is_off_by_half_a_step_at_most(rows: NDArray[np.float32]) -> None:
    _, scales = quantize(rows, "int8")
    assert scales is not None
    off = np.abs(dequantize(table_of(rows, "int8")) - rows)
    assert np.all(off <= scales[:, None] * 0.5001 + 1e-12)


@given(ROWS)
def test_int8_uses_no_number_beyond_127(rows: NDArray[np.float32]) -> None:
    stored, _ = quantize(rows, "int8")
    assert np.abs(stored.astype(int)).max() <= 127


@given(ROWS)
def test_binary_keeps_every_sign(rows: NDArray[np.float32]) -> None:
    assert quantize(rows, "binary")[1] is None
    assert np.array_equal(dequantize(table_of(rows, "binary")) > 0, rows > 0)


def test_what_is_restored_of_binary_has_length_1() -> None:
    rows = np.linspace(-1, 1, 32, dtype=np.float32).reshape(2, 16)
    assert np.allclose(np.linalg.norm(dequantize(table_of(rows, "binary")), axis=1), 1)


def test_a_row_of_zeros_stays_one_in_int8() -> None:
    zeros = np.zeros((2, 8), np.float32)
    assert np.array_equal(dequantize(table_of(zeros, "int8")), zeros)


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_rows_are_no_rows(dtype: Any) -> None:
    nothing = np.empty((0, 16), np.float32)
    assert quantize(nothing, dtype)[0].shape == (0, stored_width(16, dtype))
    assert dequantize(table_of(nothing, dtype)).shape == (0, 16)


def test_bits_come_in_eights() -> None:
    with pytest.raises(UnsupportedDimensions, match="12 is not a multiple of 8") as caught:
        stored_width(12, "binary")
    assert caught.value.hint == "set output.dimensions to 8, or output.dtype to int8"


def test_a_table_that_does_not_say_what_it_holds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no vectors of embedfleet"):
        dequantize(pa.table({"vector": [[1.0]]}))
