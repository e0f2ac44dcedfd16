"""Choose among estimates: the cheapest that is on time and within the budget.

Pure. One kind of machine at a time so far; a mixed fleet by a solver builds on this seam.
"""

from collections.abc import Sequence
from decimal import Decimal
from math import ceil

from launcher.errors import Infeasible
from launcher.estimate import Estimate


def on_time(estimate: Estimate, deadline_hours: float | None) -> bool:
    """Whether the slow end makes the deadline."""
    return deadline_hours is None or estimate.hours.high <= deadline_hours


def affordable(estimate: Estimate, budget: Decimal | None) -> bool:
    """Whether the dear end is within the budget; an unknown price is not held against it."""
    return budget is None or estimate.usd is None or estimate.usd.p90 <= budget


def rank(estimate: Estimate) -> tuple[bool, Decimal, float, str]:
    """Known dollars first, fewer first; ties go to the faster, then by name."""
    kind = estimate.kind
    name = f"{kind.cloud}/{kind.region}/{kind.gpu}/{kind.spot}"
    usd = estimate.usd.p50 if estimate.usd else Decimal(0)
    return estimate.usd is None, usd, estimate.hours.mid, name


def cheapest(estimates: Sequence[Estimate], deadline_hours: float | None, budget: Decimal | None) -> Estimate:
    """The cheapest estimate that meets the limits.

    Raises:
        Infeasible: none does; the message names the limit that binds and the nearest value that would do.
    """
    if not estimates:
        raise Infeasible(
            "no machine fits the limits of the job and has a known price and speed",
            hint="loosen limits.gpus, clouds, regions or spot in the job file",
        )
    timely = [e for e in estimates if on_time(e, deadline_hours)]
    if not timely and deadline_hours is not None:
        best = min(estimates, key=lambda e: e.hours.high)
        raise Infeasible(
            f"nothing finishes in {deadline_hours:g} h; soonest: {best.machines} x {best.kind.gpu} on "
            f"{best.kind.cloud}, {best.hours.high:.1f} h (P90)",
            hint=f"set limits.deadline to {_up(best.hours.high)}, or raise limits.machines",
        )
    within = [e for e in timely if affordable(e, budget)]
    if not within:
        dear, best = min(((e.usd.p90, e) for e in timely if e.usd), key=lambda pair: (pair[0], rank(pair[1])))
        raise Infeasible(
            f"nothing costs at most ${budget}; cheapest in time: {best.machines} x {best.kind.gpu} on "
            f"{best.kind.cloud}, ${dear:.2f} (P90)",
            hint=f"set limits.budget to ${ceil(dear)}, or a later deadline",
        )
    return min(within, key=rank)


def _up(hours: float) -> str:
    """A duration for the job file that is not shorter."""
    return f"{ceil(hours * 60)}m" if hours < 2 else f"{ceil(hours)}h"
