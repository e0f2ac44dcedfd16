"""Compare a fleet with ways to do without one: hosted embedding APIs, and this machine.

Pure. An API is comparable when it serves the same weights. Any other gives other vectors, of another quality, and is
shown for its price only.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from launcher.money import decimal_of_float
from launcher.planning.estimate import Estimate, per_million
from pricing.hosted_apis import HostedPrice, cost


@dataclass(frozen=True, slots=True)
class HostedApi:
    """A hosted API doing this job, at its list price and at its batch price."""

    hosted: HostedPrice
    comparable: bool
    usd: Decimal
    batch_usd: Decimal | None  # None: it sells no batches

    @property
    def least(self) -> Decimal:
        """The lower of both prices."""
        return self.usd if self.batch_usd is None else min(self.usd, self.batch_usd)


@dataclass(frozen=True, slots=True)
class CheaperWay:
    """Something that does the work for less than the fleet."""

    name: str
    usd: Decimal
    fleet_usd: Decimal  # P50 of the fleet, without the storage of the vectors, which is paid either way
    comparable: bool
    break_even: Decimal | None  # tokens a month from which the fleet is cheaper; None: it never is


def price_apis(model: str, tokens: float, hosted: Iterable[HostedPrice]) -> tuple[HostedApi, ...]:
    """Every API with its price for these tokens: those that serve `model` first, then by price."""
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
    """The cheapest way that costs less than the fleet: a comparable API or this machine, else any API.

    None: nothing is cheaper, or the fleet has no known price.
    """
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
            CheaperWay(
                name=name + batch,
                usd=api.least,
                fleet_usd=usd,
                comparable=api.comparable,
                break_even=_break_even(fleet, tokens, api),
            )
        )
    if local is not None and local.usd is not None:
        same.append(
            CheaperWay(
                name="this machine", usd=local.usd.p50, fleet_usd=usd, comparable=True, break_even=None
            )
        )
    for group in (same, other):
        best = min(group, key=lambda c: c.usd, default=None)
        if best and best.usd < usd:
            return best
    return None


def _break_even(fleet: Estimate, tokens: float, api: HostedApi) -> Decimal | None:
    """Tokens a month from which the fleet is cheaper than the API; None: it never is.

    With one run a month, starting machines and the controller are paid once, and the rest grows with the tokens.
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
