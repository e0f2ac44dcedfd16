"""A canary: one machine on demand, where no machine has worked yet and no place has spot. Pure.

It measures the speed, which the safety net else takes at its slow end, and proves that machines on demand can be had
before the deadline rests on them.
"""

from launcher.format import duration
from launcher.steering.forecast import Money
from launcher.steering.level import Level
from launcher.steering.reconciliation import Reconciliation
from launcher.steering.rules.budget_rules import BudgetRules, affordable
from launcher.steering.safety_net import SafetyNet

LONGEST_SECONDS = 1_800.0  # without a machine that works, before the canary starts
SLACK_SHARE = (
    0.25  # or this share of the time for which machines on demand could wait at the start, if that is shorter
)


def start_canary(
    current: Reconciliation, level: Level, net: SafetyNet, rules: BudgetRules, money: Money
) -> int:
    """Ask for one machine on demand if no machine has shown yet how fast it is; return how many were asked for."""
    kind = level.listed
    if (
        kind is None
        or not rules.net
        or not rules.reserve
        or current.is_speed_known
        or not current.may_ask(kind)
    ):
        return 0
    if current.staying.on_demand or current.may_work_soon or net.margin_seconds is None:
        return 0
    gone = (current.now - current.steering.started).total_seconds()
    if gone < min(LONGEST_SECONDS, SLACK_SHARE * (net.margin_seconds + gone)):
        return 0
    if not current.room.of(kind) or not affordable(current, money, kind.number):
        return 0
    reason = (
        f"no machine has worked in {duration(gone)}: one on demand measures the speed and that there are some"
    )
    current.ask(kind, 1, what="canary", reason=reason, usd=current.start_usd(kind))
    return 1
