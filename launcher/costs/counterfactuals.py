"""What the same work would have cost otherwise: on demand, in one region, on one GPU, at an API, or by another fleet.

Pure. Machines of the run are priced by the hours they worked, what the plan knew of by the tokens that were done.
Every figure says what it rests on; one that nobody has a price for is left out, and counted.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from launcher.costs.metering import MICROSECOND, MachineTime, Metered, Spend
from launcher.costs.waterfall import returns
from launcher.money import USD_GRAIN, amount_text
from launcher.planning.plan_reader import at, rows
from pricing.offer import Offer

ZERO = Decimal(0)
HOUR = Decimal(3_600_000_000)
MILLION = Decimal(1_000_000)
ZERO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class Instead:
    """`usd` of doing it so. `group`: "run", "on-demand", "region", "gpu", "api" or "plan"."""

    group: str
    name: str
    usd: Decimal
    basis: str


def instead(
    plan: Mapping[str, Any],
    spend: Spend,
    machines: Sequence[MachineTime],
    tokens: int,
    offers: Sequence[Offer] = (),
) -> list[Instead]:
    """Every other way that can be priced, the cheapest of each group first."""
    found = _rented(spend, machines, offers)
    planned = int(at(plan, "profile", "tokens") or 0)
    if tokens and planned:
        share = Decimal(tokens) / planned
        found += _planned(plan, share)
        found += _apis(plan, tokens)
    order = {"on-demand": 0, "region": 1, "gpu": 2, "plan": 3, "api": 4}
    return sorted(found, key=lambda one: (order[one.group], one.usd, one.name))


def as_json(found: Sequence[Instead], actual: Decimal | None) -> list[dict[str, Any]]:
    """`usd_saved` is how much less the run cost; negative: the other way would have been cheaper."""
    return [
        {
            "group": one.group,
            "name": one.name,
            "usd": amount_text(one.usd.quantize(USD_GRAIN)),
            "usd_saved": None if actual is None else amount_text((one.usd - actual).quantize(USD_GRAIN)),
            "basis": one.basis,
        }
        for one in found
    ]


def _rented(spend: Spend, machines: Sequence[MachineTime], offers: Sequence[Offer]) -> list[Instead]:
    """The run's own machines, bought or placed otherwise, by the hours that they needed."""
    rented = [
        (m, one, again)
        for m, one, again in zip(machines, spend.lives, returns(machines), strict=True)
        if m.cloud != "local" and one.total_time
    ]
    if not rented or not offers:
        return []
    book: dict[tuple[str, str, str, bool], Decimal] = {}
    for o in offers:  # of a region's zones the cheapest
        key = (o.cloud, o.region, o.machine, o.spot)
        book[key] = min(o.usd_per_hour, book.get(key, o.usd_per_hour))
    regions = defaultdict[str, set[str]](set)
    for offer in offers:
        regions[offer.cloud].add(offer.region)
    rest = spend.other_known_usd
    found: list[Instead] = []
    if any(m.purchase == "spot" for m, _, _ in rented):
        hours = [(m, _steady(one, again=again)) for m, one, again in rented]
        costs = [
            _times(book.get((m.cloud, m.region or "", m.instance_type or "", False)), h) for m, h in hours
        ]
        if (usd := _sum(costs)) is not None:
            basis = "the same machines in the same places, never taken away, at list prices"
            found.append(Instead("on-demand", "on demand", usd + rest, basis))
    clouds = {m.cloud for m, _, _ in rented}
    places = {(m.cloud, m.region) for m, _, _ in rented}
    if len(clouds) == 1 and len(places) > 1:
        (cloud,) = clouds
        single: list[Instead] = []
        for region in sorted(regions[cloud]):
            costs = [
                _times(book.get((cloud, region, m.instance_type or "", m.purchase == "spot")), _hours(one))
                for m, one, _ in rented
            ]
            if (usd := _sum(costs)) is not None:
                basis = "the same machine hours there, at the price book's price, had it had so many"
                single.append(Instead("region", f"all in {cloud} {region}", usd + rest, basis))
        found += sorted(single, key=lambda one: one.usd)[:3]
    return found


def _planned(plan: Mapping[str, Any], share: Decimal) -> list[Instead]:
    """Each kind of GPU alone and the plan's other fleets, as they were estimated, for the tokens that were done."""
    found: list[Instead] = []
    best: dict[str, Instead] = {}
    basis = "as the plan estimated it (P50), for the tokens that were done"
    for kind in rows(plan, "kinds"):
        usd = _p50(kind)
        if usd is not None:
            where = "spot" if kind.get("spot") else "on demand"
            name = f"{kind.get('gpu')} alone, {kind.get('cloud')} {kind.get('region')}, {where}"
            one = Instead("gpu", name, usd * share, basis)
            gpu = str(kind.get("gpu"))
            if gpu not in best or one.usd < best[gpu].usd:
                best[gpu] = one
    for other in rows(plan, "alternatives"):
        usd = _p50(other)
        if usd is not None:
            found.append(Instead("plan", str(other.get("name")), usd * share, basis))
    return [*best.values(), *found]


def _apis(plan: Mapping[str, Any], tokens: int) -> list[Instead]:
    found: list[Instead] = []
    for api in rows(plan, "hosted"):
        price = api.get("usd_per_million_tokens")
        if price is not None:
            same = "the same weights" if api.get("comparable") else "another model: other vectors"
            usd = Decimal(price) * tokens / MILLION
            basis = f"list price of {api.get('as_of')}, {same}"
            found.append(Instead("api", f"{api.get('provider')} {api.get('model')}", usd, basis))
    return found


def _hours(metered: Metered) -> Decimal:
    return Decimal(metered.total_time // MICROSECOND) / HOUR


def _steady(metered: Metered, *, again: bool) -> Decimal:
    """The hours of a life but for what preemption cost: lost work, and the start of one that had to come back."""
    time = metered.total_time - metered.time["lost"] - (metered.time["cold_start"] if again else ZERO_TIME)
    return Decimal(time // MICROSECOND) / HOUR


def _p50(fleet: Mapping[str, Any]) -> Decimal | None:
    usd = at(fleet, "usd", "p50")
    return None if usd is None else Decimal(usd)


def _times(price: Decimal | None, hours: Decimal) -> Decimal | None:
    return None if price is None else price * hours


def _sum(costs: Sequence[Decimal | None]) -> Decimal | None:
    total = ZERO
    for usd in costs:
        if usd is None:
            return None
        total += usd
    return total
