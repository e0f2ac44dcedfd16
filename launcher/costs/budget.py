"""The budget guard: compare what a run has spent and committed with its budget.

Pure. Committed is what will be billed even if the run stops now: for each running machine its current lease, its
teardown, and the minimum that its cloud bills. Near the budget nothing new is started; at the budget the run stops.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from launcher.costs.usage.attribution import MICROSECOND
from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.spend import Spend
from launcher.money import MICROSECONDS_PER_HOUR, USD_GRAIN, ZERO
from launcher.planning.estimates.launching import TEARDOWN_SECONDS
from pricing.charges.billing_rules import NO_TIME, billing_rule

HOLD_AT = Decimal("0.9")  # share of the budget: no new leases, no new machines (docs/architecture.md#money)
BILLED_TEARDOWN = timedelta(
    seconds=TEARDOWN_SECONDS
)  # a rented machine is billed this long after it was to stop
DEFAULT_SHARD_TIME = timedelta(seconds=60)  # time per shard of a rented fleet, until the run has measured it
MAX_UNATTENDED_HOURS = Decimal(24 * 366)  # further than that no moment needs to be named
ATTENDED = timedelta(
    minutes=10
)  # the least time that machines have while a launcher steers and money is left
LAST_LEASES = timedelta(minutes=2)  # until all machines have read an allowance, and have done their shards
MAX_LEASE_TIME = timedelta(minutes=10)  # the longest time that one lease is assumed to occupy a machine


class BudgetAction(StrEnum):
    """What the budget allows."""

    GO = "go"
    HOLD = "hold"  # no new leases, no new machines
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """What a run has spent and committed in USD. `complete`: no part of `spent` is unknown."""

    spent: Decimal
    committed: Decimal
    complete: bool
    usd_per_hour: Decimal  # of the machines that run now, as far as their prices are known

    @property
    def spent_and_committed(self) -> Decimal:
        return self.spent + self.committed


@dataclass(frozen=True, slots=True)
class OtherSpend:
    """Money of a run that this ledger does not have: machines of other launchers (`launcher.costs.shared_spend`)."""

    usd: Decimal = ZERO
    committed: Decimal = ZERO
    usd_per_hour: Decimal = ZERO


NO_OTHER_SPEND = OtherSpend()


def budget_action(spent_and_committed: Decimal, budget: Decimal | None) -> BudgetAction:
    """Decide by the budget whether a run may go on; None: no budget."""
    if budget is None or spent_and_committed < budget * HOLD_AT:
        return BudgetAction.GO
    return BudgetAction.HOLD if spent_and_committed < budget else BudgetAction.STOP


def budget_status(
    machines: Sequence[MachineTime],
    spend: Spend,
    now: datetime,
    shard: timedelta | None,
    other: OtherSpend = NO_OTHER_SPEND,
) -> BudgetStatus:
    """Compute what is spent and committed. `shard`: measured time per shard, None before the first."""
    running = [m for m in machines if m.ended is None]
    committed = sum((_committed(m, now, shard) for m in running), ZERO)
    hourly = sum((rate for m in running if (rate := hourly_rate(m, now)) is not None), ZERO)
    return BudgetStatus(
        spent=spend.known_usd + other.usd,
        committed=committed + other.committed,
        complete=spend.usd is not None,
        usd_per_hour=hourly + other.usd_per_hour,
    )


def unattended_time(limit: Decimal, spent_and_committed: Decimal, usd_per_hour: Decimal) -> timedelta | None:
    """How long machines at this price may work without a launcher, before a limit is reached; None: for ever.

    The limit is held at `HOLD_AT`, like a budget with a launcher: the rest pays for the shards in hand and the teardown.
    """
    if usd_per_hour <= 0:
        return None
    left = max(ZERO, limit * HOLD_AT - spent_and_committed)
    hours = min(left / usd_per_hour, MAX_UNATTENDED_HOURS)
    return timedelta(hours=float(hours))


def attended_time(limit: Decimal, spent_and_committed: Decimal, usd_per_hour: Decimal) -> timedelta | None:
    """The same for machines of a steered run while its launcher is at work, which may use the last tenth, too.

    At most ATTENDED where they had less without one, for it may be gone at any moment; and it ends LAST_LEASES before the
    limit: in this time they learn of it, and finish the shards in hand.
    """
    time = unattended_time(limit, spent_and_committed, usd_per_hour)
    if time is None or time >= ATTENDED:
        return time
    hours = min(max(ZERO, limit - spent_and_committed) / usd_per_hour, MAX_UNATTENDED_HOURS)
    return max(time, min(ATTENDED, timedelta(hours=float(hours)) - LAST_LEASES))


def used_up_message(budget: Decimal | None, spent: Decimal | None) -> str:
    """What the user reads when a budget is reached, or set below what is spent. USD; unknown is `$?`."""
    amount = "?" if spent is None else f"{spent:.4f}"
    if budget is not None and spent is not None and spent < budget * HOLD_AT / 2:
        return f"the budget of ${budget} covers no further machine: ${amount} spent"
    return f"the budget of ${'?' if budget is None else budget} is used up: ${amount} spent"


def hourly_rate(machine: MachineTime, now: datetime) -> Decimal | None:
    """The current price of a machine per hour; None if unknown."""
    past = [usd for at, usd in machine.rates if at <= now]
    return past[-1] if past else machine.usd_per_hour


def _committed(machine: MachineTime, now: datetime, shard: timedelta | None) -> Decimal:
    """USD that one running machine will still cost if it is stopped now; 0 if its price is unknown."""
    rate = hourly_rate(machine, now)
    if rate is None:
        return ZERO
    rented = machine.cloud != "local"
    lease = NO_TIME
    if machine.ready and not machine.stopping:  # on average it is in the middle of a lease
        default = DEFAULT_SHARD_TIME if rented else NO_TIME
        lease = min(MAX_LEASE_TIME, default if shard is None else shard) / 2
    minimum = machine.started + billing_rule(machine.cloud).minimum - now
    time = max(lease + (BILLED_TEARDOWN if rented else NO_TIME), minimum, NO_TIME)
    return (Decimal(time // MICROSECOND) * rate / MICROSECONDS_PER_HOUR).quantize(USD_GRAIN)
