"""What a steered run is expected to cost, by a second calculation from the plan's JSON and its own hours."""

from typing import Any

from benchmarks.plan_check.arithmetic import CONTROLLER_USD, IDLE_HOURS, Plan, amount
from benchmarks.plan_check.findings import Findings

# What machines cost at least, of the cheapest kind a token: dollars of kinds are rounded.
LEAST_OF_CHEAPEST = 0.95


def check_steered(plan: Plan, found: Findings) -> None:
    """Items add up, the controller is up for the steered hours, and what has no price is marked with its bound."""
    steering: dict[str, Any] | None = plan.get("steering")
    if steering is None or steering["usd"]["p50"] is None or steering["hours"] is None:
        return
    items, unpriced = steering["items"], steering.get("unpriced", {})
    usd = {end: amount(steering["usd"][end]) or 0.0 for end in ("p10", "p50", "p90")}
    hours = steering["hours"]
    known = sum(amount(item) or 0.0 for item in items.values())
    found.near("steered items add up", usd["p50"], known, 1e-4)
    found.must("steered P10, P50 and P90 are in order", usd["p10"] <= usd["p50"] <= usd["p90"], usd, "")
    for name, item in items.items():
        found.must(
            f"steered {name} without a price is marked", item is not None or name in unpriced, item, ""
        )
    found.must(
        "storage of the steered run is that of the static one",
        items["storage"] == plan["totals"]["items"]["storage"],
        items["storage"],
        plan["totals"]["items"]["storage"],
    )
    controller, rates = amount(items["controller"]), list(CONTROLLER_USD.values())
    low, high = min(rates) * hours["p50"] * 0.999, max(rates) * (hours["p50"] + IDLE_HOURS)
    if controller is not None:
        found.between("steered controller", controller, low, high)
    else:
        bound = amount(unpriced["controller"]) or 0.0
        late = max(rates) * (hours["p90"] + IDLE_HOURS)
        found.between("bound of the steered controller", bound, max(rates) * hours["p90"] * 0.999, late)
    cheapest = min(
        float(kind["usd_per_million_tokens"]) - float(kind["egress_usd_per_million_tokens"])
        for kind in steering["envelope"]["kinds"]
    )
    least = cheapest * plan["profile"]["tokens"] / 1e6 * LEAST_OF_CHEAPEST
    found.must(
        "steered machines cost a token's price", (amount(items["machines"]) or 0.0) >= least, items, least
    )
