from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.ledger.records import MeasuredSpeed
from launcher.throughput.lookup import speed_of
from launcher.throughput.model_shapes import shape
from launcher.throughput.predict import Speed, predict
from pricing.gpu import gpu

BASE = shape("BAAI/bge-base-en-v1.5")
L4 = gpu("L4")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHORT = [(1.0, 50.0)]
LONG = [(1.0, 500.0)]


def record(**changes: Any) -> MeasuredSpeed:
    fields: dict[str, Any] = {
        "model": BASE.name,
        "gpu": "L4",
        "engine": "vllm",
        "low": 90_000.0,
        "mid": 100_000.0,
        "high": 105_000.0,
        "source": "run reviews-1",
        "at": NOON,
        "detail": {},
    }
    return MeasuredSpeed(**fields | changes)


def sure(found: Speed | None) -> Speed:
    assert found is not None
    return found


def rates(found: Speed | None) -> tuple[float, float, float]:
    rate = sure(found).tokens_per_second
    return rate.low, rate.mid, rate.high


def test_without_a_measurement_a_speed_is_predicted() -> None:
    assert speed_of(BASE, L4, "vllm", LONG) == predict(BASE, L4, "vllm", LONG)


def test_speed_of_the_job_file_replaces_all_others() -> None:
    found = sure(speed_of(BASE, L4, "vllm", LONG, {"L4": 897}, [record()]))
    assert rates(found) == (897, 897, 897)
    assert (found.source, found.share_of_ceiling) == ("the job file", None)


def test_job_may_call_the_gpu_by_any_of_its_names() -> None:
    assert rates(speed_of(BASE, gpu("A100-80GB"), "vllm", LONG, {"nvidia a100 80gb": 5.0}))[1] == 5.0


def test_speed_of_another_gpu_in_the_job_file_is_not_used() -> None:
    assert speed_of(BASE, L4, "vllm", LONG, {"A10G": 897}) == predict(BASE, L4, "vllm", LONG)


def test_job_may_say_the_speed_of_a_gpu_without_a_ceiling() -> None:
    assert speed_of(BASE, gpu("MI210"), "vllm", LONG) is None
    assert rates(speed_of(BASE, gpu("MI210"), "vllm", LONG, {"MI210": 5.0}))[1] == 5.0


def test_measured_speed_replaces_a_predicted_one() -> None:
    found = sure(speed_of(BASE, L4, "vllm", LONG, seen=[record(detail={"lengths": [[1, 500]]})]))
    assert rates(found) == (90_000, 100_000, 105_000)
    assert found.source == "measured 2026-03-01: run reviews-1"


def test_speed_of_unknown_lengths_is_not_scaled_and_says_so() -> None:
    found = sure(speed_of(BASE, L4, "vllm", SHORT, seen=[record()]))
    assert rates(found) == (90_000, 100_000, 105_000)
    assert found.source.endswith("(on lengths that were not kept)")


def test_speed_of_other_lengths_is_scaled_by_the_model() -> None:
    found = sure(speed_of(BASE, L4, "vllm", SHORT, seen=[record(detail={"lengths": [[1, 500]]})]))
    ratio = rates(predict(BASE, L4, "vllm", SHORT))[1] / rates(predict(BASE, L4, "vllm", LONG))[1]
    assert rates(found)[1] == pytest.approx(100_000 * ratio)
    assert f"x{ratio:.2f} for other lengths" in found.source


def test_scaled_speed_is_less_certain() -> None:
    low, mid, high = rates(speed_of(BASE, L4, "vllm", SHORT, seen=[record(detail={"lengths": [[1, 500]]})]))
    assert low / mid < 0.9
    assert high / mid > 1.05


def test_newest_record_counts() -> None:
    older = record(mid=95_000.0)
    assert rates(speed_of(BASE, L4, "vllm", LONG, seen=[record(), older]))[1] == 100_000


@pytest.mark.parametrize(
    "change", [{"model": "BAAI/bge-m3"}, {"gpu": "A10G"}, {"engine": "torch"}, {"gpu": "cpu"}, {"gpu": "gpu"}]
)
def test_record_of_something_else_is_not_used(change: dict[str, str]) -> None:
    assert speed_of(BASE, L4, "vllm", LONG, seen=[record(**change)]) == predict(BASE, L4, "vllm", LONG)


def test_model_in_a_folder_is_found_by_what_runs_call_it() -> None:
    seen = [record(model="/models/mine")]
    assert rates(speed_of(BASE, L4, "vllm", LONG, seen=seen, model="/models/mine"))[1] == 100_000


@pytest.mark.parametrize("change", [{"mid": 0.0}, {"low": -1.0}, {"low": 200_000.0}])
def test_record_that_cannot_be_a_speed_is_not_used(change: dict[str, float]) -> None:
    assert speed_of(BASE, L4, "vllm", LONG, seen=[record(**change)]) == predict(BASE, L4, "vllm", LONG)


@pytest.mark.parametrize("kept", ["500", [], [[1]], [[1, -5]], [["1", "500"]], [[0, 500]], 500])
def test_invalid_lengths_count_as_unknown(kept: object) -> None:
    found = sure(speed_of(BASE, L4, "vllm", SHORT, seen=[record(detail={"lengths": kept})]))
    assert found.source.endswith("(on lengths that were not kept)")


def test_measured_speed_tells_the_share_of_the_ceiling_it_reached() -> None:
    predicted = sure(predict(BASE, L4, "vllm", LONG))
    found = sure(speed_of(BASE, L4, "vllm", LONG, seen=[record(detail={"lengths": [[1, 500]]})]))
    assert predicted.share_of_ceiling
    expected = predicted.share_of_ceiling * 100_000 / predicted.tokens_per_second.mid
    assert found.share_of_ceiling == pytest.approx(expected)


def test_measurement_on_a_gpu_without_a_ceiling_is_taken_as_it_is() -> None:
    seen = [record(gpu="MI210", detail={"lengths": [[1, 500]]})]
    found = sure(speed_of(BASE, gpu("MI210"), "vllm", SHORT, seen=seen))
    assert rates(found)[1] == 100_000
    assert found.source.endswith("(on its own lengths)")


@given(st.floats(min_value=8, max_value=512), st.floats(min_value=8, max_value=512))
def test_scaling_there_and_back_gives_the_same_speed(here: float, there: float) -> None:
    first = speed_of(BASE, L4, "vllm", [(1, there)], seen=[record(detail={"lengths": [[1, here]]})])
    low, mid, high = rates(first)
    back = record(low=low, mid=mid, high=high, detail={"lengths": [[1, there]]})
    assert rates(speed_of(BASE, L4, "vllm", [(1, here)], seen=[back]))[1] == pytest.approx(100_000, rel=0.021)


@given(st.floats(min_value=1, max_value=512))
def test_low_mid_and_high_stay_in_order(tokens: float) -> None:
    low, mid, high = rates(
        speed_of(BASE, L4, "vllm", [(1, tokens)], seen=[record(detail={"lengths": [[1, 99]]})])
    )
    assert 0 < low <= mid <= high
