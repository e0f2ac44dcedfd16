"""The allocations of a fleet as machine groups: like machines of one cloud, with their places and prices. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from math import ceil

from launcher.planning.estimates.estimate import (
    LOCAL,
    NO_CHARGES,
    Allocation,
    Candidate,
    itemize,
    per_million,
)
from launcher.planning.saved.saved_plan import MachineGroup, MachinePlace, QuotaNeed, RegionCapacity
from pricing import capacity
from tasks.skypilot_task import CLOUDS_WITHOUT_SPOT

MACHINE_ITEMS = (  # cost items of a machine group, not of the whole run
    "compute",
    "cold_start",
    "preemption",
    "idle_tail",
    "teardown",
    "disk",
)


def machine_groups(
    allocations: Sequence[Allocation], workers: int | None = None, threads: int | None = None
) -> tuple[MachineGroup, ...]:
    """Group allocations by GPU type, size, cloud and purchase kind; each group keeps its places.

    `workers` and `threads` are per machine; None: a worker for each GPU, and threads as the engine likes.
    """
    groups: dict[tuple[str, str, float, bool], list[Allocation]] = {}
    for allocation in allocations:
        candidate = allocation.candidate
        groups.setdefault((candidate.cloud, candidate.gpu, candidate.gpus, candidate.spot), []).append(
            allocation
        )
    return tuple(_machine_group(group, workers, threads) for group in groups.values())


def _machine_group(group: Sequence[Allocation], workers: int | None, threads: int | None) -> MachineGroup:
    candidate = group[0].candidate
    ranked = sorted(
        group,
        key=lambda s: (s.candidate.usd_per_hour or Decimal(0), s.candidate.region, s.candidate.zone or ""),
    )
    machines, tokens = sum(s.machines for s in group), sum(s.tokens for s in group)
    prices = [s.candidate.usd_per_hour for s in group]
    hourly = [p * s.machines for p, s in zip(prices, group, strict=True) if p is not None]
    items = itemize(group, NO_CHARGES)
    own = [items[name] for name in MACHINE_ITEMS]
    spent = sum((usd for usd in own if usd is not None), Decimal(0)) if None not in prices else None
    return MachineGroup(
        gpu=candidate.gpu,
        gpus_per_machine=candidate.gpus,
        cloud=candidate.cloud,
        regions=tuple(dict.fromkeys(s.candidate.region for s in ranked)),
        spot=candidate.spot,
        machines=machines,
        workers=workers or max(1, round(candidate.gpus)),
        threads=threads,
        tokens=round(tokens),
        tokens_per_second=round(
            sum(s.candidate.tokens_per_second.mid * s.machines for s in group) / machines, 1
        ),
        speed_source=candidate.speed_source,
        usd_per_hour=rounded(sum(hourly, Decimal(0)) / machines if None not in prices else None),
        usd_per_million_tokens=rounded(None if spent is None else per_million(spent, tokens)),
        places=tuple(
            MachinePlace(
                region=s.candidate.region,
                zone=s.candidate.zone,
                instance_type=s.candidate.instance_type,
                machines=s.machines,
                usd_per_hour=rounded(s.candidate.usd_per_hour),
                quoted_usd_per_hour=rounded(s.candidate.quoted_usd_per_hour),
                price_as_of=s.candidate.price_as_of,
                discount=s.candidate.discount,
                tokens=round(s.tokens),
            )
            for s in ranked
        ),
        capacity=_capacity([s.candidate for s in group]),
    )


def _capacity(candidates: Sequence[Candidate]) -> RegionCapacity | None:
    """What the least sure region of a group is known, or assumed, to give; None for this machine."""
    if candidates[0].cloud == "local":
        return None
    found = [
        capacity.obtainable(c.cloud, c.region, c.gpu, spot=c.spot, least=ceil(c.gpus)) for c in candidates
    ]
    least = min(found, key=lambda seen: (seen.gpus, not seen.assumed))
    return RegionCapacity(least.gpus, least.assumed, least.source)


def quota_needs(allocations: Sequence[Allocation]) -> tuple[QuotaNeed, ...]:
    """The GPUs and vCPUs that the account must be allowed in each region.

    None for this machine, for partitions of a cluster, and for single hosts of a market, which need no quota.
    """
    groups: dict[tuple[str, str, str, bool], list[Allocation]] = {}
    for allocation in allocations:
        own = allocation.candidate.cloud in (LOCAL, *CLOUDS_WITHOUT_SPOT)
        if not own and allocation.candidate.at_most is None:
            groups.setdefault(allocation.candidate.group, []).append(allocation)
    return tuple(
        QuotaNeed(
            cloud=cloud,
            region=region,
            gpu=gpu,
            spot=spot,
            gpus=sum(s.candidate.gpus * s.machines for s in members),
            vcpus=None
            if any(s.candidate.vcpus is None for s in members)
            else sum((s.candidate.vcpus or 0) * s.machines for s in members),
        )
        for (cloud, region, gpu, spot), members in groups.items()
    )


def rounded_usd(usd: Decimal) -> Decimal:
    """Dollars to a millionth of a cent: exact enough to add up, short enough to read."""
    return usd.quantize(Decimal("0.00000001")).normalize()


def rounded(usd: Decimal | None) -> Decimal | None:
    return None if usd is None else rounded_usd(usd)
