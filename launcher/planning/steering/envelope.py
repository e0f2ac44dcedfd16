"""What a steered launch may rent: kinds of machines with their bounds, from the candidates of a plan. Pure.

Every kind is one place, GPU type and purchase kind, with the machine size that is the cheapest a token there, of those
with which so many machines as are allowed can keep the deadline. Spot that costs more a token than the cheapest machine
on demand is left out: steering never takes it. So are places to which the way of the texts has no price, unless the
planned fleet is in such a place: then they count with the most that the way costs, as they did where it was chosen.
Dollars a token are those of the machine and of egress.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor
from typing import TYPE_CHECKING

from launcher.jobs.job import Steer
from launcher.money import SECONDS_PER_HOUR, decimal_of_float
from launcher.planning.estimates.estimate import LOCAL, SHARD_SECONDS, Allocation, Candidate
from launcher.planning.estimates.unpriced import egress_usd_per_token, is_egress_priced, with_bounds
from launcher.planning.optimizer.market import VcpuGroup, vcpu_group
from launcher.planning.saved.steering_plan import Envelope, SharedQuota, SteeredKind
from pricing.account.access import zone_name
from tasks.skypilot_task import CLOUDS_WITHOUT_SPOT, Place

if TYPE_CHECKING:  # it loads the solver, and `status` needs only what is below
    from launcher.planning.optimizer.search import Requirements

MAX_KINDS = 200
MAX_ON_DEMAND_KINDS = 60  # of them
# Machines at most, over the number that is planned or that the net needs at first, where the job gives no limit. Room
# above the needed fleet is worth more than any cleverness (docs/steering.md).
ROOM = 2.0
MILLION = 10**6


@dataclass(frozen=True, slots=True)
class _Priced:
    """A candidate with a known price, USD a token of a machine that works and of egress, and machines at most."""

    candidate: Candidate
    usd_per_token: float
    machines: int


def envelope_of(
    candidates: Sequence[Candidate],
    requirements: "Requirements",
    *,
    policy: Steer,
    planned_machines: int,
    on_demand: int | None,
    unpriced_egress: bool = False,
) -> Envelope | None:
    """All that a launch may rent; None where no candidate has a price.

    `on_demand`: the job's own limit of those machines. `unpriced_egress`: the planned fleet is where a part of the way of
    texts and vectors has no price.
    """
    reached = with_bounds(_reached(candidates, unpriced_egress=unpriced_egress))
    priced = _best_sizes(_priced(reached, requirements), requirements)
    if policy == "on-demand":
        priced = [one for one in priced if not one.candidate.spot]
    net = sorted((p for p in priced if not p.candidate.spot), key=_rank)[:MAX_ON_DEMAND_KINDS]
    if on_demand == 0:
        net = []
    dearest = min((one.usd_per_token for one in net), default=None)
    spot = [p for p in priced if p.candidate.spot and (dearest is None or p.usd_per_token < dearest)]
    chosen = sorted((*net, *sorted(spot, key=_rank)[: MAX_KINDS - len(net)]), key=_rank)
    if not chosen:
        return None
    needed = max((machines_needed(one.candidate, requirements) or 0 for one in net[:1]), default=0)
    machines = requirements.machines or max(2, ceil(ROOM * max(planned_machines, needed)))
    quotas = _quotas([one.candidate for one in chosen], requirements)
    machines = min(machines, _together(chosen, quotas, chosen))
    most = min(machines, _together(chosen, quotas, net))
    return Envelope(
        kinds=tuple(_kind(one) for one in chosen),
        machines=machines,
        on_demand=most if on_demand is None else min(most, on_demand),
        quotas=quotas,
    )


def _together(chosen: Sequence[_Priced], quotas: Sequence[SharedQuota], of: Sequence[_Priced]) -> int:
    """How many machines of these kinds there may be at one moment at most, by their own bounds and shared quotas."""
    left = {number: one for number, one in enumerate(chosen) if one in of}
    total = 0
    for quota in quotas:
        members = [left.pop(number) for number in quota.kinds if number in left]
        if members:
            smallest = min(one.candidate.gpus for one in members)
            total += min(sum(one.machines for one in members), floor(quota.gpus / smallest))
    return total + sum(one.machines for one in left.values())


def kinds_of_fleet(allocations: Sequence[Allocation]) -> tuple[SteeredKind, ...] | None:
    """The planned machines as kinds, each in its own place; None where this machine is one, or a price is unknown."""
    found: list[SteeredKind] = []
    for one in allocations:
        c = one.candidate
        if c.cloud == LOCAL or c.usd_per_hour is None:
            return None
        found.append(_kind(_Priced(c, _usd_per_token(c, c.usd_per_hour), one.machines)))
    return tuple(sorted(found, key=lambda kind: kind.usd_per_million_tokens))


def machines_needed(candidate: Candidate, requirements: "Requirements") -> int | None:
    """Machines of this kind that do all the work by the deadline, all at the slow end; None: no number does."""
    if requirements.deadline_hours is None:
        return None
    seconds = requirements.deadline_hours * SECONDS_PER_HOUR - candidate.cold_start.high - SHARD_SECONDS
    return (
        None if seconds <= 0 else ceil(requirements.tokens.high / candidate.tokens_per_second.low / seconds)
    )


def _rank(one: _Priced) -> tuple[float, str, str, str]:
    candidate = one.candidate
    return one.usd_per_token, candidate.name, candidate.zone or "", candidate.instance_type


def _reached(candidates: Iterable[Candidate], *, unpriced_egress: bool) -> list[Candidate]:
    """Rented candidates whose egress has a price; all of them where none has, as where the job does not say whence."""
    rented = [one for one in candidates if one.cloud != LOCAL]
    if unpriced_egress:
        return rented
    return [one for one in rented if is_egress_priced(one)] or rented


def _priced(candidates: Iterable[Candidate], requirements: "Requirements") -> list[_Priced]:
    found: list[_Priced] = []
    for candidate in candidates:
        machines = _most(candidate, requirements)
        if candidate.usd_per_hour is None or machines < 1:
            continue
        found.append(_Priced(candidate, _usd_per_token(candidate, candidate.usd_per_hour), machines))
    return found


def _usd_per_token(candidate: Candidate, usd_per_hour: Decimal) -> float:
    """USD a token of a machine that works, and of egress."""
    working = float(usd_per_hour) / SECONDS_PER_HOUR / candidate.tokens_per_second.mid
    return working + float(egress_usd_per_token(candidate))


def _best_sizes(priced: Iterable[_Priced], requirements: "Requirements") -> list[_Priced]:
    """The machine size that is the cheapest a token, for each place, GPU type and purchase kind.

    Where few machines are allowed, small ones may be too slow together: those with which the deadline cannot be kept
    come behind those with which it can, and of them the fastest first.
    """

    def order(one: _Priced) -> tuple[float, tuple[float, str, str, str]]:
        needed = machines_needed(one.candidate, requirements)
        if requirements.machines is None or needed is None or needed <= one.machines:
            return 0.0, _rank(one)
        return needed / one.machines, _rank(one)

    best: dict[tuple[str, str, bool], _Priced] = {}
    for one in sorted(priced, key=order):
        c = one.candidate
        best.setdefault((place_of_kind(c.cloud, c.region, c.zone).infra, c.gpu, c.spot), one)
    return list(best.values())


def place_of_kind(
    cloud: str,
    region: str,
    zone: str | None,
    instance_type: str | None = None,
    usd_per_hour: Decimal | None = None,
) -> Place:
    """Where machines of a kind are asked for: in a zone only where SkyPilot can be told which."""
    return Place(
        cloud=cloud,
        region=region,
        zone=zone_name(region, zone) if cloud == "aws" else zone,
        instance_type=None if cloud in CLOUDS_WITHOUT_SPOT else instance_type or None,
        usd_per_hour=usd_per_hour,
    )


def _most(candidate: Candidate, requirements: "Requirements") -> int:
    """Machines of a candidate at most."""
    limits = requirements.limits
    bounds = [limits.obtainable.get(candidate.group), limits.quota.get(candidate.group)]
    machines = [floor(gpus / candidate.gpus) for gpus in bounds if gpus is not None]
    family = vcpu_group(candidate)
    vcpus = None if family is None else limits.vcpus.get(family)
    if vcpus is not None:  # a machine of which the vCPUs are not known is beyond any quota
        machines.append(vcpus // candidate.vcpus if candidate.vcpus else 0)
    machines += [n for n in (limits.machines, limits.per_region, candidate.at_most) if n is not None]
    return min(machines, default=1)


def _quotas(candidates: Sequence[Candidate], requirements: "Requirements") -> tuple[SharedQuota, ...]:
    """The quotas that several kinds share. One of vCPUs becomes GPUs of the kind with the most vCPUs a GPU."""
    found: list[SharedQuota] = []
    for group, gpus in requirements.quota.items():
        kinds = tuple(n for n, one in enumerate(candidates) if one.group == group)
        if kinds:
            found.append(SharedQuota(kinds, float(gpus)))
    families: dict[VcpuGroup, list[int]] = {}
    for number, candidate in enumerate(candidates):
        family = vcpu_group(candidate)
        if family is not None and candidate.vcpus:
            families.setdefault(family, []).append(number)
    for family, vcpus in requirements.vcpus.items():
        members = families.get(family, [])
        if members:
            each = max((candidates[n].vcpus or 0) / candidates[n].gpus for n in members)
            found.append(SharedQuota(tuple(members), vcpus / each))
    return tuple(found)


def _kind(one: _Priced) -> SteeredKind:
    c = one.candidate
    usd = c.usd_per_hour or Decimal(0)  # of candidates with a price
    speed = c.tokens_per_second
    return SteeredKind(
        cloud=c.cloud,
        region=c.region,
        zone=c.zone,
        instance_type=c.instance_type,
        gpu=c.gpu,
        gpus_per_machine=c.gpus,
        spot=c.spot,
        machines=one.machines,
        workers=max(1, round(c.gpus)),
        usd_per_hour=round(usd, 6).normalize(),
        usd_per_million_tokens=round(decimal_of_float(one.usd_per_token * MILLION), 6),
        tokens_per_second=round(speed.mid, 1),
        tokens_per_second_p10=round(speed.low, 1),
        cold_start_seconds=round(c.cold_start.mid, 1),
        cold_start_seconds_p90=round(c.cold_start.high, 1),
        egress_usd_per_million_tokens=round(egress_usd_per_token(c) * MILLION, 6).normalize(),
    )
