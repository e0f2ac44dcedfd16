"""The table of `embedfleet prices`."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from launcher.format import money, plain
from launcher.reports.lists.price_list import PriceLine
from pricing.account.access import derived_flags
from pricing.book.price_book import STALE
from pricing.offer import FLAGS, Offer
from pricing.staleness import LIST_DAYS, SPOT_DAYS, age_in_days, is_stale

COLUMNS = ("machine", "$/GPU-h", "$/hour", "purchase", "cloud", "place", "type", "age", "flags")
FIGURES = ("$/GPU-h", "$/hour", "age")
NAMES = ("place", "type")
LEAST_LETTERS = 8  # of a column that breaks

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


def prices_table(shown: Sequence[PriceLine], now: datetime) -> RenderableType:
    """A table of the lines, and below it the meaning of the flags that it shows."""
    explained = dict.fromkeys(flag for line in shown for flag in _flags(line.offer, now))
    meanings = "; ".join(f"{FLAG_WORDS[flag]}: {FLAG_MEANINGS[flag]}" for flag in explained)
    return Group(_table(shown, now), *([Text(meanings, style="dim")] if meanings else []))


def fitting(lines: Sequence[PriceLine], now: datetime, width: int | None, rows: int) -> int:
    """How many of the lines fit into so many rows of a screen, on which some take two."""
    screen, shown = Console(width=width), min(rows, len(lines))
    while (
        shown > 1 and len(screen.render_lines(_table(lines[:shown], now), pad=False)) > rows + 1
    ):  # and its head
        shown -= 1
    return shown


def _table(shown: Sequence[PriceLine], now: datetime) -> "PricesTable":
    return PricesTable([_cells(line, now) for line in shown])


class PricesTable:
    """A table of which nothing is cut: the flags break where the screen is narrow, then places and types do, too."""

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        """`rows`: a cell for each of COLUMNS."""
        self.rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table as wide as the screen allows."""
        widths = {
            column: max(len(column), *(len(row[place]) for row in self.rows))
            for place, column in enumerate(COLUMNS)
        }
        without_flags = sum(width + 1 for column, width in widths.items() if column != "flags")
        whole = without_flags + min(LEAST_LETTERS, widths["flags"]) <= options.max_width
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
        for column in COLUMNS:
            breaks = column == "flags" or (column in NAMES and not whole)
            table.add_column(
                column,
                justify="right" if column in FIGURES else "left",
                no_wrap=not breaks,
                overflow="fold",
                min_width=min(LEAST_LETTERS, widths[column]) if breaks else widths[column],
            )
        for row in self.rows:
            table.add_row(*row)
        yield table


def _flags(offer: Offer, now: datetime) -> list[str]:
    """The flags that have a word, in the order in which they are shown."""
    known = (STALE, *offer.flags, *derived_flags(offer))
    return [flag for flag in known if flag in FLAG_WORDS and (flag != STALE or is_stale(offer, now))]


def _cells(line: PriceLine, now: datetime) -> tuple[str, ...]:
    offer = line.offer
    prefix = next((AGE_PREFIXES[flag] for flag in offer.flags if flag in AGE_PREFIXES), "")
    return (
        f"{offer.gpus:g} x {plain(offer.gpu)}",
        money(offer.usd_per_gpu_hour),
        money(offer.usd_per_hour),
        offer.purchase,
        plain(offer.cloud),
        _places(line.places),
        plain(offer.instance_type).removeprefix("Standard_"),  # which all of Azure's begin with
        f"{prefix}{age_in_days(offer, now)} d",
        " ".join(FLAG_WORDS[flag] for flag in _flags(offer, now)),
    )


def _places(places: Sequence[str]) -> str:
    """The first place, and how many others there are at the same price."""
    first = plain(places[0]).strip(", ")
    return first if len(places) == 1 else f"{first} +{len(places) - 1}"
