"""Fewer bits: what is lost is bounded, and nothing breaks on rows that are odd."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tasks.quantise import DTYPES, quantise, restore, width

ROWS: Any = arrays(
    np.float32, st.tuples(st.integers(1, 5), st.just(16)), elements=st.floats(-1, 1, width=32, allow_subnormal=False)
)


@given(ROWS)
def test_int8_is_off_by_half_a_step_at_most(rows: NDArray[np.float32]) -> None:
    stored, scales = quantise(rows, "int8")
    assert scales is not None
    off = np.abs(restore(stored, "int8", scales) - rows)
    assert np.all(off <= scales[:, None] * 0.5001 + 1e-12)


@given(ROWS)
def test_int8_uses_no_number_beyond_127(rows: NDArray[np.float32]) -> None:
    stored, _ = quantise(rows, "int8")
    assert np.abs(stored.astype(int)).max() <= 127


@given(ROWS)
def test_binary_keeps_every_sign(rows: NDArray[np.float32]) -> None:
    stored, scales = quantise(rows, "binary")
    assert scales is None
    assert np.array_equal(restore(stored, "binary") > 0, rows > 0)


def test_a_row_of_zeros_stays_one_in_int8() -> None:
    zeros = np.zeros((2, 8), np.float32)
    stored, scales = quantise(zeros, "int8")
    assert scales is not None
    assert np.array_equal(restore(stored, "int8", scales), zeros)


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_rows_are_no_rows(dtype: Any) -> None:
    stored, _ = quantise(np.empty((0, 16), np.float32), dtype)
    assert stored.shape == (0, width(16, dtype))


def test_bits_come_in_eights() -> None:
    with pytest.raises(ValueError, match="12 dimensions are no whole number of bytes"):
        width(12, "binary")


def test_int8_without_scales_cannot_be_restored() -> None:
    with pytest.raises(ValueError, match="need their scales"):
        restore(np.zeros((1, 8), np.int8), "int8")
