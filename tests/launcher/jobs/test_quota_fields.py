"""The quotas of a job file, in GPUs and in vCPUs."""

import pytest

from launcher.jobs.job import QuotaLimit, VcpuQuota
from launcher.jobs.yaml_fields import BadJob
from tests.launcher.jobs.job_texts import job, only_mistake


def test_quota_of_zero_is_a_limit() -> None:
    assert job("quota: {gcp: {r: {T4: {spot: 0, on_demand: 2}}}}").quota == (
        QuotaLimit("gcp", "r", "T4", 0, 2),
    )


def test_quotas_nest_by_cloud_region_and_gpu() -> None:
    found = job("quota: {aws: {x: {L4: {spot: 1}, T4: {spot: 2}}, y: {L4: {on_demand: 3}}}}").quota
    assert [(q.region, q.gpu, q.spot, q.on_demand) for q in found] == [
        ("x", "L4", 1, None),
        ("x", "T4", 2, None),
        ("y", "L4", None, 3),
    ]


def test_quota_in_vcpus_stands_beside_gpus() -> None:
    found = job("quota: {aws: {x: {L4: {spot: 1}, vcpus: {G: {spot: 64}, P: {on_demand: 192}}}}}")
    assert [(q.region, q.gpu, q.spot) for q in found.quota] == [("x", "L4", 1)]
    assert found.vcpu_quota == (
        VcpuQuota("aws", "x", "G", 64, None),
        VcpuQuota("aws", "x", "P", None, 192),
    )


@pytest.mark.parametrize(
    ("quota", "words"),
    [
        ("{gcp: {x: {vcpus: {G: {spot: 1}}}}}", "only aws counts quotas in vCPUs"),
        ("{aws: {x: {vcpus: {Q: {spot: 1}}}}}", "unknown key"),
        ("{aws: {x: {vcpus: {P5: {on_demand: 1}}}}}", "AWS counts P5 machines in P"),
        ("{aws: {x: {vcpus: {G: 64}}}}", "must be a mapping"),
    ],
)
def test_wrong_quota_in_vcpus_is_refused(quota: str, words: str) -> None:
    with pytest.raises(BadJob, match=words):
        job(f"quota: {quota}")


@pytest.mark.parametrize(
    ("quota", "what"),
    [
        ("{asw: {r: {L4: {spot: 1}}}}", "quota.asw: unknown key; did you mean aws?"),
        ("{aws: 5}", "quota.aws: must be a mapping, such as {name: …}; this is 5"),
        ("{aws: {r: {L4: 5}}}", "quota.aws.r.L4: must be a mapping, such as {spot: …}; this is 5"),
        ("{aws: {r: {L4: {ondemand: 5}}}}", "quota.aws.r.L4.ondemand: unknown key; did you mean on_demand?"),
        ("{aws: {r: {L4: {}}}}", "quota.aws.r.L4: is empty; fill it or remove it"),
        (
            "{aws: {r: {L4: {spot: -1}}}}",
            "quota.aws.r.L4.spot: must be a whole number, 0 or more, such as 512 or 2M; this is -1",
        ),
    ],
)
def test_quota_is_checked_at_every_level(quota: str, what: str) -> None:
    assert only_mistake(f"quota: {quota}") == f"job.yaml:5: {what}"
