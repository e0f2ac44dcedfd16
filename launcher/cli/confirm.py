"""Ask before money is spent."""

import sys
from decimal import Decimal

from launcher.errors import ConfirmationNeeded, Usage
from launcher.format import plural
from launcher.money import ONE, ZERO
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.planning.saved.steering_plan import SteeringPlan


def confirm_cost(
    plan: SavedPlan,
    *,
    yes: bool,
    most: Decimal | None,
    spent: Decimal = ZERO,
    left: Decimal = ONE,
    unknown: bool = False,
    limit: Decimal | None = None,
) -> None:
    """Ask whether to spend up to the plan's P90, and the bound of what has no price; the default is no.

    `yes` and `most` are --yes and --max-cost.

    `spent`: USD of the run so far. `left`: the share of its work that is not done. `unknown`: an unknown price is
    accepted. `limit`: what the run may cost in all, which is held while it runs.

    Raises:
        ConfirmationNeeded: the answer is no, there is no terminal to ask on, or the P90 is above `most`.
        Usage: `yes` without `most`.
    """
    machines = sum(group.machines for group in plan.lots)
    high = _rest(plan, left)
    total = None if high is None else spent + high
    cost = _cost(plan, left)
    going_on = spent > 0 or left < 1
    fleet = plural(machines, "machine")
    if plan.steering is not None:
        fleet = _steered_fleet(plan.steering)
    rent = f"{'going on' if going_on else 'launching'} rents {fleet} for {cost}"
    if plan.steering is not None and limit is not None:
        rent += f", never more than ${limit:.2f}"
    if spent > 0:
        rent += f", beside ${spent:.2f} that is spent"
    if yes and most is None:
        raise Usage(f"--yes needs a limit: {rent}", hint=f"--yes --max-cost ${_limit(total)}")
    if most is not None and ((total is None and not unknown) or (total is not None and total > most)):
        raise ConfirmationNeeded(
            f"{rent}, and --max-cost is ${most}", hint=f"--max-cost ${_limit(total)}, or plan for less"
        )
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfirmationNeeded(
            f"{rent}, and there is no terminal to ask on", hint=f"--yes --max-cost ${_limit(total)}"
        )
    question = rent.removeprefix("launching ").removeprefix("going on ")
    sys.stderr.write(f"This {question}. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfirmationNeeded("nothing was rented", hint="say y to go on")


def _steered_fleet(steering: SteeringPlan) -> str:
    """What may be rented, in words."""
    machines, net = steering.envelope.machines, steering.envelope.on_demand
    text = f"at most {plural(machines, 'machine')}"
    if net and any(kind.spot for kind in steering.envelope.kinds):
        text += f", and up to {net} of them on demand if spot fails,"
    return text


def check_max_cost(
    plan: SavedPlan, most: Decimal, *, spent: Decimal = ZERO, left: Decimal = ONE, unknown: bool = False
) -> None:
    """Refuse to go on with a run that may cost more than --max-cost. `spent`: USD so far; `left`: share of the work.

    Raises:
        ConfirmationNeeded: what is spent and the P90 of the rest exceed `most`, or the price is unknown.
    """
    rest = _rest(plan, left)
    if rest is None:
        if unknown:
            return
        raise ConfirmationNeeded(
            f"--max-cost is ${most}, and the plan has no known price: the limit could not be held",
            hint="give the price (local.usd_per_hour, or a price book) and plan again, or launch without --max-cost",
        )
    total = spent + rest
    if total > most:
        raise ConfirmationNeeded(
            f"run {plan.run} costs up to ${total:.2f} (P90{_of_unpriced(plan)}), of which ${spent:.2f} is spent, "
            f"and --max-cost is ${most}",
            hint=f"--max-cost ${_limit(total)}, or plan for less",
        )


def _of_unpriced(plan: SavedPlan) -> str:
    bound = plan.bound
    return f", and ${bound:.2f} for what has no known price" if bound else ""


def _cost(plan: SavedPlan, left: Decimal) -> str:
    """What the work that is left may cost, in words: the P90, and the most that the parts without a price cost."""
    high, known = _rest(plan, left), plan.usd_p90
    if high is None:
        return "an unknown sum"
    if known is None or not plan.bound:
        net = (
            ", with the safety net" if plan.steering is not None and plan.steering.envelope.on_demand else ""
        )
        return f"up to ${high:.2f} (P90{net})"
    names = ", ".join(name.replace("_", " ") for name, usd in plan.expected_unpriced.items() if usd)
    more = f"at most ${plan.bound * left:.2f} of {names} without a known price"
    return f"up to ${high:.2f}: ${known * left:.2f} (P90), and {more}"


def _rest(plan: SavedPlan, left: Decimal) -> Decimal | None:
    """The P90 of the work that is left, with the bound of what has no price; 0 where no work is left."""
    high = plan.most_usd
    return ZERO if not left else None if high is None else high * left


def _limit(high: Decimal | None) -> str:
    return "X" if high is None else str(int(high) + 1)
