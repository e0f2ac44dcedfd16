"""The question before money is spent, and what a launch would do if it were answered with yes."""

import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from launcher.errors import ConfirmationNeeded, Usage
from launcher.fleet.placement import home_place
from tasks.skypilot_task import Recipe, in_words, prefix, ranked, task, to_yaml


def confirm(body: Mapping[str, Any], *, yes: bool, most: Decimal | None) -> None:
    """Ask whether to spend the plan's P90. No is the default.

    Raises:
        ConfirmationNeeded: nobody said yes, or the plan may cost more than was allowed.
        Usage: yes was said without a limit.
    """
    machines = sum(lot["machines"] for lot in body["lots"])
    spread: Mapping[str, str | None] = body["totals"]["usd"]
    high = None if spread["p90"] is None else Decimal(spread["p90"])
    cost = "an unknown sum" if high is None else f"up to ${high:.2f} (P90)"
    rent = f"launching rents {machines} machine{'s' * (machines > 1)} for {cost}"
    if yes and most is None:
        raise Usage(f"--yes needs a limit: {rent}", hint=f"--yes --max-cost ${_limit(high)}")
    if most is not None and (high is None or high > most):
        raise ConfirmationNeeded(
            f"{rent}, and --max-cost is ${most}", hint=f"--max-cost ${_limit(high)}, or plan for less"
        )
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfirmationNeeded(
            f"{rent}, and there is nobody to ask", hint=f"--yes --max-cost ${_limit(high)}"
        )
    sys.stderr.write(f"This {rent.removeprefix('launching ')}. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfirmationNeeded("nothing was rented", hint="say y to go on")


def rehearsal(body: Mapping[str, Any], recipes: Sequence[Recipe]) -> str:
    """The YAML of every lot, and every call that a launch would make, in their order."""
    if not recipes or body["lots"][0]["cloud"] == "local":
        lot = body["lots"][0]
        return f"# {lot['workers']} worker processes of this machine; nothing is rented\n"
    parts = [f"# lot-{recipe.lot}.yaml\n{to_yaml(task(recipe))}" for recipe in recipes]
    calls: list[str] = []
    for recipe, lot in zip(recipes, body["lots"], strict=True):
        counts = [seat["machines"] for seat in lot["places"]]
        for slot in range(lot["machines"]):
            first = home_place(recipe.places, counts, slot) or ranked(recipe.places)[0]
            name = f"{prefix(recipe.run)}-l{recipe.lot}m{slot}-0"
            calls.append(
                f"# sky.jobs.launch(lot-{recipe.lot}.yaml, name={name!r})  # first {in_words(first)}"
            )
    return "---\n".join(parts) + "---\n" + "\n".join(calls) + "\n"


def _limit(high: Decimal | None) -> str:
    return "X" if high is None else str(int(high) + 1)
