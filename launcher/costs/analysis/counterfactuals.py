"""Counterfactuals: what the same work would have cost in another way.

On demand, in one region, on one GPU type, with another fleet of the plan, or at a hosted API. Pure. The run's own
machines are repriced by the hours they worked, alternatives of the plan by the tokens that were done. Each figure
states its basis; alternatives without a price are left out.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from launcher.costs.analysis.waterfall import replaces_preempted
from launcher.costs.usage.attribution import MICROSECOND
from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.spend import Metered, Spend
from launcher.money import MICROSECONDS_PER_HOUR, ZERO
from launcher.planning.saved.saved_alternatives import size_and_quality
from launcher.planning.saved.saved_plan import SavedPlan
from pricing.offer import Offer

TOKENS_PER_MILLION = Decimal(1_000_000)
ZERO_TIME = timedelta(0)
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
        (m, one, again)
        for m, one, again in zip(machines, spend.lives, replaces_preempted(machines), strict=True)
        if m.cloud != "local" and one.total_time
    ]
    if not rented or not offers:
        return []
    book: dict[tuple[str, str, str, bool], Decimal] = {}  # the cheapest zone of each region
    for o in offers:
        key = (o.cloud, o.region, o.machine, o.spot)
        book[key] = min(o.usd_per_hour, book.get(key, o.usd_per_hour))
    regions = defaultdict[str, set[str]](set)
    for offer in offers:
        regions[offer.cloud].add(offer.region)
    rest = spend.other_known_usd
    found: list[Counterfactual] = []
    if any(m.purchase == "spot" for m, _, _ in rented):
        hours = [(m, _hours_without_preemption(one, again=again)) for m, one, again in rented]
        costs = [
            _price_of_hours(book.get((m.cloud, m.region or "", m.instance_type or "", False)), h)
            for m, h in hours
        ]
        if (usd := _sum(costs)) is not None:
            basis = "the same machines in the same places, never preempted, at list prices"
            found.append(Counterfactual("on-demand", "on demand", usd + rest, basis))
    clouds = {m.cloud for m, _, _ in rented}
    places = {(m.cloud, m.region) for m, _, _ in rented}
    if len(clouds) == 1 and len(places) > 1:
        (cloud,) = clouds
        single: list[Counterfactual] = []
        for region in sorted(regions[cloud]):
            costs = [
                _price_of_hours(
                    book.get((cloud, region, m.instance_type or "", m.purchase == "spot")), _hours(one)
                )
                for m, one, _ in rented
            ]
            if (usd := _sum(costs)) is not None:
                basis = "the same machine hours there at the price book's price, if it had enough machines"
                single.append(Counterfactual("region", f"all in {cloud} {region}", usd + rest, basis))
        found += sorted(single, key=lambda one: one.usd)[:3]
    return found


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


def _hours_without_preemption(metered: Metered, *, again: bool) -> Decimal:
    """The hours of a life without the cost of preemption: lost work, and cold starts of replacements."""
    time = metered.total_time - metered.time["lost"] - (metered.time["cold_start"] if again else ZERO_TIME)
    return Decimal(time // MICROSECOND) / MICROSECONDS_PER_HOUR


def _price_of_hours(price: Decimal | None, hours: Decimal) -> Decimal | None:
    return None if price is None else price * hours


def _sum(costs: Sequence[Decimal | None]) -> Decimal | None:
    total = ZERO
    for usd in costs:
        if usd is None:
            return None
        total += usd
    return total
