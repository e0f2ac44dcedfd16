"""Matrix products, timed on the processors of this machine."""

import itertools
from collections.abc import Callable

import pytest

from tasks.probe.matmul import CPU_SIZES, MIN_REPEATS, measure


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_ceiling_is_the_best_of_many_products(dtype: str) -> None:
    found = measure("cpu", dtype, 0.2)
    assert found is not None
    assert found.flops_per_second > 1e8
    assert found.size in CPU_SIZES
    assert found.repeats > 1


def test_without_time_the_smallest_size_is_tried_all_the_same() -> None:
    found = measure("cpu", "float32", 0.0)
    assert found is not None
    assert (found.size, found.repeats) == (CPU_SIZES[0], 1)


def ticking() -> Callable[[], float]:
    """A clock by which every product takes a second."""
    ticks = itertools.count()
    return lambda: next(ticks)


def test_a_ceiling_counts_a_product_and_a_sum_for_each_of_n_cubed() -> None:
    found = measure("cpu", "float32", 0.0, ticking())
    assert found is not None
    assert found.flops_per_second == 2 * 512**3


def test_a_slow_machine_repeats_a_product_all_the_same() -> None:
    found = measure("cpu", "float32", 1.5, ticking())
    assert found is not None
    assert (found.size, found.repeats) == (CPU_SIZES[0], MIN_REPEATS)
