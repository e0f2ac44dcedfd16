"""Ask before money is spent."""

import sys
from dataclasses import dataclass
from decimal import Decimal

from launcher.errors import ConfirmationNeeded, Usage
from launcher.format import plural
from launcher.money import ONE, ZERO
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.planning.saved.steering_plan import SteeringPlan


@dataclass(frozen=True, slots=True)
class SpentSoFar:
    """What a run has cost before it goes on, and how much of its work is left; by default it has not begun."""

    usd: Decimal = ZERO
    left: Decimal = ONE  # the share of its shards that are still to be embedded

    @property
    def begun(self) -> bool:
        """Whether the run has cost or done anything."""
        return self.usd > 0 or self.left < 1


NOT_BEGUN = SpentSoFar()


def confirm_cost(
    plan: SavedPlan,
    so_far: SpentSoFar = NOT_BEGUN,
    *,
    yes: bool,
    most: Decimal | None,
    unknown: bool = False,
    limit: Decimal | None = None,
) -> None:
    """Ask whether to spend up to the plan's P90, and the bound of what has no price; the default is no.

    `yes` and `most` are --yes and --max-cost. `unknown`: an unknown price is accepted. `limit`: what the run may cost
    in all, which is held while it runs.

    Raises:
        ConfirmationNeeded: the answer is no, there is no terminal to ask on, or the P90 is above `most`.
        Usage: `yes` without `most`.
    """
    renting = _renting(plan, so_far, limit)
    rent = f"{'going on' if so_far.begun else 'launching'} {renting}"
    rest = _rest(plan, so_far.left)
    total = None if rest is None else so_far.usd + rest
    enough = f"--max-cost ${_limit(total)}"
    if yes and most is None:
        raise Usage(f"--yes needs a limit: {rent}", hint=f"--yes {enough}")
    if most is not None and (not unknown if total is None else total > most):
        raise ConfirmationNeeded(f"{rent}, and --max-cost is ${most}", hint=f"{enough}, or plan for less")
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfirmationNeeded(f"{rent}, and there is no terminal to ask on", hint=f"--yes {enough}")
    sys.stderr.write(f"This {renting}. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfirmationNeeded("nothing was rented", hint="say y to go on")


def _renting(plan: SavedPlan, so_far: SpentSoFar, limit: Decimal | None) -> str:
    """What is rented and for how much, in words, without a subject."""
    if plan.steering is not None:
        fleet = _steered_fleet(plan.steering)
    else:
        fleet = plural(sum(group.machines for group in plan.lots), "machine")
    text = f"rents {fleet} for {_cost(plan, so_far.left)}"
    if plan.steering is not None and limit is not None:
        text += f", never more than ${limit:.2f}"
    if so_far.usd > 0:
        text += f", beside ${so_far.usd:.2f} that is spent"
    return text


def _steered_fleet(steering: SteeringPlan) -> str:
    """What may be rented, in words."""
    machines, net = steering.envelope.machines, steering.envelope.on_demand
    text = f"at most {plural(machines, 'machine')}"
    if net and any(kind.spot for kind in steering.envelope.kinds):
        text += f", and up to {net} of them on demand if spot fails,"
    return text


def check_max_cost(
    plan: SavedPlan, most: Decimal, so_far: SpentSoFar = NOT_BEGUN, *, unknown: bool = False
) -> None:
    """Refuse to go on with a run that may cost more than --max-cost. `unknown`: an unknown price is accepted.

    Raises:
        ConfirmationNeeded: what is spent and the P90 of the rest exceed `most`, or the price is unknown.
    """
    rest = _rest(plan, so_far.left)
    if rest is None:
        if unknown:
            return
        raise ConfirmationNeeded(
            f"--max-cost is ${most}, and the plan has no known price: the limit could not be held",
            hint="give the price (local.usd_per_hour, or a price book) and plan again, or launch without --max-cost",
        )
    total = so_far.usd + rest
    if total > most:
        raise ConfirmationNeeded(
            f"run {plan.run} costs up to ${total:.2f} (P90{_of_unpriced(plan)}), of which ${so_far.usd:.2f} is spent, "
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
