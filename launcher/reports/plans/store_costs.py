"""Vector stores beside a plan, in words: what each costs, and whether loading costs more than embedding."""

from decimal import Decimal

from launcher.format import compact, hours_text, money, plain, size
from launcher.index_sizes.proposals import BINARY_ALONE
from launcher.jobs.job import load
from launcher.planning.estimates.store_costs import StoreCost
from launcher.planning.saved.saved_plan import SavedPlan

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


def sink_lines(plan: SavedPlan) -> tuple[str, ...]:
    """The vector store that the job names: what embedding and loading cost in all, and what keeping costs."""
    sink = plan.sink
    if sink is None:
        return ()
    when = "when the run is done" if sink.when == "end" else "shard by shard as they are done"
    usd = sink.total_usd
    between = "" if usd.p50 is None else f" ({amount_text(usd.p10)} to {amount_text(usd.p90)}: P10 to P90)"
    load = range_text(sink.load_usd_low, sink.load_usd_high)
    hours = ""
    if sink.load_hours_low is not None and sink.load_hours_high is not None:
        hours = f" and {hours_text(sink.load_hours_low)} to {hours_text(sink.load_hours_high)}"
    bytes_text = f"{size(sink.ram_bytes)} of RAM, {size(sink.disk_bytes)} on disk"
    month = amount_text(sink.usd_per_month)
    least = "at least " if plan.expected_unpriced and usd.p50 is not None else ""
    return (
        f"{least}{amount_text(usd.p50)} in all{between} with {load}{hours} to load; {month} a month to keep",
        f"into {plain(sink.to)} {when}: {sink.index}, {bytes_text}",
    )


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
