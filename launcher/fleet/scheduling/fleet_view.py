"""What the policy of a fleet sees: groups of machines, machines, and the state of the run. Values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.fleet.scheduling.placement import PlacementFailure
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import MachineState
from launcher.steering.course import BudgetPressure
from launcher.steering.situation import Steering
from tasks.skypilot_task import Place

# A worker may live so long after the last shard; the next look of one that waits for shards is sooner.
HANG_TIMEOUT = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class FleetGroup:
    """Machines of one kind. `name` begins their names; `places` is empty for this machine. Prices are of one machine."""

    number: int
    slots: int
    name: str
    places: tuple[Place, ...] = ()
    counts: tuple[int, ...] = ()  # machines that the plan has in each place
    workers: int = 1  # of a machine
    cold_start: float = 0.0  # seconds from a machine that is there until it embeds
    tokens_per_second: float | None = None  # of a machine
    gpu: str = "cpu"
    gpus: float | None = None
    purchase: str | None = None
    disk_gb: float | None = None
    usd_per_hour: Decimal | None = None  # where the place has no price of its own
    tokens_per_second_p10: float | None = None  # of a machine, at the slow end; None: as `tokens_per_second`
    cold_start_p90: float | None = None  # None: as `cold_start`
    egress_usd_per_token: float = 0.0

    @property
    def rented(self) -> bool:
        return bool(self.places)


@dataclass(frozen=True, slots=True)
class MachineView:
    """A machine, alive or not. `shards` have receipts by it; `earlier`: it ended before this launch."""

    name: str
    slot: int
    state: MachineState
    ended: datetime | None
    shards: int
    earlier: bool = False
    group: int = 0
    phase: Phase = Phase.RUNNING
    infra: str | None = None  # where it is, or was last
    requested: datetime | None = None  # when it was intended
    up: datetime | None = None  # when its present life began to run; None: not there yet
    refused: bool = False  # it waits, and its places have said that they have none
    leaving: bool = False  # it was ordered to drain


@dataclass(frozen=True, slots=True)
class FleetView:
    """All that the policy knows. `workers` are in the order in which they were intended."""

    run: str
    groups: tuple[FleetGroup, ...]
    workers: Sequence[MachineView]
    shards: int
    done: int
    draining: bool
    spent: Decimal | None = None
    committed: Decimal = Decimal(0)  # bound to be spent: leases under way, teardown, minimum billing
    budget: Decimal | None = None
    finished: datetime | None = None  # when every shard had a receipt
    interrupts: int = 0  # how often the user asked to stop
    tokens_left: float | None = None
    failures: Sequence[PlacementFailure] = field(default_factory=list[PlacementFailure])
    hang_timeout: timedelta = HANG_TIMEOUT
    # The highest number of each beginning of a name, of machines of other launchers (`slots.add_taken`).
    taken: Mapping[str, int] = field(default_factory=dict[str, int])
    steering: Steering | None = None  # None: the plan's groups and places, whatever happens
    budget_pressure: BudgetPressure = BudgetPressure.FREE  # of the last course that was decided
