"""The budget against the deadline: free, tight or in conflict, and what each allows. The budget is never passed. Pure."""

from dataclasses import dataclass

from launcher.steering.course import BudgetPressure
from launcher.steering.forecast import Dollars, Money
from launcher.steering.market.supply import SECONDS_PER_HOUR
from launcher.steering.reconciliation import Reconciliation
from launcher.steering.safety_net import SafetyNet
from launcher.steering.situation import MachinePhase, WhenShort

UNBOUNDED = 1_000_000  # machines: the budget sets no bound
PRICE_JUMP = 1.5  # a price may rise so many times between two looks
# A rented machine is billed this long after its last shard (`launcher.planning.estimates.launching`).
TEARDOWN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class BudgetRules:
    """What the budget allows now.

    `ceiling`: USD a token that a machine may cost at most unless the net needs it; None: any. `net`: whether on-demand
    machines may start for the deadline. `reserve`: whether they may start before they must. `stop`: the run drains.
    """

    budget_pressure: BudgetPressure
    ceiling: float | None = None
    net: bool = True
    reserve: bool = True
    stop: bool = False
    why: str = ""


def rules_of(
    current: Reconciliation, usd: Dollars | None, money: Money, net: SafetyNet | None, on_demand: float | None
) -> BudgetRules:
    """How hard the budget presses, and what that allows.

    `on_demand`: USD a token of the cheapest machine on demand, without egress.
    """
    left, tokens = money.left, current.situation.tokens_left
    if left is None:
        return BudgetRules(BudgetPressure.FREE)
    if left <= burn_until_next_look(current):
        return BudgetRules(
            BudgetPressure.CONFLICT,
            net=False,
            reserve=False,
            stop=True,
            why=f"${left:.2f} of the budget is left",
        )
    if (
        current.kinds
        and not current.situation.machines
        and not any(affordable(current, money, n) for n in current.kinds)
    ):
        why = f"${left:.2f} of the budget is left, which covers no further machine"
        return BudgetRules(BudgetPressure.CONFLICT, net=False, reserve=False, stop=True, why=why)
    if usd is None or usd.p90 <= left:
        return BudgetRules(BudgetPressure.FREE)
    ceiling = left / tokens if tokens > 0 else None
    only_net = net is not None and net.margin <= 2 * net.free_rate * current.steering.look_seconds
    short = only_net and on_demand is not None and on_demand * tokens > left
    if usd.p50 <= left and not short:
        why = f"may cost up to ${money.bound + usd.p90:.2f} (P90), the budget is ${money.budget:.2f}"
        return BudgetRules(BudgetPressure.TIGHT, ceiling=ceiling, reserve=False, why=why)
    why = f"needs ${money.bound + usd.p50:.2f} (P50) for the deadline, the budget is ${money.budget:.2f}"
    rule = current.steering.when_short
    serves = rule == WhenShort.DEADLINE
    return BudgetRules(
        BudgetPressure.CONFLICT,
        ceiling=None if serves else ceiling,
        net=serves or (rule == WhenShort.LATE and not short),
        reserve=False,
        stop=rule == WhenShort.STOP,
        why=why,
    )


def burn_until_next_look(current: Reconciliation) -> float:
    """USD that all machines cost until the look after the next one and the end of their shards, at a price that jumps.

    Those that are asked for may be there a moment after this look.
    """
    seconds = 2 * current.steering.look_seconds + current.steering.shard_seconds
    held = [current.kinds[m.kind] for m in current.situation.machines if m.kind in current.kinds]
    return PRICE_JUMP * sum(kind.usd_per_hour or 0.0 for kind in held) * seconds / SECONDS_PER_HOUR


def affordable(current: Reconciliation, money: Money, number: int) -> int:
    """How many more machines of a kind the budget covers: each its answer, its cold start, two looks and its teardown.

    Machines that are asked for and not there yet are covered first.
    """
    if money.left is None:
        return UNBOUNDED
    asked = sum(_until_it_works(current, m.kind) for m in current.machines if m.phase == MachinePhase.ASKED)
    asked += sum(_until_it_works(current, kind) * count for kind, count in current.asks.items())
    each = _until_it_works(current, number)
    left = money.left - burn_until_next_look(current) - asked
    return max(0, int(left / each)) if each > 0 else UNBOUNDED


def _until_it_works(current: Reconciliation, number: int) -> float:
    """USD of a machine of this kind until it has worked for two looks, and is gone."""
    kind = current.kinds.get(number)
    if kind is None or kind.usd_per_hour is None:
        return 0.0
    seconds = kind.cold_start_p90 + 2 * current.steering.look_seconds + TEARDOWN_SECONDS
    return kind.usd_per_hour * seconds / SECONDS_PER_HOUR
