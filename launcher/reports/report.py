"""A run at one moment, next to its plan: the value that everything else in this package is made of.

Pure. It knows nothing of the clock, the ledger, the store, or how it will be shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.costs.run_rates import RunRates, ready_seconds, run_seconds
from launcher.costs.usage.lease_outcomes import UnproductiveLeases, find_unproductive_leases
from launcher.costs.usage.machine_time import LeaseTime, MachineTime
from launcher.costs.usage.spend import Spend
from launcher.costs.usage.work_done import WorkDone
from launcher.money import USD_GRAIN
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.document import ReportEvent, RowFailure, RunFacts, VectorHealth
from launcher.reports.sections.repeats import RepeatsDone
from launcher.reports.steering import SteeringFigures
from pricing.offer import Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run at one moment. Rows may be given in any order; they are kept in their natural order."""

    run: str
    name: str
    state: str
    created: datetime
    updated: datetime  # the moment
    plan: SavedPlan | None  # None: it cannot be read
    shards: int
    shards_done: int
    done: WorkDone  # what the receipts say
    machines: Sequence[MachineTime]
    leases: Sequence[LeaseTime]
    spend: Spend  # what `meter` made of these machines, receipts and leases
    failures: Sequence[RowFailure] = ()  # the first of them
    failed_rows: int = 0
    recorded_usd: Decimal | None = None  # spent, as launchers of the run wrote it into the store
    cut_short: int = 0  # damaged places behind which further rows are lost, whose number is unknown
    events: Sequence[ReportEvent] = ()
    clock_errors: Mapping[str, timedelta] = field(default_factory=dict[str, timedelta])  # by worker
    unpriced: Sequence[str] = ()  # what the dollars leave out, in words
    budget: Decimal | None = None
    offers: Sequence[Offer] = ()  # today's prices, for the counterfactuals
    ceilings: Mapping[str, float] = field(default_factory=dict[str, float])  # tokens/s of a GPU at most
    unreadable: Sequence[str] = ()  # keys of objects that cannot be read
    facts: RunFacts | None = None  # what was embedded, how, and where the vectors are
    vectors: VectorHealth | None = None  # of a sample; None: none could be looked at
    steering: SteeringFigures | None = None  # None: it was not steered
    repeats: RepeatsDone | None = None  # None: the run has no repeats run
    fruitless: UnproductiveLeases = field(init=False)  # the leases that gave no receipt

    def __post_init__(self) -> None:
        order = sorted(
            range(len(self.machines)), key=lambda i: (self.machines[i].started, self.machines[i].name)
        )
        lives = tuple(self.spend.lives[i] for i in order)
        fruitless = find_unproductive_leases(self.machines, self.done, self.leases, self.updated)
        self._set("machines", tuple(self.machines[i] for i in order))
        self._set("spend", replace(self.spend, lives=lives))
        self._set("events", tuple(sorted(self.events, key=lambda e: (e.at, e.kind, e.text))))
        self._set("fruitless", fruitless)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def tokens(self) -> int:
        """Tokens that were embedded."""
        return self.done.sums.tokens

    @property
    def tokens_embedded(self) -> int:
        """Tokens that the engine computed: those of texts that were embedded before are not among them."""
        sums = self.done.sums
        return sums.tokens - sums.tokens_repeated + (self.repeats.tokens if self.repeats else 0)

    @property
    def usd_saved(self) -> Decimal | None:
        """What the tokens that were not embedded would have cost, at this run's useful dollars a token."""
        usd, embedded = self.spend.usd, self.tokens_embedded
        if usd is None or embedded <= 0 or self.spend.total.usd is None:
            return None
        saved = Decimal(max(0, self.tokens - embedded))
        return (self.spend.total.usd["useful"] * saved / embedded).quantize(USD_GRAIN)

    @property
    def finished(self) -> bool:
        """Whether every shard has a receipt."""
        return len(self.done) > 0 and self.shards_done >= self.shards

    @property
    def span(self) -> timedelta:
        """From the run's creation to its last receipt, or to now while shards are open: the axis of the charts."""
        end = self.updated
        last = self.done.last_finished()
        if self.finished and last:
            end = min(end, last)
        return max(timedelta(0), end - self.created)

    @property
    def rates(self) -> RunRates:
        """Time, speed and cost per token."""
        first, last = self.done.first_started(), self.done.last_finished()
        return RunRates(
            seconds=run_seconds(self.machines, self.updated, first=first, last=last, finished=self.finished),
            ready_seconds=ready_seconds(self.machines, self.updated),
            tokens=self.tokens,
            finished=self.finished,
            usd=self.spend.usd,
        )
