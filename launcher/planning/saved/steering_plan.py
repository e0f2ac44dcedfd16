"""The section `steering` of a saved plan: how the fleet is steered, what is expected then, and what may be rented.

Pure: types alone, as in `saved_plan`. The envelope is all that a launch may rent, in order of dollars a token; the plan's
digest covers it, so what was agreed to cannot grow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from launcher.jobs.job import Steer
from launcher.planning.estimates.quantiles import HoursQuantiles, UsdQuantiles


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeredKind:
    """One place, machine type and purchase kind that the launch may rent. Prices and speeds are of one machine.

    `machines`: at most, by quota, limits and what is known, or assumed, to be obtainable there. Seconds are from the
    request until it embeds, at the median and at the slow end. Egress is part of `usd_per_million_tokens`; its parts
    without a price count as the most that they cost.
    """

    cloud: str
    region: str
    zone: str | None
    instance_type: str
    gpu: str
    gpus_per_machine: float
    spot: bool
    machines: int
    workers: int
    usd_per_hour: Decimal
    usd_per_million_tokens: Decimal
    tokens_per_second: float
    tokens_per_second_p10: float
    cold_start_seconds: float
    cold_start_seconds_p90: float
    egress_usd_per_million_tokens: Decimal = Decimal(0)

    @property
    def egress_usd_per_token(self) -> float:
        return float(self.egress_usd_per_million_tokens) / 1e6


@dataclass(frozen=True, slots=True)
class SharedQuota:
    """GPUs that these kinds, by their positions in the envelope, may have together at one moment."""

    kinds: tuple[int, ...]
    gpus: float


@dataclass(frozen=True, slots=True)
class PlacePrior:
    """What earlier runs on this laptop saw of a place, weighted by age: events, and hours in which it was observed."""

    place: str  # as SkyPilot names it: cloud/region or cloud/region/zone
    gpu: str
    purchase: str
    falls: float  # times that it took machines
    hours_up: float
    returns: float  # times that it had machines again
    hours_down: float


@dataclass(frozen=True, slots=True)
class Envelope:
    """All that the launch may rent: kinds, the cheapest a token first, and machines at one moment at most."""

    kinds: tuple[SteeredKind, ...]
    machines: int
    on_demand: int
    quotas: tuple[SharedQuota, ...] = ()


@dataclass(frozen=True, slots=True)
class ShareQuantiles:
    """P50 and P90 of a share, from 0 to 1. None: not known."""

    p50: float
    p90: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeringPlan:
    """How the fleet is steered, and what is expected then. None: not known.

    Chances are shares from 0 to 1; `chance_late` holds if what `assumes` says is true. `usd` has the safety net in it:
    machines on demand where spot fails. `items` are its parts at P50 by name (None: no price is known); `unpriced` names
    those that lack a price in whole or in part, each with the most in USD that the missing part costs (None: no bound).
    `priors`: what the forecast and the launch know of places from earlier runs.
    """

    policy: Steer
    usd: UsdQuantiles
    hours: HoursQuantiles | None
    on_demand_share: ShareQuantiles | None  # of the dollars
    chance_late: float | None
    chance_over_budget: float | None
    assumes: tuple[str, ...]
    envelope: Envelope
    priors: tuple[PlacePrior, ...] = ()
    items: Mapping[str, Decimal | None] = field(default_factory=dict[str, Decimal | None])
    unpriced: Mapping[str, Decimal | None] = field(default_factory=dict[str, Decimal | None])

    @property
    def expects(self) -> bool:
        """Whether dollars and hours are known: then they, and not those of the planned machines, are what counts."""
        return self.usd.p50 is not None and self.hours is not None
