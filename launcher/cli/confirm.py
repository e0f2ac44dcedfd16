"""Ask before money is spent; and the text of `launch --dry-run`: every task and every call of SkyPilot."""

import sys
from collections.abc import Sequence
from decimal import Decimal

from launcher.errors import ConfirmationNeeded, Usage
from launcher.fleet.placement import home_place
from launcher.money import ZERO
from launcher.planning.saved_plan import SavedPlan
from tasks.skypilot_task import TaskSpec, by_price, describe, machine_name, machine_task, to_yaml

ONE = Decimal(1)


def confirm_cost(
    plan: SavedPlan,
    *,
    yes: bool,
    most: Decimal | None,
    spent: Decimal = ZERO,
    left: Decimal = ONE,
    unknown: bool = False,
) -> None:
    """Ask whether to spend up to the plan's P90; the default is no. `yes` and `most` are --yes and --max-cost.

    `spent`: USD of the run so far. `left`: the share of its work that is not done. `unknown`: an unknown price is
    accepted.

    Raises:
        ConfirmationNeeded: the answer is no, there is no terminal to ask on, or the P90 is above `most`.
        Usage: `yes` without `most`.
    """
    machines = sum(group.machines for group in plan.lots)
    high = _rest(plan, left)
    total = None if high is None else spent + high
    cost = "an unknown sum" if high is None else f"up to ${high:.2f} (P90)"
    going_on = spent > 0 or left < 1
    rent = (
        f"{'going on' if going_on else 'launching'} rents {machines} machine{'s' * (machines > 1)} for {cost}"
    )
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
            f"run {plan.run} costs up to ${total:.2f} (P90), of which ${spent:.2f} is spent, and --max-cost is ${most}",
            hint=f"--max-cost ${_limit(total)}, or plan for less",
        )


def _rest(plan: SavedPlan, left: Decimal) -> Decimal | None:
    """The P90 of the work that is left; 0 where none is, also without a price."""
    high = plan.totals.usd.p90
    return ZERO if not left else None if high is None else high * left


def dry_run_text(plan: SavedPlan, recipes: Sequence[TaskSpec]) -> str:
    """The YAML of every machine group's task, then every SkyPilot call that a launch would make, in order."""
    if not recipes or plan.lots[0].cloud == "local":
        return f"# {plan.lots[0].workers} worker processes of this machine; nothing is rented\n"
    parts = [f"# lot-{recipe.lot}.yaml\n{to_yaml(machine_task(recipe))}" for recipe in recipes]
    calls: list[str] = []
    for recipe, group in zip(recipes, plan.lots, strict=True):
        counts = [place.machines for place in group.places]
        for slot in range(group.machines):
            first = home_place(recipe.places, counts, slot) or by_price(recipe.places)[0]
            name = machine_name(recipe.run, recipe.lot, slot, 0)
            calls.append(
                f"# sky.jobs.launch(lot-{recipe.lot}.yaml, name={name!r})  # first {describe(first)}"
            )
    return "---\n".join(parts) + "---\n" + "\n".join(calls) + "\n"


def _limit(high: Decimal | None) -> str:
    return "X" if high is None else str(int(high) + 1)
