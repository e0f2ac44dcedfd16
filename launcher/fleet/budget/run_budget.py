"""The limit of a run, what is spent of it, and the allowance of its machines, while a launcher follows the run.

Several launchers may follow one run, each with a ledger of its own. So the limit and the spend are read from the store
beside the run, and what this launcher knows is written there: before machines are requested, whenever one more of them
costs money, and once a minute. A laptop never spends more than was agreed on it, nor more than the latest amount that
was agreed anywhere.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from launcher.costs.budget import (
    NO_OTHER_SPEND,
    BudgetAction,
    BudgetStatus,
    attended_time,
    budget_action,
    unattended_time,
)
from launcher.costs.run_costs import budget_status_of, lives_so_far
from launcher.costs.shared_spend import (
    LOCAL,
    DatedRecord,
    Elsewhere,
    LifeSpend,
    SpendRecord,
    spent_elsewhere,
)
from launcher.fleet.backends.base import Backend
from launcher.fleet.budget.agreement import latest_agreement, this_user
from launcher.fleet.budget.recorded_spend import doubtful_lives, note_elsewhere
from launcher.fleet.budget.spend_records import SpendRecords
from launcher.fleet.budget.takeover import ended_lives, unrecorded_lives
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.scheduling.slots import add_taken
from launcher.fleet.scheduling.states import ALIVE
from launcher.ledger.ledger import Ledger
from launcher.money import ZERO
from tasks.clock import utc
from tasks.protocol.keys import machine_claim_key, machine_claims_prefix
from tasks.protocol.messages import allowance
from tasks.protocol.messages.allowance import Allowance
from tasks.stores.base import Store, create_once, list_all

READ_SECONDS = 5.0  # between two looks at what other launchers wrote
WRITE_SECONDS = (
    60.0  # between two records, while nothing changed but the time; others reckon with the price meanwhile
)
LOCAL_TAKEOVER_SECONDS, RENTED_TAKEOVER_SECONDS = (
    30.0,
    600.0,
)  # between two questions after open lives of others
EXTENSION = timedelta(minutes=1)  # an allowance is written again when it has moved by this, or became shorter
LEAST_UNLIMITED = timedelta(hours=1)  # the allowance of a run without a limit, while a launcher follows it
UNLIMITED_FACTOR = (
    2  # of the planned P90, what machines without a launcher may cost where no limit was agreed
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPrices:
    """What the plan says of a run's money. Prices are of a machine an hour, None where the plan has none."""

    cloud: str  # "local", or that of the first group
    by_group: Mapping[int | None, Decimal | None]  # the highest of a group's places
    p90: Decimal | None

    @property
    def rented(self) -> bool:
        return self.cloud != LOCAL

    @property
    def highest(self) -> Decimal | None:
        """What a machine is taken to cost where its own price is not known."""
        return max((usd for usd in self.by_group.values() if usd is not None), default=None)


def run_prices(groups: Sequence[FleetGroup], p90: Decimal | None) -> RunPrices:
    """The prices of a run with these groups of machines."""
    by_group: dict[int | None, Decimal | None] = {}
    for group in groups:
        known = [
            usd for usd in (group.usd_per_hour, *(p.usd_per_hour for p in group.places)) if usd is not None
        ]
        by_group[group.number] = max(known, default=None)
    clouds = [place.cloud for group in groups for place in group.places]
    return RunPrices(cloud=clouds[0] if clouds else LOCAL, by_group=by_group, p90=p90)


@dataclass(slots=True, kw_only=True)
class RunBudget:
    """The money of one run, for one launcher. `job_budget` is the job's own limit, which an agreement replaces."""

    ledger: Ledger
    store: Store
    run: str
    prices: RunPrices
    job_budget: Decimal | None
    backend: Backend
    all_gone: Callable[[], bool] = lambda: False
    clock: Callable[[], datetime] = utc
    monotonic: Callable[[], float] = time.monotonic
    launcher: str = field(default_factory=lambda: uuid4().hex[:12])
    # Whether the limit was near once: then this launcher starts nothing more. What is committed falls as machines drain,
    # and machines that are started with that money would only drain in turn.
    held: bool = False
    # Steering weighs each machine against what is left of the budget: then the last tenth may be used, too.
    steered: bool = False
    # The names of machines that other launchers requested, as `FleetView` has them.
    taken: dict[str, int] = field(default_factory=dict[str, int])
    elsewhere: Elsewhere = field(default_factory=lambda: Elsewhere(NO_OTHER_SPEND))
    _records: SpendRecords = field(init=False)
    _settled: list[LifeSpend] = field(default_factory=list[LifeSpend])  # of others, and over
    _agreed: Decimal | None = None
    _read_at: float | None = None
    _settled_at: float | None = None
    _written_at: float | None = None
    _written: frozenset[object] = frozenset()
    _until: datetime | None = None
    _allowance_sent: bool = False

    def __post_init__(self) -> None:
        self._records = SpendRecords(self.store, self.run, self.launcher)

    @property
    def limit(self) -> Decimal | None:
        """What the run may cost in all: the lowest of what was agreed here and what was agreed last anywhere."""
        here = self.ledger.costs.budget(self.run)
        known = [usd for usd in (self.job_budget if here is None else here, self._agreed) if usd is not None]
        return min(known, default=None)

    def status(self) -> BudgetStatus:
        """What is spent and committed, by all launchers."""
        found = budget_status_of(
            self.ledger,
            self.run,
            self.clock(),
            other=self.elsewhere.spend,
            fallback=self.prices.highest if self.prices.rented else None,
        )
        action = budget_action(found.spent_and_committed, self.limit)
        if action == BudgetAction.STOP or (action != BudgetAction.GO and not self.steered):
            self.held = True
        return found

    def look(self) -> Decimal:
        """USD that all launchers have spent until now. Writes nothing, so that it can be asked before a run goes on.

        Raises:
            Problem: a record cannot be read, or what became of machines cannot be asked.
        """
        records, mine = self._records.read(), self._own_lives()
        self._settled = list(self._unrecorded(records))
        self._compare(mine, records)
        if self.elsewhere.open:
            self.backend.refresh()
            self._settle(mine, records)
        known = self.ledger.runs.get(self.run) is not None
        return self.status().spent if known else self.elsewhere.spend.usd

    def take_over(self) -> None:
        """Learn what launchers before this one spent; call it once, before the first machine is requested.

        Raises:
            Problem: what was agreed or spent cannot be read.
        """
        self._settled = list(self._unrecorded(self._records.read()))
        begin = machine_claims_prefix(self.run)
        claimed = (entry.key.removeprefix(begin) for entry in list_all(self.store, begin))
        for name in (*claimed, *(life.machine for life in self._settled)):
            add_taken(self.taken, name)
        self.sync(force=True)

    def claim(self, machine: str) -> bool:
        """Whether this launcher may request a machine of this name: what it costs is counted under the name.

        A name of another launcher is in `taken` then.
        """
        if not self.prices.rented:
            return True
        body = f"{self.launcher} {uuid4().hex}".encode()
        if create_once(self.store, machine_claim_key(self.run, machine), body):
            return True
        add_taken(self.taken, machine)
        return False

    def sync(self, starting: Sequence[tuple[str, int]] = (), *, force: bool = False) -> None:
        """Exchange what is known of the run's money with other launchers.

        `starting`: names and groups of machines that are about to be requested. Then, and with `force`, the exchange is
        done now; else every few seconds.
        """
        now = self.monotonic()
        if not starting and not force and self._read_at is not None and now - self._read_at < READ_SECONDS:
            return
        self._read_at = now
        agreed = latest_agreement(self.store, self.run)
        self._agreed = agreed and agreed.usd
        mine = self._own_lives()
        records = self._records.read()
        self._compare(mine, records)
        pause = RENTED_TAKEOVER_SECONDS if self.prices.rented else LOCAL_TAKEOVER_SECONDS
        if self.elsewhere.open and (self._settled_at is None or now - self._settled_at >= pause):
            self._settled_at = now
            self._settle(mine, records)
        note_elsewhere(self.ledger, self.run, self.elsewhere, self.clock())
        coming = [self._coming(name, group) for name, group in starting if self.prices.rented]
        self._write([*mine, *coming, *self._settled], now, at_once=bool(starting) or force)
        self._allow(mine, coming)

    def _own_lives(self) -> list[LifeSpend]:
        return lives_so_far(self.ledger, self.run, self.clock(), self.prices.highest)

    def _coming(self, name: str, group: int) -> LifeSpend:
        """The first life of a machine that is about to be requested."""
        return LifeSpend(
            machine=name,
            life="0",
            cloud=self.prices.cloud,
            usd=ZERO,
            usd_per_hour=self._highest(group),
            started=self.clock(),
            ended=False,
        )

    def _unrecorded(self, records: Sequence[DatedRecord]) -> Iterator[LifeSpend]:
        known = {machine.name for machine in self.ledger.machines.of_run(self.run)}
        known |= {life.machine for dated in records for life in dated.record.lives}
        return unrecorded_lives(self.store, self.run, known, self.prices.highest, cloud=self.prices.cloud)

    def _compare(self, mine: Sequence[LifeSpend], records: Sequence[DatedRecord]) -> None:
        """Find out what others spent."""
        settled = DatedRecord(self._record(self._settled), timedelta(0))
        self.elsewhere = spent_elsewhere(mine, [*records, settled], doubtful_lives(self.ledger, self.run))

    def _settle(self, mine: Sequence[LifeSpend], records: Sequence[DatedRecord]) -> None:
        """Ask which of the lives that others left open have ended."""
        settled = DatedRecord(self._record(self._settled), timedelta(0))
        self._settled += list(
            ended_lives(
                self.elsewhere.open, [settled, *records], self.store, self.run, self.backend, self.all_gone
            )
        )
        self._compare(mine, records)

    def _record(self, lives: Sequence[LifeSpend]) -> SpendRecord:
        return SpendRecord(
            run=self.run, launcher=self.launcher, by=this_user(), at=self.clock(), lives=tuple(lives)
        )

    def _write(self, lives: Sequence[LifeSpend], now: float, *, at_once: bool) -> None:
        """Write our record, where it says something new."""
        facts = frozenset((life.key, life.usd_per_hour, life.ended) for life in lives)
        stale = self._written_at is None or now - self._written_at >= WRITE_SECONDS
        going = any(not life.ended for life in lives)
        if facts != self._written or (going and (stale or at_once)):
            self._records.write(self._record(lives))
            self._written, self._written_at = facts, now

    def _allow(self, mine: Sequence[LifeSpend], coming: Sequence[LifeSpend]) -> None:
        """Let the run's machines work without us for as long as the money that is left lasts."""
        if not self.prices.rented:
            return
        until = self._unattended_until(mine, coming)
        if until is None:
            if self._until is not None or not self._allowance_sent:
                self._send(None)
        elif self._until is None or until < self._until or until - self._until > EXTENSION:
            self._send(until)

    def _unattended_until(self, mine: Sequence[LifeSpend], coming: Sequence[LifeSpend]) -> datetime | None:
        limit, p90 = self.limit, self.prices.p90
        bound = limit if limit is not None else None if p90 is None else p90 * UNLIMITED_FACTOR
        if bound is None:
            return None
        living = {m.name: m.lot for m in self.ledger.machines.of_run(self.run, set(ALIVE))}
        going = {life.machine: life.usd_per_hour for life in mine if not life.ended}
        # A machine that is taken away may come back in the dearest place of its group.
        rates = [max(going.get(name, ZERO), self._highest(group)) for name, group in living.items()]
        rates += [life.usd_per_hour for life in coming]
        hourly = sum(rates, ZERO) + self.elsewhere.spend.usd_per_hour
        allowed = attended_time if self.steered else unattended_time
        time = allowed(bound, self.status().spent_and_committed, hourly)
        if time is None:
            return None
        return self.store.now() + (time if limit is not None else max(time, LEAST_UNLIMITED))

    def _highest(self, group: int | None) -> Decimal:
        known = self.prices.by_group.get(group)
        return known if known is not None else self.prices.highest or ZERO

    def _send(self, until: datetime | None) -> None:
        allowance.send(self.store, self.run, Allowance(until=until, at=self.clock()))
        self._until, self._allowance_sent = until, True
