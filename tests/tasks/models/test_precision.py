"""Which GPUs compute in fp8."""

import pytest

from launcher.throughput.gpu_memory import capability_of
from pricing.gpu import gpu
from tasks.models.precision import capability_finding


@pytest.mark.parametrize("name", ["L4", "L40S", "H100", "H200"])
def test_ada_and_hopper_compute_in_fp8(name: str) -> None:
    assert capability_finding(capability_of(gpu(name)), name) is None


@pytest.mark.parametrize(("name", "has"), [("T4", "7.5"), ("A100-80GB", "8.0"), ("A10G", "8.6")])
def test_older_gpus_do_not_and_the_finding_says_what_they_have(name: str, has: str) -> None:
    found = capability_finding(capability_of(gpu(name)), name)
    assert found == f"fp8 needs compute capability 8.9 (Ada, Hopper or newer); {name} has {has}"


def test_gpu_of_another_maker_does_not() -> None:
    assert capability_finding(None, "MI300X") is not None
