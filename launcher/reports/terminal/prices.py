"""The table of `embedfleet prices`."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import money, plain
from launcher.reports.lists.price_list import PriceLine
from pricing.account.access import derived_flags
from pricing.book.price_book import STALE
from pricing.offer import FLAGS
from pricing.staleness import LIST_DAYS, SPOT_DAYS, age_in_days, is_stale

WIDTH = 100  # characters of a line if the terminal does not say
FIXED_WIDTH = 77  # of these, what all columns but place and type need

# The word for a flag in the column of flags. Flags about the date change how the age is shown instead.
FLAG_WORDS = {
    "derived": "derived",
    "floor": "floor",
    "gpu_by_instance_type": "gpu",
    "gpu_variant_unsure": "gpu?",
    "jump": "jump",
    "not_launchable": "compare",
    "on_demand_unknown": "list?",
    "opt_in": "opt-in",
    "region_unverified": "place?",
    "single_host": "host",
    STALE: "stale",
    "unmoved": "unmoved",
    "zone_id": "zone",
}
FLAG_MEANINGS = FLAGS | {
    STALE: f"a spot price older than {SPOT_DAYS} days, a list price older than {LIST_DAYS}"
}
AGE_PREFIXES = {"as_of_estimated": "~", "as_of_unknown": "\N{GREATER-THAN OR EQUAL TO}"}


def prices_table(shown: Sequence[PriceLine], now: datetime, width: int = WIDTH) -> RenderableType:
    """A table of the lines, and below it the meaning of the flags that it shows."""
    spare = max(16, width - FIXED_WIDTH)
    table = _columns(spare)
    explained: dict[str, None] = {}
    for line in shown:
        offer = line.offer
        flags = [
            f
            for f in (STALE, *offer.flags, *derived_flags(offer))
            if f in FLAG_WORDS and (f != STALE or is_stale(offer, now))
        ]
        explained |= dict.fromkeys(flags)
        prefix = next((AGE_PREFIXES[f] for f in offer.flags if f in AGE_PREFIXES), "")
        table.add_row(
            f"{offer.gpus:g} x {plain(offer.gpu)}",
            money(offer.usd_per_gpu_hour),
            money(offer.usd_per_hour),
            offer.purchase,
            plain(offer.cloud),
            _places(line.places, spare * 9 // 20),
            plain(offer.instance_type).removeprefix("Standard_"),  # which all of Azure's begin with
            f"{prefix}{age_in_days(offer, now)} d",
            " ".join(FLAG_WORDS[f] for f in flags),
        )
    meanings = "; ".join(f"{FLAG_WORDS[f]}: {FLAG_MEANINGS[f]}" for f in explained)
    return Group(table, *([Text(meanings, style="dim")] if meanings else []))


def _columns(spare: int) -> Table:
    """An empty table. Place and type share `spare` characters, which the other columns leave."""
    out = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    out.add_column("machine", no_wrap=True)
    for name in ("$/GPU-h", "$/hour"):
        out.add_column(name, justify="right", no_wrap=True, min_width=7)  # a figure is never cut
    for name in ("purchase", "cloud"):
        out.add_column(name, no_wrap=True)
    out.add_column("place", no_wrap=True, overflow="ellipsis", max_width=spare * 9 // 20)
    out.add_column("type", no_wrap=True, overflow="ellipsis", max_width=spare - spare * 9 // 20)
    out.add_column("age", justify="right", no_wrap=True)
    out.add_column("flags", no_wrap=True, overflow="ellipsis")
    return out


def _places(places: Sequence[str], room: int) -> str:
    """The first place, and how many others there are at the same price."""
    first = plain(places[0]).strip(", ")
    if len(places) == 1:
        return first
    more = f" +{len(places) - 1}"
    return (
        first if len(first + more) <= room else f"{first[: room - len(more) - 1]}\N{HORIZONTAL ELLIPSIS}"
    ) + more
