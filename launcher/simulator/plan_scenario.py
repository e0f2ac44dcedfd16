"""What is simulated of a saved plan: its kinds of machines, its own fleet, its work and its limits. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil

from launcher.errors import Infeasible, Problem, Usage
from launcher.fleet.provisioning.task_specs import places_of
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.format import duration
from launcher.jobs import job as jobs
from launcher.planning.estimates.estimate import SHARD_SECONDS
from launcher.planning.saved.saved_alternatives import SingleTypeFleet
from launcher.planning.saved.saved_plan import MachineGroup, SavedPlan
from launcher.planning.steering.envelope import ROOM, place_of_kind
from launcher.simulator.scenario import ON_DEMAND, RUN_NAME, SPOT, Kind, Outage, Scenario
from pricing import provisioning
from tasks.skypilot_task import Place

LOCAL = "local"
LEAST_EACH = 8  # machines that a place gives while it is up, at least, where traces do not count and --each is not given


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What the command line says of the world, beside the plan. None: as planned."""

    deadline_hours: float | None = None
    budget: Decimal | None = None
    cold_start: float | None = None  # seconds
    outages: tuple[Outage, ...] = ()
    no_on_demand: float = 0.0
    slower: float = 1.0


def scenario_of(plan: SavedPlan, changes: Changes) -> Scenario:
    """What is simulated of a plan.

    Raises:
        Usage: there is no deadline, or the plan rents nothing.
        Infeasible: no machine could do anything until the deadline.
    """
    if all(group.cloud == LOCAL for group in plan.lots):
        raise Usage(
            "the plan rents no machines, so there is nothing to simulate",
            hint="plan with --on cloud, or name a corpus and a model that need more than this machine",
        )
    job = jobs.load(plan.work.job)
    hours = changes.deadline_hours or job.limits.deadline_hours
    if hours is None:
        raise Usage(
            "the job has no deadline in hours", hint="--deadline 6h, or several: --deadline 4h,6h,12h"
        )
    kinds = [_changed(kind, changes) for kind in kinds_of(plan)]
    _check_deadline(kinds, hours)
    count = sum(group.machines for group in plan.lots)
    machines = job.limits.machines or max(2, ceil(ROOM * count))
    most: int | None = job.limits.on_demand
    if plan.steering is not None:
        machines, most = plan.steering.envelope.machines, plan.steering.envelope.on_demand
    kinds = [replace(kind, cap=min(kind.cap, machines)) for kind in kinds]
    slowest = min(kind.tokens_per_second for kind in kinds)
    budget = changes.budget if changes.budget is not None else job.limits.budget
    return Scenario(
        kinds=tuple(kinds),
        tokens=float(plan.profile.tokens),
        deadline=hours * 3600,
        machines=machines,
        most_on_demand=most,
        fleet=tuple(_group(plan, number, changes) for number in range(len(plan.lots))),
        budget=budget,
        shard_tokens=min(plan.work.shard_tokens or slowest * SHARD_SECONDS, slowest * SHARD_SECONDS),
        outages=changes.outages,
        no_on_demand=changes.no_on_demand,
        slower=changes.slower,
    )


def default_each(scenario: Scenario) -> int:
    """Machines that a place gives while it is up, where a trace only says whether it is: half of all, at least 8."""
    return max(LEAST_EACH, ceil(scenario.machines / 2))


def kinds_of(plan: SavedPlan) -> list[Kind]:
    """All kinds of machines that a plan may rent, each once: its envelope, its own fleet, and its single-type fleets."""
    found: dict[tuple[str, str | None, str], Kind] = {}
    for kind in (*_of_envelope(plan), *_of_fleet(plan), *_of_types(plan)):
        found.setdefault(kind.key, kind)
    return list(found.values())


def _of_envelope(plan: SavedPlan) -> list[Kind]:
    if plan.steering is None:
        return []
    return [
        Kind(
            place=place_of_kind(one.cloud, one.region, one.zone, one.instance_type, one.usd_per_hour),
            purchase=SPOT if one.spot else ON_DEMAND,
            cap=one.machines,
            usd_per_hour=float(one.usd_per_hour),
            tokens_per_second=one.tokens_per_second,
            tokens_per_second_p10=one.tokens_per_second_p10,
            cold_start=one.cold_start_seconds,
            cold_start_p90=one.cold_start_seconds_p90,
            gpu=one.gpu,
            gpus=one.gpus_per_machine,
        )
        for one in plan.steering.envelope.kinds
    ]


def _of_fleet(plan: SavedPlan) -> list[Kind]:
    found = list[Kind]()
    for group in plan.lots:
        for place in places_of(group):
            usd = place.usd_per_hour if place.usd_per_hour is not None else group.usd_per_hour
            if usd is not None and group.tokens_per_second:
                start = _cold_start(plan, group.cloud)
                found.append(_kind(place, group, usd, start, _slow_share(plan)))
    return found


def _kind(place: Place, group: MachineGroup, usd: Decimal, start: tuple[float, float], slow: float) -> Kind:
    return Kind(
        place=replace(place, usd_per_hour=usd),
        purchase=SPOT if group.spot else ON_DEMAND,
        cap=max(group.machines, 1),
        usd_per_hour=float(usd),
        tokens_per_second=group.tokens_per_second,
        tokens_per_second_p10=group.tokens_per_second * slow,
        cold_start=start[0],
        cold_start_p90=start[1],
        gpu=group.gpu,
        gpus=group.gpus_per_machine,
    )


def _of_types(plan: SavedPlan) -> list[Kind]:
    """The cheapest place of every machine type that the plan looked at."""
    return [
        _of_type(plan, one, one.usd_per_hour)
        for one in plan.kinds
        if one.usd_per_hour is not None and one.cloud != LOCAL
    ]


def _of_type(plan: SavedPlan, one: SingleTypeFleet, usd: Decimal) -> Kind:
    start = _cold_start(plan, one.cloud)
    return Kind(
        place=place_of_kind(one.cloud, one.region, None, one.instance_type, usd),
        purchase=SPOT if one.spot else ON_DEMAND,
        cap=max(one.machines, 1),
        usd_per_hour=float(usd),
        tokens_per_second=one.tokens_per_second,
        tokens_per_second_p10=one.tokens_per_second * _slow_share(plan),
        cold_start=start[0],
        cold_start_p90=start[1],
        gpu=one.gpu,
        gpus=one.gpus_per_machine,
    )


def _slow_share(plan: SavedPlan) -> float:
    """P10 of the fleet's speed as a share of its P50; 1 where an old plan does not say."""
    speed = plan.totals.tokens_per_second
    return 1.0 if speed is None else speed.p10 / speed.p50


def _cold_start(plan: SavedPlan, cloud: str) -> tuple[float, float]:
    """Seconds from a machine that is there until it embeds, P50 and P90, as plans assume."""
    _, middle, high = provisioning.machine_start(cloud, plan.work.engine, 0)
    return middle, high


def _changed(kind: Kind, changes: Changes) -> Kind:
    if changes.cold_start is None:
        return kind
    ratio = kind.cold_start_p90 / kind.cold_start
    return replace(kind, cold_start=changes.cold_start, cold_start_p90=changes.cold_start * ratio)


def _group(plan: SavedPlan, number: int, changes: Changes) -> FleetGroup:
    """A group of the plan's own fleet, as the static policy drives it."""
    group = plan.lots[number]
    return FleetGroup(
        number=number,
        slots=group.machines,
        name=f"{RUN_NAME}-l{number}m",
        places=places_of(group),
        counts=tuple(place.machines for place in group.places),
        workers=group.workers,
        cold_start=_cold_start(plan, group.cloud)[0] if changes.cold_start is None else changes.cold_start,
        tokens_per_second=group.tokens_per_second or None,
        gpu=group.gpu,
        gpus=group.gpus_per_machine,
        purchase=SPOT if group.spot else ON_DEMAND,
        usd_per_hour=group.usd_per_hour,
    )


def _check_deadline(kinds: Sequence[Kind], hours: float) -> None:
    if not kinds:
        raise Problem("no machine of the plan has a known price and speed", hint="embedfleet prices refresh")
    least = min(kind.cold_start_p90 for kind in kinds) + SHARD_SECONDS
    if hours * 3600 < least:
        raise Infeasible(
            f"nothing is done in {duration(hours * 3600)}: the first shard of a machine takes {duration(least)} (P90)",
            hint=f"soonest {duration(least)}",
        )
