"""The budget against the deadline: free, tight or in conflict, and what each allows. The budget is never passed. Pure."""

from dataclasses import dataclass

from launcher.steering.course import Mood
from launcher.steering.forecast import Dollars, Money
from launcher.steering.look import Look
from launcher.steering.safety_net import Net
from launcher.steering.situation import MachinePhase, WhenShort
from launcher.steering.supply import SECONDS_PER_HOUR

UNBOUNDED = 1_000_000  # machines: the budget sets no bound
PRICE_JUMP = 1.5  # a price may rise so many times between two looks
# A rented machine is billed this long after its last shard (`launcher.planning.launching`).
TEARDOWN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class BudgetRules:
    """What the budget allows now.

    `ceiling`: USD a token that a machine may cost at most unless the net needs it; None: any. `net`: whether on-demand
    machines may start for the deadline. `reserve`: whether they may start before they must. `stop`: the run drains.
    """

    mood: Mood
    ceiling: float | None = None
    net: bool = True
    reserve: bool = True
    stop: bool = False
    why: str = ""


def rules_of(
    look: Look, usd: Dollars | None, money: Money, net: Net | None, on_demand: float | None
) -> BudgetRules:
    """The mood, and what it allows. `on_demand`: USD a token of the cheapest machine on demand."""
    left, tokens = money.left, look.situation.tokens_left
    if left is None:
        return BudgetRules(Mood.FREE)
    if left <= burn_until_next_look(look):
        return BudgetRules(
            Mood.CONFLICT, net=False, reserve=False, stop=True, why=f"${left:.2f} of the budget is left"
        )
    if look.kinds and not look.situation.machines and not any(affordable(look, money, n) for n in look.kinds):
        why = f"${left:.2f} of the budget is left, which covers no further machine"
        return BudgetRules(Mood.CONFLICT, net=False, reserve=False, stop=True, why=why)
    if usd is None or usd.p90 <= left:
        return BudgetRules(Mood.FREE)
    ceiling = left / tokens if tokens > 0 else None
    only_net = net is not None and net.margin <= 2 * net.free_rate * look.steering.look_seconds
    short = only_net and on_demand is not None and on_demand * tokens > left
    if usd.p50 <= left and not short:
        why = f"may cost up to ${money.bound + usd.p90:.2f} (P90), the budget is ${money.budget:.2f}"
        return BudgetRules(Mood.TIGHT, ceiling=ceiling, reserve=False, why=why)
    why = f"needs ${money.bound + usd.p50:.2f} (P50) for the deadline, the budget is ${money.budget:.2f}"
    rule = look.steering.when_short
    serves = rule == WhenShort.DEADLINE
    return BudgetRules(
        Mood.CONFLICT,
        ceiling=None if serves else ceiling,
        net=serves or (rule == WhenShort.LATE and not short),
        reserve=False,
        stop=rule == WhenShort.STOP,
        why=why,
    )


def burn_until_next_look(look: Look) -> float:
    """USD that all machines cost until the look after the next one and the end of their shards, at a price that jumps.

    Those that are asked for may be there a moment after this look.
    """
    seconds = 2 * look.steering.look_seconds + look.steering.shard_seconds
    held = [look.kinds[m.kind] for m in look.situation.machines if m.kind in look.kinds]
    return PRICE_JUMP * sum(kind.usd_per_hour or 0.0 for kind in held) * seconds / SECONDS_PER_HOUR


def affordable(look: Look, money: Money, number: int) -> int:
    """How many more machines of a kind the budget covers: each its answer, its cold start, two looks and its teardown.

    Machines that are asked for and not there yet are covered first.
    """
    if money.left is None:
        return UNBOUNDED
    asked = sum(_until_it_works(look, m.kind) for m in look.machines if m.phase == MachinePhase.ASKED)
    asked += sum(_until_it_works(look, kind) * count for kind, count in look.asks.items())
    each = _until_it_works(look, number)
    left = money.left - burn_until_next_look(look) - asked
    return max(0, int(left / each)) if each > 0 else UNBOUNDED


def _until_it_works(look: Look, number: int) -> float:
    """USD of a machine of this kind until it has worked for two looks, and is gone."""
    kind = look.kinds.get(number)
    if kind is None or kind.usd_per_hour is None:
        return 0.0
    seconds = kind.cold_start_p90 + 2 * look.steering.look_seconds + TEARDOWN_SECONDS
    return kind.usd_per_hour * seconds / SECONDS_PER_HOUR
