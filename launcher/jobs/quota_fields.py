"""Read `quota` of a job file: GPUs that an account may have, and vCPUs where AWS counts so."""

from collections.abc import Sequence

from launcher.jobs.job import QuotaLimit, VcpuQuota
from launcher.jobs.yaml_fields import Field, count, mapping
from pricing.account import vcpu_quota

VCPUS = "vcpus"  # stands where a GPU's name does


def read_quota(
    field: Field | None, clouds: Sequence[str]
) -> tuple[tuple[QuotaLimit, ...], tuple[VcpuQuota, ...]]:
    """The quotas in GPUs, and those in vCPUs: {CLOUD: {REGION: {GPU or "vcpus": …}}}."""
    in_gpus, in_vcpus = list[QuotaLimit](), list[VcpuQuota]()
    for cloud, regions in mapping(field, clouds).items():
        for region, entries in mapping(regions).items():
            for name, entry in mapping(entries).items():
                if name == VCPUS:
                    in_vcpus += _vcpus(cloud, region, entry)
                else:
                    in_gpus.append(QuotaLimit(cloud, region, name, *_limit(entry)))
    return tuple(in_gpus), tuple(in_vcpus)


def _vcpus(cloud: str, region: str, field: Field) -> list[VcpuQuota]:
    """The quotas in vCPUs of one region, by family of instance types."""
    if cloud != vcpu_quota.AWS:
        field.reject(
            f"only aws counts quotas in vCPUs; name the GPUs of {cloud}, such as {{L4: {{spot: 8}}}}"
        )
        return []
    found: list[VcpuQuota] = []
    for family, entry in mapping(field, vcpu_quota.FAMILIES).items():
        spot, on_demand = _limit(entry)
        if family == "P5" and on_demand is not None:
            entry.reject("on demand, AWS counts P5 machines in P: write P: {on_demand: …}")
        found.append(VcpuQuota(cloud, region, family, spot, on_demand))
    return found


def _limit(field: Field) -> tuple[int | None, int | None]:
    """The most on spot and on demand; None: not given."""
    at = mapping(field, ("spot", "on_demand"))
    return count(at.get("spot"), least=0), count(at.get("on_demand"), least=0)
