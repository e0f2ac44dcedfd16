"""What fp8 loses: figures of known vectors, and the real model on real texts."""

from decimal import Decimal

import numpy as np
import pytest

from launcher.errors import Problem
from launcher.planning.precision import why_not_here
from launcher.planning.precision_loss import LossRequest, compare, measure_loss
from launcher.planning.saved.saved_plan import (
    HoursQuantiles,
    PlanTotals,
    PrecisionLoss,
    ReducedPrecision,
    UsdQuantiles,
)
from launcher.reports.terminal.plans.plan import reduced_text

TURN = 2 * np.pi / 40


def circle(count: int = 40) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    angles = TURN * np.arange(count)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def test_equal_vectors_lose_nothing() -> None:
    found = compare(circle(), circle(), "a test")
    assert found == PrecisionLoss(40, 1.0, 1.0, 1.0, "a test")


def test_one_vector_that_moved_is_the_worst_and_loses_its_neighbours() -> None:
    moved = circle()
    moved[0] = -moved[0]
    found = compare(circle(), moved, "a test")
    assert found.cosine_worst == -1.0
    assert found.cosine_mean == pytest.approx(38 / 40)
    # The one has none of its ten; each of its ten has lost it, and so has each that it came near to.
    assert found.recall_at_10 is not None
    assert 0.9 < found.recall_at_10 < 0.97


def test_recall_of_few_texts_is_unknown() -> None:
    assert compare(circle(20), circle(20), "a test").recall_at_10 is None


def test_vectors_that_are_not_finite_are_refused() -> None:
    broken = circle()
    broken[3] = np.nan
    with pytest.raises(Problem, match="not finite"):
        compare(circle(), broken, "a test")


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(Problem, match="no text"):
        compare(circle(0), circle(0), "a test")


def test_plan_shows_dollars_beside_the_loss() -> None:
    nothing = HoursQuantiles(1, 1, 1)
    usd = UsdQuantiles(Decimal(8), Decimal(8), Decimal(8))
    loss = PrecisionLoss(500, 0.9991, 0.997, 0.985, "a test")
    totals = PlanTotals(usd, nothing, None, 1, {}, reduced=ReducedPrecision("fp8", Decimal(10), loss))
    assert reduced_text(totals) == (
        "fp8: $8.00 instead of $10.00; cosine mean 0.9991, worst 0.9970, recall@10 0.985 on 500 of your texts (a test)"
    )
    totals = PlanTotals(usd, nothing, None, 1, {}, reduced=ReducedPrecision("fp8", None, None, "a reason"))
    assert reduced_text(totals) == "fp8: $8.00 instead of ?; what it loses is not measured: a reason"


def test_minilm_loses_something_in_emulated_fp8(minilm: str) -> None:
    if why_not_here("fp8") is None:
        pytest.skip("this machine computes in fp8 itself")
    words = [*"abcdefghij"]
    texts = [f"{a} and {b} are not the same" for a in words for b in words if a < b][:30]
    found = measure_loss(LossRequest(minilm, "fp8", texts, 32, None, ""), 1.0)
    assert found.texts == 30
    assert 0.98 < found.cosine_worst < found.cosine_mean < 0.9999
    assert found.recall_at_10 is not None
    assert 0.5 < found.recall_at_10 <= 1
    assert found.how.startswith("emulated in torch")
