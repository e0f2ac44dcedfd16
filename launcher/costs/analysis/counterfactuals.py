"""Counterfactuals: what the same work would have cost in another way.

On demand, in one region, on one GPU type, with another fleet of the plan, or at a hosted API. Pure. The run's own
machines are repriced by the hours they worked, alternatives of the plan by the tokens that were done. Each figure
states its basis; alternatives without a price are left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from launcher.costs.analysis.waterfall import replaces_preempted
from launcher.costs.usage.attribution import MICROSECOND
from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.spend import Metered, Spend
from launcher.money import MICROSECONDS_PER_HOUR, ZERO
from launcher.planning.saved.saved_alternatives import size_and_quality
from launcher.planning.saved.saved_plan import SavedPlan
from pricing.offer import Offer

Place = tuple[str, str, str, bool]  # cloud, region, instance type, spot
TOKENS_PER_MILLION = Decimal(1_000_000)
SHOWN_REGIONS = 3
OTHER_VECTORS = "other vectors"
API_WORDS = {
    "api": "the same weights",
    "api of class": "another model of its size class",
    "other api": "another model",
}


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """An alternative and its cost.

    `group` is "on-demand", "region", "gpu", "plan", or of hosted APIs "api" (the same weights), "api of class" (another
    model of the same size class) or "other api" (a model that is not alike).
    """

    group: str
    name: str
    usd: Decimal
    basis: str


@dataclass(frozen=True, slots=True)
class _Rented:
    """A rented machine, and what became of its time."""

    machine: MachineTime
    metered: Metered
    replacement: bool  # of a machine that was preempted


def counterfactuals(
    plan: SavedPlan | None,
    spend: Spend,
    machines: Sequence[MachineTime],
    tokens: int,
    offers: Sequence[Offer] = (),
) -> list[Counterfactual]:
    """All alternatives that have a price, by group, the cheapest of each group first."""
    found = _other_places(spend, machines, offers)
    if plan and tokens and plan.profile.tokens:
        share = Decimal(tokens) / plan.profile.tokens
        found += _other_fleets(plan, share)
        found += _hosted_apis(plan, tokens)
    order = {"on-demand": 0, "region": 1, "gpu": 2, "plan": 3, "api": 4, "api of class": 5, "other api": 6}
    return sorted(found, key=lambda one: (order[one.group], one.usd, one.name))


def _other_places(
    spend: Spend, machines: Sequence[MachineTime], offers: Sequence[Offer]
) -> list[Counterfactual]:
    """The run's own machines with another purchase kind or in another region, by the hours that they ran."""
    rented = [
        _Rented(machine, metered, again)
        for machine, metered, again in zip(machines, spend.lives, replaces_preempted(machines), strict=True)
        if machine.cloud != "local" and metered.total_time
    ]
    if not rented or not offers:
        return []
    prices: dict[Place, Decimal] = {}  # of the cheapest zone
    for offer in offers:
        place = (offer.cloud, offer.region, offer.machine, offer.spot)
        prices[place] = min(offer.usd_per_hour, prices.get(place, offer.usd_per_hour))
    return [
        *_on_demand(rented, prices, spend.other_known_usd),
        *_single_regions(rented, prices, spend.other_known_usd),
    ]


def _on_demand(
    rented: Sequence[_Rented], prices: Mapping[Place, Decimal], other_usd: Decimal
) -> list[Counterfactual]:
    """All machines on demand; nothing where none was spot, or where a price is unknown."""
    if not any(one.machine.purchase == "spot" for one in rented):
        return []
    usd = _sum(
        _price_of_hours(
            prices.get((one.machine.cloud, one.machine.region or "", one.machine.instance_type or "", False)),
            _hours_without_preemption(one),
        )
        for one in rented
    )
    basis = "the same machines in the same places, never preempted, at list prices"
    return [] if usd is None else [Counterfactual("on-demand", "on demand", usd + other_usd, basis)]


def _single_regions(
    rented: Sequence[_Rented], prices: Mapping[Place, Decimal], other_usd: Decimal
) -> list[Counterfactual]:
    """All machines in one region: the cheapest few; nothing where they were in one, or in several clouds."""
    places = {(one.machine.cloud, one.machine.region) for one in rented}
    clouds = {cloud for cloud, _ in places}
    if len(clouds) > 1 or len(places) == 1:
        return []
    (cloud,) = clouds
    basis = "the same machine hours there at the price book's price, if it had enough machines"
    found: list[Counterfactual] = []
    for region in sorted(
        {place_region for place_cloud, place_region, _, _ in prices if place_cloud == cloud}
    ):
        usd = _sum(
            _price_of_hours(
                prices.get((cloud, region, one.machine.instance_type or "", one.machine.purchase == "spot")),
                _hours(one.metered),
            )
            for one in rented
        )
        if usd is not None:
            found.append(Counterfactual("region", f"all in {cloud} {region}", usd + other_usd, basis))
    return sorted(found, key=lambda one: one.usd)[:SHOWN_REGIONS]


def _other_fleets(plan: SavedPlan, share: Decimal) -> list[Counterfactual]:
    """The plan's estimates of each GPU type alone and of its other fleets, scaled to the tokens that were done."""
    best: dict[str, Counterfactual] = {}
    basis = "as the plan estimated it (P50), for the tokens that were done"
    for kind in plan.kinds:
        if kind.usd.p50 is not None:
            where = "spot" if kind.spot else "on demand"
            name = f"{kind.gpu} alone, {kind.cloud} {kind.region}, {where}"
            one = Counterfactual("gpu", name, kind.usd.p50 * share, basis)
            if kind.gpu not in best or one.usd < best[kind.gpu].usd:
                best[kind.gpu] = one
    others = [
        Counterfactual("plan", other.name, other.usd.p50 * share, basis)
        for other in plan.alternatives
        if other.usd.p50 is not None
    ]
    return [*best.values(), *others]


def _hosted_apis(plan: SavedPlan, tokens: int) -> list[Counterfactual]:
    found: list[Counterfactual] = []
    for api in plan.hosted:
        alike = "api" if api.comparable else "api of class" if api.relation == "same class" else "other api"
        name, words = f"{api.provider} {api.model}", API_WORDS[alike]
        if not api.comparable:
            words += f", {OTHER_VECTORS}: {size_and_quality(api.parameters)}"
        usd = api.usd_per_million_tokens * tokens / TOKENS_PER_MILLION
        found.append(Counterfactual(alike, name, usd, f"list price of {api.as_of}, {words}"))
        batch, as_of = api.batch_usd_per_million_tokens, api.batch_as_of or api.as_of
        if batch is not None and batch < api.usd_per_million_tokens:
            usd = batch * tokens / TOKENS_PER_MILLION
            basis = f"price of batches of {as_of}, within a day, {words}"
            found.append(Counterfactual(alike, f"{name} in batches", usd, basis))
    return found


def _hours(metered: Metered) -> Decimal:
    return Decimal(metered.total_time // MICROSECOND) / MICROSECONDS_PER_HOUR


def _hours_without_preemption(rented: _Rented) -> Decimal:
    """The hours of a life without the cost of preemption: lost work, and cold starts of replacements."""
    time = rented.metered.total_time - rented.metered.time["lost"]
    if rented.replacement:
        time -= rented.metered.time["cold_start"]
    return Decimal(time // MICROSECOND) / MICROSECONDS_PER_HOUR


def _price_of_hours(price: Decimal | None, hours: Decimal) -> Decimal | None:
    return None if price is None else price * hours


def _sum(costs: Iterable[Decimal | None]) -> Decimal | None:
    total = ZERO
    for usd in costs:
        if usd is None:
            return None
        total += usd
    return total
