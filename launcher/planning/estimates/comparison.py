"""Compare what was chosen with other ways to do the work: hosted APIs, this machine, or the cheapest fleet.

Pure. The comparison is by draws (`monte_carlo.draw_fleet`): how likely the fleet is the cheaper, and by how much at P50
and P90. The storage of the vectors is paid either way and is in neither side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import log
from typing import Literal

import numpy as np

from launcher.money import decimal_of_float
from launcher.planning.estimates.estimate import Estimate, RunCharges, UsdSpread, per_million
from launcher.planning.estimates.hosted_apis import HostedApi
from launcher.planning.estimates.monte_carlo import Draws, draw_fleet
from launcher.planning.estimates.unpriced import bound_usd
from launcher.throughput.spread import Spread
from pricing.hosted.hosted_apis import Relation

ONCE = (
    "cold_start",
    "idle_tail",
    "teardown",
    "controller",
)  # items that a run pays once, however many tokens it has
APART = "storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Another way next to what was chosen ("the fleet"), in USD, both without the storage of the vectors.

    `chance` is the share of draws in which the fleet is the cheaper one; where `unpriced` names items, the fleet costs
    more than these figures by an unknown amount, and `chance` is at most so high. `chance_least` and `better` count these
    items at their bounds.
    """

    name: str
    relation: Relation | Literal["this machine", "rented"]
    usd: Decimal  # P50
    usd_p90: Decimal  # the same where the price is certain
    fleet_p50: Decimal
    fleet_p90: Decimal
    fleet_mean: Decimal
    chance: float
    unpriced: tuple[str, ...]
    better: bool  # this way is expected to cost less
    break_even: Decimal | None = None  # tokens a month from which the fleet is cheaper; None: it never is
    notes: tuple[str, ...] = ()
    parameters: int | None = None  # of a hosted model; None: not published
    chance_least: float | None = None  # None: all has a price, or a part that has none has no bound


@dataclass(frozen=True, slots=True)
class Way:
    """A way with an estimate, and the charges that it was estimated with.

    `steered`: what the run is expected to cost where its fleet is steered, storage included, and `steered_unpriced` what
    that leaves out, each with the most that it costs.
    """

    name: str
    relation: Literal["this machine", "rented"]
    estimate: Estimate
    charges: RunCharges
    notes: tuple[str, ...] = ()
    steered: UsdSpread | None = None
    steered_unpriced: Mapping[str, Decimal | None] = field(default_factory=dict[str, Decimal | None])


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A way with the storage of the vectors taken out: (DRAWS,) values, and P50 and P90 as it is expected to cost."""

    way: Way
    usd: Draws
    work: Draws
    p50: Decimal
    p90: Decimal

    @property
    def unpriced(self) -> tuple[str, ...]:
        """The items that its dollars leave out, in whole or in part."""
        estimate = self.way.estimate
        unknown = [name for name, usd in estimate.items.items() if usd is None]
        names = self._lacks if self.way.steered is not None else [*estimate.unpriced, *unknown]
        return tuple(name for name in dict.fromkeys(names) if name != APART)

    @property
    def is_bounded(self) -> bool:
        """Whether every part without a price has a bound."""
        return all(self._lacks.get(name) is not None for name in self.unpriced)

    @property
    def bound(self) -> float:
        """The most in USD that the parts without a price cost, as far as there are bounds."""
        return float(bound_usd({k: usd for k, usd in self._lacks.items() if k != APART}))

    @property
    def _lacks(self) -> Mapping[str, Decimal | None]:
        way = self.way
        return way.estimate.unpriced if way.steered is None else way.steered_unpriced


def compare(
    chosen: Way, tokens: Spread, seed: int, apis: Sequence[HostedApi], other: Way | None = None
) -> tuple[Comparison, ...]:
    """The same weights hosted, the same class hosted, then the other way: each where its price is known.

    Nothing is compared with a choice of unknown price.
    """
    drawn = _draw(chosen, tokens, seed)
    if drawn is None:
        return ()
    found: list[Comparison] = []
    for related in ("same weights", "same class"):
        of_kind = [api for api in apis if api.relation == related]
        if of_kind:
            found.append(_with_api(drawn, min(of_kind, key=lambda a: a.least), tokens))
    against = _draw(other, tokens, seed) if other else None
    if against is not None:
        way = against.way
        found.append(
            _compared(
                drawn,
                way.name,
                way.relation,
                against.usd,
                against.p50,
                other_bound=against.bound,
                notes=way.notes,
            )
        )
    return tuple(found)


def _draw(way: Way, tokens: Spread, seed: int) -> _Drawn | None:
    estimate = way.estimate
    drawn = draw_fleet(estimate.allocations, way.charges, tokens, seed)
    if drawn.usd is None or estimate.usd is None:
        return None
    apart = estimate.items.get(APART) or Decimal(0)
    expected, draws = estimate.usd, drawn.usd
    if way.steered is not None and estimate.usd.p50 > 0:
        expected, draws = way.steered, draws * float(way.steered.p50 / estimate.usd.p50)
    usd = _as_expected(draws, expected) - float(apart) * drawn.work
    p50, p90 = expected.p50 - apart, expected.p90 - apart
    return _Drawn(way, usd, drawn.work, p50, max(p50, p90))


def _as_expected(draws: Draws, usd: UsdSpread) -> Draws:
    """The draws with this P10 and P90: of the estimate, which past runs may have widened, or the steered run."""
    middle, low, high = float(usd.p50), float(usd.p10), float(usd.p90)
    own_low, own_high = (float(np.quantile(draws, quantile)) for quantile in (0.1, 0.9))
    if min(low, own_low, middle) <= 0:
        return draws
    up = log(high / middle) / log(own_high / middle) if own_high > middle else 1.0
    down = log(low / middle) / log(own_low / middle) if own_low < middle else 1.0
    return middle * (draws / middle) ** np.where(draws > middle, up, down)


def _with_api(fleet: _Drawn, api: HostedApi, tokens: Spread) -> Comparison:
    usd = api.least
    found = _compared(
        fleet,
        api.name,
        api.relation,
        float(usd) * fleet.work,
        usd,
        break_even=break_even(fleet.way.estimate, fleet.p50, tokens.mid, api),
        notes=api.notes,
    )
    return replace(found, parameters=api.parameters)


def _compared(
    fleet: _Drawn,
    name: str,
    relation: Relation | Literal["this machine", "rented"],
    other: Draws,
    usd: Decimal,
    *,
    other_bound: float = 0.0,
    break_even: Decimal | None = None,
    notes: tuple[str, ...] = (),
) -> Comparison:
    return Comparison(
        name=name,
        relation=relation,
        usd=usd,
        usd_p90=max(usd, _p90(other)) if np.ptp(other) > 0 else usd,
        fleet_p50=fleet.p50,
        fleet_p90=fleet.p90,
        fleet_mean=decimal_of_float(float(np.mean(fleet.usd))),
        chance=float(np.mean(fleet.usd < other)),
        chance_least=float(np.mean(fleet.usd + fleet.bound < other))
        if fleet.unpriced and fleet.is_bounded
        else None,
        unpriced=fleet.unpriced,
        # As where fleets are ranked: what has no price counts at its upper bound, so that it never looks cheap.
        better=float(np.mean(other)) + other_bound < float(np.mean(fleet.usd)) + fleet.bound,
        break_even=break_even,
        notes=notes,
    )


def _p90(draws: Draws) -> Decimal:
    return decimal_of_float(float(np.quantile(draws, 0.9)))


def break_even(fleet: Estimate, usd: Decimal, tokens: float, api: HostedApi) -> Decimal | None:
    """Tokens a month from which the fleet is cheaper than the API at P50; None: it never is.

    `usd`: what the run is expected to cost without storage.
    With one run a month, starting machines and the controller are paid once, and the rest grows with the tokens.
    """
    fixed = sum((fleet.items.get(name) or Decimal(0) for name in ONCE), Decimal(0))
    growing = max(Decimal(0), usd - fixed)
    each, asked = per_million(growing, tokens), per_million(api.least, tokens)
    if each is None or asked is None or asked <= each:
        return None
    return fixed / (asked - each) * 1_000_000
