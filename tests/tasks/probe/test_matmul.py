"""Matrix products, timed on the processors of this machine."""

import itertools

import pytest

from tasks.probe import matmul
from tasks.probe.matmul import CPU_SIZES, measure


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


def test_a_ceiling_counts_a_product_and_a_sum_for_each_of_n_cubed(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(matmul.time, "perf_counter", lambda: next(ticks))  # every product takes a second
    found = matmul.measure("cpu", "float32", 0.0)
    assert found is not None
    assert found.flops_per_second == 2 * 512**3


def test_a_slow_machine_repeats_a_product_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(matmul.time, "perf_counter", lambda: next(ticks))  # every product takes a second
    found = matmul.measure("cpu", "float32", 1.5)
    assert found is not None
    assert (found.size, found.repeats) == (CPU_SIZES[0], matmul.MIN_REPEATS)
