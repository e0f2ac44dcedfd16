from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.ledger.records import MeasuredSpeed
from launcher.throughput.lookup import speed_of
from launcher.throughput.measured_speeds import measured_points
from launcher.throughput.model_shapes import shape
from launcher.throughput.predict import MAX_SHARE_OF_PRODUCT, Speed, mean_flops, predict
from pricing.gpu import gpu

BASE = shape("BAAI/bge-base-en-v1.5")
L4 = gpu("L4")
H100 = gpu("H100")
SEVEN = shape("Alibaba-NLP/gte-Qwen2-7B-instruct")
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


# --- reduced precision


def test_fp8_is_the_usual_speed_times_a_stated_ratio_and_says_so() -> None:
    plain = sure(predict(SEVEN, H100, "vllm", LONG))
    found = sure(speed_of(SEVEN, H100, "vllm", LONG, precision="fp8"))
    low, mid, high = rates(found)
    assert low == plain.tokens_per_second.low
    assert (
        1.2 < mid / plain.tokens_per_second.mid < 1.2650
    )  # less than the square root of 1.6: the host's work stays
    assert 1.5 < high / plain.tokens_per_second.high < 1.6
    assert found.source.endswith("for fp8, not measured (vLLM documents up to 1.6)")
    assert found.share_of_ceiling is None


def test_host_work_gains_nothing_from_fp8() -> None:
    tiny = [(1.0, 8.0)]
    plain, found = (rates(speed_of(BASE, H100, "vllm", tiny, precision=p)) for p in (None, "fp8"))
    assert found[1] / plain[1] < 1.05


def test_record_of_another_precision_is_not_used() -> None:
    reduced = record(detail={"precision": "fp8"}, mid=104_000.0)
    assert rates(speed_of(BASE, L4, "vllm", LONG, seen=[reduced, record()])) == rates(
        speed_of(BASE, L4, "vllm", LONG, seen=[record()])
    )
    assert rates(speed_of(BASE, L4, "vllm", LONG, seen=[record(), reduced], precision="fp8"))[1] == 104_000.0


def test_measured_speed_in_bfloat16_is_scaled_until_fp8_is_measured() -> None:
    found = sure(speed_of(BASE, L4, "vllm", LONG, seen=[record()], precision="fp8"))
    assert found.source.startswith("measured 2026-03-01")
    assert "for fp8, not measured" in found.source


# --- what the project measured

H200 = gpu("H200")
LARGE = shape("BAAI/bge-large-en-v1.5")
AS_MEASURED = [(1.0, 98.4)]


def test_what_the_project_measured_counts_for_every_model_of_the_same_shape() -> None:
    for name in ("BAAI/bge-large-en-v1.5", "BAAI/bge-m3", "intfloat/multilingual-e5-large"):
        found = sure(speed_of(shape(name), H200, "vllm", AS_MEASURED))
        assert found.tokens_per_second.mid == 328_965
        assert found.source == "measured, H200, 2026-11-28, random weights, 98.4 tokens a text"
        assert found.share_of_ceiling == pytest.approx(0.266, abs=0.001)
        assert found.bare


@pytest.mark.parametrize(
    ("model", "card", "engine", "dtype"),
    [
        ("BAAI/bge-base-en-v1.5", "H200", "vllm", None),
        ("BAAI/bge-large-en-v1.5", "H100", "vllm", None),
        ("BAAI/bge-large-en-v1.5", "H200", "tei", None),
        ("BAAI/bge-large-en-v1.5", "H200", "packed", None),  # only a prototype of it was measured
        ("BAAI/bge-large-en-v1.5", "H200", "vllm", "float32"),
    ],
)
def test_another_shape_gpu_engine_or_dtype_is_predicted(
    model: str, card: str, engine: str, dtype: str | None
) -> None:
    found = speed_of(shape(model), gpu(card), engine, AS_MEASURED, dtype=dtype)
    assert found == predict(shape(model), gpu(card), engine, AS_MEASURED, dtype)


def test_measured_table_is_carried_over_to_other_lengths_and_less_certain() -> None:
    as_it_was, other = (sure(speed_of(LARGE, H200, "vllm", m)) for m in (AS_MEASURED, [(1.0, 400.0)]))
    ratio = (
        sure(predict(LARGE, H200, "vllm", [(1, 400)])).tokens_per_second.mid
        / sure(predict(LARGE, H200, "vllm", AS_MEASURED)).tokens_per_second.mid
    )
    assert other.tokens_per_second.mid == pytest.approx(328_965 * ratio)
    assert f"x{ratio:.2f} for other lengths" in other.source
    widths = [s.tokens_per_second.mid / s.tokens_per_second.low for s in (as_it_was, other)]
    assert 1.2 < widths[0] < widths[1]


def test_own_record_goes_before_what_the_project_measured() -> None:
    own = record(model=LARGE.name, gpu="H200", detail={"lengths": [[1, 98.4]]})
    assert rates(speed_of(LARGE, H200, "vllm", AS_MEASURED, seen=[own]))[1] == 100_000


def test_no_p90_of_the_measured_table_is_above_what_a_transformer_reaches() -> None:
    for point in measured_points():
        if point.engine not in ("vllm", "torch"):
            continue
        found = sure(
            speed_of(point.model, gpu(point.gpu), point.engine, [(1, point.tokens)])
        ).tokens_per_second
        flops, best = mean_flops(point.model, [(1, point.tokens)]), gpu(point.gpu).best_tflops
        assert flops
        assert best
        assert found.mid == point.tokens_per_second
        assert found.high <= MAX_SHARE_OF_PRODUCT * best * 1e12 / flops * (1 + 1e-9)


def test_every_measured_row_says_where_and_when_and_that_its_weights_were_random() -> None:
    assert {p.source for p in measured_points()} == {"measured, H200, 2026-11-28, random weights"}
    assert len(measured_points()) == 8
