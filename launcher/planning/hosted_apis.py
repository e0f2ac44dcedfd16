"""A fleet beside the ways to do without one: hosted APIs, and this machine.

Pure. An API is comparable when it serves the same weights; any other gives other vectors, of another quality, and is
shown for its price alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from launcher.money import decimal_of_float
from launcher.planning.estimate import Estimate, per_million
from pricing.hosted_apis import Hosted, cost


@dataclass(frozen=True, slots=True)
class HostedApi:
    """A hosted API doing this job: what it asks at list, and in batches where it sells those. None: not sold, unknown."""

    hosted: Hosted
    comparable: bool
    usd: Decimal
    batch_usd: Decimal | None

    @property
    def least(self) -> Decimal:
        return self.usd if self.batch_usd is None else min(self.usd, self.batch_usd)


@dataclass(frozen=True, slots=True)
class CheaperWay:
    """Something that costs less than the fleet. `break_even` is tokens a month; None: the fleet is never cheaper."""

    name: str
    usd: Decimal
    fleet_usd: Decimal  # of the fleet at P50, without the storage of the vectors, which is paid either way
    comparable: bool
    break_even: Decimal | None


def price_apis(model: str, tokens: float, hosted: Iterable[Hosted]) -> tuple[HostedApi, ...]:
    """Every API with its price for so many tokens: those with the same weights first, then the cheapest."""
    whole = int(decimal_of_float(tokens).to_integral_value())
    found: list[HostedApi] = []
    for one in hosted:
        listed = cost(one, whole)
        assert listed is not None, "every API has a list price"
        found.append(HostedApi(one, one.open_model == model, listed, cost(one, whole, batch=True)))
    return tuple(sorted(found, key=lambda a: (not a.comparable, a.least, a.hosted.provider, a.hosted.model)))


def cheapest_way(
    fleet: Estimate, tokens: float, offered: Iterable[HostedApi], local: Estimate | None
) -> CheaperWay | None:
    """The cheapest way that costs less than the fleet: an API with the same weights or this machine, else any API."""
    if fleet.usd is None:
        return None
    usd = fleet.usd.p50 - (fleet.items.get("storage") or Decimal(0))
    same: list[CheaperWay] = []
    other: list[CheaperWay] = []
    for api in offered:
        name = f"{api.hosted.provider} {api.hosted.model}"
        batch = " in batches" if api.batch_usd is not None and api.batch_usd < api.usd else ""
        group = same if api.comparable else other
        group.append(
            CheaperWay(name + batch, api.least, usd, api.comparable, _break_even(fleet, tokens, api))
        )
    if local is not None and local.usd is not None:
        same.append(CheaperWay("this machine", local.usd.p50, usd, comparable=True, break_even=None))
    for group in (same, other):
        best = min(group, key=lambda c: c.usd, default=None)
        if best and best.usd < usd:
            return best
    return None


def _break_even(fleet: Estimate, tokens: float, api: HostedApi) -> Decimal | None:
    """Tokens a month from which the fleet is the cheaper.

    A run a month: what starts machines and runs the controller is paid once, the rest grows with the tokens.
    """
    fixed = sum(
        (fleet.items.get(name) or Decimal(0) for name in ("cold_start", "idle_tail", "controller")),
        Decimal(0),
    )
    growing = (
        sum((usd for name, usd in fleet.items.items() if usd is not None and name != "storage"), Decimal(0))
        - fixed
    )
    each, asked = per_million(growing, tokens), per_million(api.least, tokens)
    if each is None or asked is None or asked <= each:
        return None
    return fixed / (asked - each) * 1_000_000
