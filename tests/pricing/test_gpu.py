import pytest

from pricing.book.price_book import load
from pricing.gpu import (
    KERNEL_FACTOR,
    MAMF_FACTOR,
    MAX_SHARE_OF_PEAK,
    RELATIVE_FACTOR,
    SUSTAINED_OF_MAMF,
    Gpu,
    UnknownGpuError,
    canonical,
    ceiling_from_kernels,
    ceiling_from_relative,
    gpu,
    gpus,
    nearest,
)


@pytest.mark.parametrize(
    ("spoken", "ours"),
    [
        ("L4", "L4"),
        ("A10G", "A10G"),
        ("A100", "A100-40GB"),
        ("A100-80", "A100-80GB"),
        ("a100-80gb", "A100-80GB"),
        ("NVIDIA A100 80GB", "A100-80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100-40GB"),
        ("H100-SXM", "H100"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("H100-MEGA", "H100"),
        ("Tesla T4", "T4"),
        ("NVIDIA GeForce RTX 4090", "RTX4090"),
        ("RTXA6000", "A6000"),
        ("RTXPRO6000WS", "RTX-PRO-6000"),
    ],
)
def test_many_names_mean_one_gpu(spoken: str, ours: str) -> None:
    assert gpu(spoken).name == ours


def test_a10_is_not_an_a10g() -> None:
    assert (gpu("A10").fp16_tflops, gpu("A10G").fp16_tflops) == (125.0, 70.0)


def test_three_cards_named_6000_are_different_gpus() -> None:
    assert {gpu(name).memory_gb for name in ("RTX6000", "RTX6000-Ada", "RTX-PRO-6000")} == {24.0, 48.0, 96.0}


def test_unknown_gpu_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(UnknownGpuError, match="unknown GPU 'L40SS'; nearest: L40S") as refusal:
        gpu("L40SS")
    assert refusal.value.nearest[0] == "L40S"


def test_name_without_similar_one_has_no_nearest() -> None:
    assert nearest("@@@") == ()
    assert canonical("@@@") is None


def test_every_canonical_name_is_a_name_of_itself() -> None:
    assert [canonical(g.name) for g in gpus()] == [g.name for g in gpus()]


def test_there_are_at_least_20_gpus_from_t4_to_b200() -> None:
    assert len(gpus()) >= 20
    assert {"T4", "B200"} <= {g.name for g in gpus()}


def test_measured_ceilings_are_used_as_they_are() -> None:
    assert (gpu("H200").ceiling_tflops, gpu("L4").ceiling_tflops) == (758.0, 58.0)
    assert gpu("H200").ceiling_source == "measured, H200, 2026-11-28: matrix products in bfloat16"


def test_ceiling_from_matrix_product_is_marked_derived() -> None:
    assert gpu("B200").ceiling_tflops == round(SUSTAINED_OF_MAMF * 1745.0, 1)
    assert "MAMF" in gpu("B200").ceiling_source


def test_what_is_sustained_of_the_best_product_is_what_the_h200_shows() -> None:
    h200 = gpu("H200")
    assert h200.ceiling_tflops
    assert h200.best_tflops
    assert h200.ceiling_tflops / h200.best_tflops == pytest.approx(SUSTAINED_OF_MAMF, abs=5e-4)


@pytest.mark.parametrize("name", ["A100-40GB", "L40S"])
def test_kernels_and_matrix_products_give_the_same_ceiling(name: str) -> None:
    one = gpu(name)
    assert one.best_tflops
    assert one.bandwidth_gb_s
    kernels = ceiling_from_kernels({"A100-40GB": 188.9, "L40S": 162.4}[name], one.bandwidth_gb_s)
    assert kernels == pytest.approx(SUSTAINED_OF_MAMF * one.best_tflops, rel=0.05)


def test_the_lower_of_kernels_and_matrix_products_counts() -> None:
    # The T4 does not sustain its best product: 0.954 x 42.7 = 40.7 TFLOPS, and by its kernels 27.5.
    assert gpu("T4").ceiling_tflops == 27.5
    assert gpu("T4").ceiling_source.startswith(
        "derived: from kernels of a transformer, 22.2 TFLOPS (TensorRT"
    )


def test_ceiling_from_a_relative_is_marked_derived() -> None:
    # 989 dense at 700 W sustain 758; 835 at 400 W: 835 x 758/989 x sqrt((400/835) / (700/989)) = 526.5
    assert gpu("H100-NVL").ceiling_tflops == 526.5
    assert gpu("H100-NVL").ceiling_source == "derived: after H100, by peak and power"


def test_derived_ceiling_is_capped_at_the_largest_measured_share() -> None:
    assert ceiling_from_relative(250, 362, 350, own_peak=165.2, own_watts=450) == MAX_SHARE_OF_PEAK * 165.2


def test_derived_ceiling_has_an_uncertainty() -> None:
    factors = [gpu(name).ceiling_factor for name in ("H200", "H100-NVL", "RTX4090", "T4")]
    assert factors == [1.0, RELATIVE_FACTOR, MAMF_FACTOR, KERNEL_FACTOR]


@pytest.mark.parametrize(
    ("name", "kin"), [("T4", "V100"), ("L4", "L40S"), ("A30", "A100-40GB"), ("A10", "A40"), ("L40S", "L4")]
)
def test_derivation_reproduces_measured_ceilings(name: str, kin: str) -> None:
    one, other = gpu(name), gpu(kin)
    assert one.ceiling_tflops
    assert one.fp16_tflops
    assert one.watts
    assert other.ceiling_tflops
    assert other.fp16_tflops
    assert other.watts
    found = ceiling_from_relative(
        other.ceiling_tflops, other.fp16_tflops, other.watts, one.fp16_tflops, one.watts
    )
    assert found == pytest.approx(one.ceiling_tflops, rel=0.25)


def test_every_gpu_of_the_snapshot_has_a_ceiling() -> None:
    assert [o.gpu for o in load() if gpu(o.gpu).ceiling_tflops is None] == []


def test_geforce_peak_is_with_float32_accumulation() -> None:
    assert [gpu(n).fp16_tflops for n in ("RTX3090", "RTX4090", "RTX5090")] == [71.0, 165.2, 209.5]


def test_ceiling_without_any_measurement_is_unknown() -> None:
    assert gpu("MI210").ceiling_tflops is None
    assert gpu("A30").fp32_ceiling_tflops is None


def test_t4_has_no_bfloat16() -> None:
    assert gpu("T4").bf16_tflops is None


@pytest.mark.parametrize("one", gpus(), ids=lambda g: g.name)
def test_no_ceiling_is_above_the_best_product_or_the_dense_peak(one: Gpu) -> None:
    peak = one.fp16_tflops or one.bf16_tflops
    assert peak is not None
    if one.ceiling_tflops is None:
        assert one.best_tflops is None
        return
    assert one.best_tflops is not None
    assert one.ceiling_tflops < one.best_tflops
    # The clock of a GeForce card is above the one that its peak is stated for.
    assert one.best_tflops <= 1.15 * peak


@pytest.mark.parametrize("one", gpus(), ids=lambda g: g.name)
def test_every_gpu_has_memory_and_a_source(one: Gpu) -> None:
    assert one.memory_gb > 0
    assert one.source
    assert one.sure
