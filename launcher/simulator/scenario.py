"""What is simulated: the kinds of machines that may be rented, the work, the limits, and how the world differs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.planning.estimates.estimate import SHARD_SECONDS
from launcher.steering.situation import LAUNCHES_PER_SECOND
from tasks.skypilot_task import Place

SPOT, ON_DEMAND = "spot", "on-demand"
FIRST_MINUTE = 60.0  # seconds of work after which a machine's speed is known
RUN_NAME = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A machine type in one place under one purchase kind. Speed and price are of one machine.

    `usd_per_hour` is the planned price: a trace with prices moves it.
    """

    place: Place
    purchase: str  # SPOT or ON_DEMAND
    cap: int  # machines at most
    usd_per_hour: float
    tokens_per_second: float
    tokens_per_second_p10: float
    cold_start: float  # seconds, the median
    cold_start_p90: float
    gpu: str = ""
    gpus: float = 1.0  # of a machine
    infra: str = field(init=False)  # the place, as SkyPilot names it

    def __post_init__(self) -> None:
        object.__setattr__(self, "infra", self.place.infra)

    @property
    def spot(self) -> bool:
        return self.purchase == SPOT

    @property
    def usd_per_token(self) -> float:
        return self.usd_per_hour / 3600 / self.tokens_per_second

    @property
    def key(self) -> tuple[str, str | None, str]:
        """What tells it from other kinds."""
        return self.infra, self.place.instance_type, self.purchase


@dataclass(frozen=True, slots=True)
class Outage:
    """A place (and all whose names begin with it) has no machine between two times, in seconds of the run."""

    place: str
    begin: float
    end: float

    def covers(self, place: str) -> bool:
        return place == self.place or place.startswith(f"{self.place}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The work, the limits and the kinds. Times are seconds, `deadline` from the start of the run."""

    kinds: tuple[Kind, ...]
    tokens: float
    deadline: float
    machines: int  # at most, of all kinds together
    most_on_demand: int | None = None  # of them on demand; None: all
    fleet: tuple[FleetGroup, ...] = ()  # the fixed fleet of the plan, for the static policy
    budget: Decimal | None = None
    shard_tokens: float
    teardown: float = 60.0  # seconds that a machine is billed after it was to end
    outages: tuple[Outage, ...] = ()
    no_on_demand: float = 0.0  # the share of the time in which no machine can be had on demand
    slower: float = 1.0  # true speed as a share of the planned one
    launches_per_second: float = LAUNCHES_PER_SECOND  # at which machines that are asked for come up together
    probes: int = 0  # machines beyond `machines` that may be asked for while others are replaced

    @property
    def on_demand(self) -> tuple[int, ...]:
        """Positions of the kinds on demand, the cheapest token first."""
        found = [n for n, kind in enumerate(self.kinds) if not kind.spot]
        return tuple(sorted(found, key=lambda n: self.kinds[n].usd_per_token))

    @property
    def spot(self) -> tuple[int, ...]:
        """Positions of the spot kinds, the cheapest token first."""
        found = [n for n, kind in enumerate(self.kinds) if kind.spot]
        return tuple(sorted(found, key=lambda n: self.kinds[n].usd_per_token))


def groups_of(kinds: Sequence[Kind]) -> tuple[FleetGroup, ...]:
    """Each kind as a group of its own, as a steered fleet has them."""
    return tuple(
        FleetGroup(
            number=number,
            slots=kind.cap,
            name=f"{RUN_NAME}-l{number}m",
            places=(kind.place,),
            counts=(kind.cap,),
            cold_start=kind.cold_start,
            tokens_per_second=kind.tokens_per_second,
            gpu=kind.gpu,
            gpus=kind.gpus,
            purchase=kind.purchase,
            usd_per_hour=kind.place.usd_per_hour,
            tokens_per_second_p10=kind.tokens_per_second_p10,
            cold_start_p90=kind.cold_start_p90,
        )
        for number, kind in enumerate(kinds)
    )


def fixed_fleet(
    kinds: Sequence[Kind], tokens: float, deadline: float, machines: int
) -> tuple[FleetGroup, ...]:
    """The fewest spot machines that would be done in time if all came at once, in the cheapest places; one group.

    What a plan without a forecast of capacity chooses: the slow end of the speed and of the cold start, and half a
    shard more. Without a spot kind it is a fleet on demand.
    """
    chosen = [kind for kind in kinds if kind.spot] or list(kinds)
    chosen.sort(key=lambda kind: kind.usd_per_token)
    slow = min(kind.tokens_per_second_p10 for kind in chosen)
    time = deadline - max(kind.cold_start_p90 for kind in chosen) - SHARD_SECONDS / 2
    count = machines if time <= 0 else min(machines, max(1, -(-tokens // (slow * time)).__int__()))
    places, counts, left = list[Place](), list[int](), count
    for kind in chosen:
        if left <= 0:
            break
        places.append(kind.place)
        counts.append(min(left, kind.cap))
        left -= counts[-1]
    first = chosen[0]
    return (
        FleetGroup(
            number=0,
            slots=sum(counts),
            name=f"{RUN_NAME}-l0m",
            places=tuple(places),
            counts=tuple(counts),
            cold_start=first.cold_start,
            tokens_per_second=first.tokens_per_second,
            gpu=first.gpu,
            gpus=first.gpus,
            purchase=first.purchase,
            usd_per_hour=first.place.usd_per_hour,
        ),
    )


@dataclass(frozen=True, slots=True)
class Curve:
    """How one run went, a point every few minutes: hours, USD, share of the work, spot machines, machines on demand."""

    hours: list[float] = field(default_factory=list[float])
    usd: list[float] = field(default_factory=list[float])
    done: list[float] = field(default_factory=list[float])
    spot: list[int] = field(default_factory=list[int])
    on_demand: list[int] = field(default_factory=list[int])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """How one simulated run ended. `hours` is None where it was not done within the time that was simulated."""

    hours: float | None
    late: bool
    usd: float
    usd_on_demand: float
    starts: int  # machines that came up
    asks: int
    losses: int  # machines that were taken
    most_machines: int  # asked for and held, at any moment
    over_budget: bool  # it cost more than the budget
    looks: int
    curve: Curve
