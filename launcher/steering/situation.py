"""What steering decides by: the market, the machines, the work, the money and the time that are left. Values only.

Seconds are `float`, prices are USD an hour, speeds are tokens a second of one machine. A *kind* is one place, GPU type,
machine size and purchase: what `launcher.fleet` calls a group when a run is steered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

SPOT, ON_DEMAND = "spot", "on-demand"
AUTOPILOT = "autopilot"  # spot, with on-demand machines as the safety net
ONLY_ON_DEMAND = "on-demand"  # no spot
STATIC = (
    "static"  # the plan's machines, whatever happens: `launcher.fleet.scheduling.policy` without steering
)
ANSWER_SECONDS = 120.0  # until SkyPilot has tried a place once: 1 to 3 minutes
LOOK_SECONDS = 60.0  # between two looks of a launcher, at most
# 8 launches at a time for each process of SkyPilot's controller, of 2 to 3.5 minutes each
# (`launcher.planning.estimates.launching`)
LAUNCHES_PER_SECOND = 8 / 180.0


class AnswerKind(StrEnum):
    """What a place answered."""

    CAME = "CAME"  # machines that were asked for are there
    NONE = "NONE"  # it had none, or no more
    TAKEN = "TAKEN"  # it took machines away


class WhenShort(StrEnum):
    """What gives way when the budget does not pay for the deadline. The budget itself never does."""

    LATE = "late"  # the deadline: on demand only as far as the money goes
    STOP = "stop"  # the run: it drains
    DEADLINE = (
        "deadline"  # nothing until the budget is reached: the deadline is served as long as there is money
    )


PlaceKey = tuple[str, str, str]  # place, GPU type and purchase: what beliefs are held about


@dataclass(frozen=True, slots=True)
class Answer:
    """What a place answered at one look.

    `place` is SkyPilot's infra (cloud/region/zone), `gpu` our name of the GPU type, `purchase` "spot" or "on-demand".
    `count`: machines that came, were refused or were taken. `held`: machines held there directly after the answer. All
    answers of one kind of one place at one moment are one event, however many machines they are about.
    """

    place: str
    gpu: str
    purchase: str
    at: datetime
    what: AnswerKind
    count: int = 1
    held: int = 0

    @property
    def key(self) -> PlaceKey:
        return (self.place, self.gpu, self.purchase)


@dataclass(frozen=True, slots=True)
class Belief:
    """What is known of a place, folded from its answers (`beliefs.learn`). Hours are those in which it was observed."""

    falls: float = 0.0  # events in which it took machines
    hours_up: float = 0.0
    returns: float = 0.0  # events in which it had machines again
    hours_down: float = 0.0
    up: bool | None = None  # as it was last seen
    seen: datetime | None = None  # when it answered last
    held: int = 0  # machines held there after that answer
    most: int | None = None  # machines that it has at most, by its last refusal or loss; None: no bound seen
    refusals: int = 0  # looks in a row at which it had none or took some, without one at which machines came
    refused: datetime | None = None  # the last of them


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of a machine an hour now; None: unknown, and then no machine is asked for."""

    usd_per_hour: Decimal | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Speed:
    """Measured speed as a share of the planned one. `spread`: standard deviation of its logarithm."""

    ratio: float
    spread: float
    machines: int = 1  # that it was measured on


@dataclass(frozen=True, slots=True)
class Quota:
    """GPUs that the kinds of these numbers may have together at one moment: a quota of the account."""

    kinds: frozenset[int]
    gpus: float


@dataclass(frozen=True, slots=True)
class Limits:
    """How many machines may be held or asked for at one moment. None: no limit but the kinds' own caps.

    `probes`: machines that may be asked for and held beyond `machines` while machines are replaced by cheaper ones; each
    that comes ends a dearer machine, at the same look or, where the deadline has no time for its cold start, once it
    works and the dearer one could be started again in time. 0 where `machines` is a quota.
    """

    machines: int | None = None
    on_demand: int | None = None
    quotas: tuple[Quota, ...] = ()
    probes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """What a steered run has beyond a static one.

    `deadline` None: as cheap as possible. `answers`: those that are not yet in `beliefs`, oldest first; a caller may
    pass all answers of the run each time, or fold old ones with `beliefs.learn` to save time: the result is the same.
    `quotes`: prices now by number of the group; a group without one has the price of the plan. `pace`: measured speed by
    GPU type. `launches_per_second`: how fast machines that are asked for come up together.
    """

    started: datetime
    deadline: datetime | None = None
    tokens_left_p90: float | None = None  # None: as expected
    answers: Sequence[Answer] = ()
    beliefs: Mapping[PlaceKey, Belief] = field(default_factory=dict[PlaceKey, Belief])
    quotes: Mapping[int, Quote] = field(default_factory=dict[int, Quote])
    pace: Mapping[str, Speed] = field(default_factory=dict[str, Speed])
    limits: Limits = Limits()
    launches_per_second: float = LAUNCHES_PER_SECOND
    look_seconds: float = LOOK_SECONDS
    policy: str = AUTOPILOT
    when_short: WhenShort = WhenShort.LATE
    planned_seconds: float | None = None  # P50 of the plan: the horizon where there is no deadline
    answer_seconds: float = ANSWER_SECONDS  # until an ask is answered, at the slow end
    obtainable: float = 1.0  # share of the time in which a place on demand has machines
    agreed_usd: float | None = None  # the P90 of the plan, which the launch named; None: it named none
    shard_seconds: float = 60.0  # of one shard on one machine, at the slow end: the last one may take so long


class MachinePhase(StrEnum):
    """Where a machine of a kind is. Machines that are ending are not in the situation."""

    ASKED = "asked"  # not there yet
    COLD = "cold"  # there and paid, does not embed yet
    WORKING = "working"


class Machine(msgspec.Struct, frozen=True):
    """A machine that is asked for (`seconds`: since the request) or held (`seconds`: since it is there).

    A structure of msgspec: each look makes one of every machine, in a tenth of a dataclass's time.
    """

    name: str
    kind: int
    phase: MachinePhase
    seconds: float
    leaving: bool = False  # it drains


@dataclass(frozen=True, slots=True)
class Kind:
    """What may be rented now. `usd_per_hour` None: unknown. `cold_start`: seconds from its answer to the first token.

    `egress_usd_per_token`: of the way of texts and vectors, the parts without a price at the most that they cost.
    """

    number: int
    key: PlaceKey
    cap: int  # machines at most
    usd_per_hour: float | None
    tokens_per_second: float
    tokens_per_second_p10: float
    cold_start: float
    cold_start_p90: float
    gpus: float = 1.0
    workers: int = 1
    egress_usd_per_token: float = 0.0
    may_start: int = 0  # free slots that may have a machine now

    @property
    def spot(self) -> bool:
        return self.key[2] == SPOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that `decide` knows. `now` is the moment of the look."""

    now: datetime
    kinds: Sequence[Kind]  # those that were given up are not in it
    machines: Sequence[Machine]
    tokens_left: float
    steering: Steering
    spent: float = 0.0  # USD
    committed: float = 0.0
    budget: float | None = None
    shards_left: int | None = None
