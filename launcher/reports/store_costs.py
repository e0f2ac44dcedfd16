"""Vector stores beside a plan, in words: what each costs, and whether loading costs more than embedding."""

from decimal import Decimal

from launcher.format import compact, money, size
from launcher.index_sizes.proposals import BINARY_ALONE
from launcher.jobs.job import load
from launcher.planning.saved_plan import SavedPlan
from launcher.planning.store_costs import StoreCost

WHOLE_DOLLARS, THOUSAND = 10, 1_000  # from which cents, and single dollars, are noise
TITLE = "Where the vectors go"
NOTE = (
    "One copy, without queries; none of it is in the plan's dollars. Of a store of your own: the build of its index, and "
    "machines. embedfleet size has more stores."
)


def amount_text(usd: Decimal | None) -> str:
    """Dollars; without cents where these are noise, and in thousands from there on."""
    if usd is None or usd < WHOLE_DOLLARS:
        return money(usd)
    return f"${usd:,.0f}" if usd < THOUSAND else f"${compact(float(usd))}"


def range_text(low: Decimal | None, high: Decimal | None) -> str:
    """An amount from low to high, or one where they are the same; unknown is `?`."""
    first, last = amount_text(low), amount_text(high)
    return last if first == last else f"{first} - {last.removeprefix('$')}"


def store_row(one: StoreCost) -> tuple[str, str, str, str, str]:
    """The cells of a table: store, index, size, dollars to load, dollars a month."""
    load = range_text(one.load_usd_low, one.load_usd_high)
    return one.store, one.index, size(one.bytes), load, amount_text(one.usd_per_month)


def dtype_warning(plan: SavedPlan) -> str | None:
    """What the dtype of the output alone cannot do."""
    output = load(plan.work.job).output
    return BINARY_ALONE if output is not None and output.dtype == "binary" else None


def dear_load(plan: SavedPlan) -> str | None:
    """A sentence where loading the vectors into a service certainly costs more than embedding them."""
    embedding = plan.usd_p90
    dear = [
        one
        for one in plan.stores
        if one.service
        and embedding is not None
        and one.load_usd_low is not None
        and one.load_usd_low > embedding
    ]
    if not dear:
        return None
    loads = " or ".join(f"{one.store} ({range_text(one.load_usd_low, one.load_usd_high)})" for one in dear)
    return f"loading these vectors into {loads} costs more than embedding them: embedfleet size"


def warnings(plan: SavedPlan) -> list[str]:
    """What the dtype alone cannot do, and a load that costs more than embedding."""
    return [line for line in (dtype_warning(plan), dear_load(plan)) if line]
