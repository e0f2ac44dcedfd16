"""Which machine a pilot gets, and what it costs an hour. Pure."""

from dataclasses import dataclass

from launcher.format import money
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.planning.steering.envelope import place_of_kind
from pricing import provisioning
from tasks.skypilot_task import CLOUDS_WITHOUT_SPOT, Place

PILOT_EVENT = "pilot"  # an event's kind: the run was handed over to a pilot
CPUS, MEMORY_GB = 2, 8  # where the machine has no type of ours


@dataclass(frozen=True, slots=True)
class PilotMachine:
    """A small machine without a GPU, or the cheapest machine of a cloud of which none is known.

    `place.usd_per_hour` None: its price is not known. `gpu`: what the machine has that a pilot does not need, in words.
    """

    place: Place
    gpu: str = ""

    def __str__(self) -> str:
        usd = self.place.usd_per_hour
        price = "at an unknown price" if usd is None else f"about {money(usd)} an hour"
        kind = self.place.instance_type or f"{CPUS} CPUs, {MEMORY_GB} GB"
        more = f" ({self.gpu}: no smaller machine is known there)" if self.gpu else ""
        return f"{kind} in {self.place.infra}{more}, {price}"


def pilot_machine(plan: SavedPlan) -> PilotMachine:
    """The machine for a plan's pilot: in the cloud of its cheapest machine on demand, where SkyPilot chooses the region.

    Clouds of which a small machine is known come first, also those of spot machines alone: others may rent nothing but
    GPUs. Without one of these it is the machine on demand that costs the least an hour, with its GPUs, because its price
    is known. On Slurm in that machine's own partition, which no preemption reaches.

    Raises:
        ValueError: the plan rents nothing.
    """
    kinds = plan.steering.envelope.kinds if plan.steering is not None else ()
    on_demand = [kind for kind in kinds if not kind.spot]
    known = [kind for kind in on_demand if _has_machine(kind.cloud)]
    known += [kind for kind in kinds if kind.spot and provisioning.pilot_machine(kind.cloud) is not None]
    if known or on_demand:
        kind = [*known, *on_demand][0]
        cloud, region, zone = kind.cloud, kind.region, kind.zone
    else:
        group = next(group for group in plan.lots if not group.spot or group is plan.lots[-1])
        cloud, region, zone = group.cloud, group.places[0].region, group.places[0].zone
    if cloud in CLOUDS_WITHOUT_SPOT:
        return PilotMachine(place_of_kind(cloud, region, zone))
    if provisioning.pilot_machine(cloud) is None:
        return _cheapest_of_the_plan(plan) or pilot_machine_in(cloud)
    return pilot_machine_in(cloud)


def _cheapest_of_the_plan(plan: SavedPlan) -> PilotMachine | None:
    """The machine on demand of the plan that costs the least an hour; None: the plan has none of a known price.

    In whichever region: of a market of single hosts the one that was priced may be gone.
    """
    kinds = plan.steering.envelope.kinds if plan.steering is not None else ()
    found = [
        (kind.usd_per_hour, kind.cloud, kind.instance_type, f"{kind.gpus_per_machine:g} x {kind.gpu}")
        for kind in kinds
        if not kind.spot
    ]
    found += [
        (place.usd_per_hour, group.cloud, place.instance_type, f"{group.gpus_per_machine:g} x {group.gpu}")
        for group in plan.lots
        for place in group.places
        if not group.spot and place.usd_per_hour is not None
    ]
    rented = [one for one in found if one[1] not in CLOUDS_WITHOUT_SPOT and one[2]]
    if not rented:
        return None
    usd, cloud, instance_type, gpu = min(rented)
    return PilotMachine(Place(cloud, "", None, instance_type, usd), gpu)


def pilot_machine_in(cloud: str) -> PilotMachine:
    """The machine for a pilot in a cloud, wherever SkyPilot finds the cheapest."""
    found = provisioning.pilot_machine(cloud)
    if found is None:
        return PilotMachine(Place(cloud, ""))
    return PilotMachine(Place(cloud, "", None, found.instance_type, found.usd_per_hour))


def _has_machine(cloud: str) -> bool:
    """Whether a machine for a pilot is known on a cloud."""
    return cloud in CLOUDS_WITHOUT_SPOT or provisioning.pilot_machine(cloud) is not None
