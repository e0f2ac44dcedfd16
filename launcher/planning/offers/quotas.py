"""The quotas of a job as limits of its fleet: GPUs, and vCPUs where AWS counts so. Pure."""

from collections.abc import Sequence

from launcher.format import plural
from launcher.jobs.job import Job
from launcher.planning.estimates.estimate import Candidate
from launcher.planning.optimizer.market import Group, VcpuGroup, vcpu_group
from launcher.planning.optimizer.search import Requirements
from pricing import gpu as gpus

OTHER_REGIONS = "*"  # of a quota: each region of the cloud that it does not name


def gpu_quota(job: Job, candidates: Sequence[Candidate]) -> dict[Group, int]:
    """The most GPUs by cloud, region, GPU and purchase kind.

    A quota bounds every region of its cloud: one that it does not name has what `"*"` gives, and without that nothing.
    """
    given = {
        (quota.cloud, quota.region, gpus.canonical(quota.gpu) or quota.gpu, spot): most
        for quota in job.quota
        for spot, most in ((True, quota.spot), (False, quota.on_demand))
        if most is not None
    }
    bounded = {(cloud, gpu, spot) for cloud, _, gpu, spot in given}
    named = {group: most for group, most in given.items() if group[1] != OTHER_REGIONS}
    others = {
        group: given.get((group[0], OTHER_REGIONS, *group[2:]), 0)
        for group in dict.fromkeys(candidate.group for candidate in candidates)
        if group not in named and (group[0], *group[2:]) in bounded
    }
    return named | others


def vcpu_limits(job: Job, candidates: Sequence[Candidate]) -> dict[VcpuGroup, int]:
    """The most vCPUs by cloud, region, family of instance types and purchase kind, by the rule of `gpu_quota`."""
    given = {
        (quota.cloud, quota.region, quota.family, spot): most
        for quota in job.vcpu_quota
        for spot, most in ((True, quota.spot), (False, quota.on_demand))
        if most is not None
    }
    bounded = {(cloud, family, spot) for cloud, _, family, spot in given}
    named = {group: most for group, most in given.items() if group[1] != OTHER_REGIONS}
    present = dict.fromkeys(group for group in map(vcpu_group, candidates) if group is not None)
    others = {
        group: given.get((group[0], OTHER_REGIONS, *group[2:]), 0)
        for group in present
        if group not in named and (group[0], *group[2:]) in bounded
    }
    return named | others


def unused_quota(requirements: Requirements, candidates: Sequence[Candidate]) -> list[str]:
    """A sentence for each quota of a place where no offer is."""
    groups = {candidate.group for candidate in candidates}
    families = {vcpu_group(candidate) for candidate in candidates}
    return [
        *(
            f"quota of {gpu} in {cloud} {region}: no offer is there"
            for cloud, region, gpu, spot in requirements.quota
            if (cloud, region, gpu, spot) not in groups
        ),
        *(
            f"quota of {family} vCPUs in {cloud} {region}: no offer is there"
            for cloud, region, family, spot in requirements.vcpus
            if (cloud, region, family, spot) not in families
        ),
    ]


def regions_without_quota(job: Job, candidates: Sequence[Candidate]) -> list[str]:
    """A sentence for each cloud of which the quota names some regions and says nothing of others."""
    out: list[str] = []
    given = (*job.quota, *job.vcpu_quota)
    for cloud in dict.fromkeys(quota.cloud for quota in given):
        named = {quota.region for quota in given if quota.cloud == cloud}
        others = {candidate.region for candidate in candidates if candidate.cloud == cloud} - named
        if others and OTHER_REGIONS not in named:
            out.append(
                f"quota: assumed to be 0 in the {plural(len(others), 'region')} of {cloud} that it does not name, "
                f'for what it names elsewhere (say otherwise with quota: {{{cloud}: {{"*": ...}}}})'
            )
    return out
