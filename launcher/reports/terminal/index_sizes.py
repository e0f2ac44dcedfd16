"""The text of `embedfleet size`: a line for each store, proposals and warnings."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import compact, count, duration, plain, size
from launcher.index_sizes.document import SizeDocument
from launcher.index_sizes.proposals import Proposal
from launcher.index_sizes.size import Dollars, Hours
from launcher.money import SECONDS_PER_HOUR
from launcher.reports.plans.store_costs import amount_text, range_text

WORDS = 2  # columns that are words
BREAKING = {"index": 12, "to load": 12}  # columns that break between words, and their letters, at least


def sizes_text(document: SizeDocument) -> RenderableType:
    """The vectors, the table of stores, what would save, and what to know of the figures."""
    head = (
        f"{compact(document.vectors)} vectors x {count(document.dimensions)}, {document.dtype} "
        f"({size(document.raw_bytes)} of numbers), of {plain(document.of)}"
    )
    lines: list[RenderableType] = [Text(head, style="bold")]
    lines += [Text(line, style="bold yellow") for line in document.warnings]
    if document.indexes:
        lines.append(_table(document))
    lines += [Text(_proposal(one), style="bold") for one in document.proposals]
    lines += [Text(line, style="dim") for line in _footnotes(document)]
    return Group(*lines)


def _table(document: SizeDocument) -> Table:
    """A line for each store. Where the screen is narrow some columns break between words; a figure is never cut."""
    heads = ("store", "index", "RAM", "disk", "core-h", "to load", "a month")
    cells = [
        (
            one.store,
            one.index,
            "" if one.ram_bytes is None else size(one.ram_bytes),
            size(one.disk_bytes),
            "" if one.service else _hours(one.build_core_hours),
            _dollars(one.load_usd),
            amount_text(one.usd_per_month),
        )
        for one in document.indexes
    ]
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for place, head in enumerate(heads):
        widest = max(len(head), *(len(row[place]) for row in cells))
        table.add_column(
            head,
            no_wrap=head not in BREAKING,
            min_width=BREAKING.get(head, widest),
            justify="left" if place < WORDS else "right",
        )
    for row in cells:
        table.add_row(*row)
    return table


def _hours(hours: Hours | None) -> str:
    if hours is None:
        return "?"
    return "under 1" if hours.high < 1 else f"{compact(hours.low)}-{compact(hours.high)}"


def _dollars(usd: Dollars | None) -> str:
    return "?" if usd is None else range_text(usd.low, usd.high)


def _proposal(one: Proposal) -> str:
    saved = 1 - one.bytes_after / one.bytes_before
    return (
        f"{one.store}: {one.change}: {size(one.bytes_before)} -> {size(one.bytes_after)} "
        f"(-{100 * saved:.0f} %); {one.note}"
    )


def _footnotes(document: SizeDocument) -> Iterator[str]:
    """What the columns mean, what is not listed, and how old the prices are."""
    own, services = ([one for one in document.indexes if one.service is kind] for kind in (False, True))
    if own:
        yield "stores of your own: RAM and disk of AWS machines on demand, one copy; core-h and to load: the build"
    if services:
        yield "services: what they bill for the vectors, without queries"
    for one in document.indexes:
        hours = one.load_hours_least
        least = () if hours is None else (f"at least {duration(hours * SECONDS_PER_HOUR)} to load",)
        if notes := (*least, *one.notes):
            yield f"{one.store}: {'; '.join(notes)}"
    for store, why in document.left_out.items():
        yield f"not listed: {store} {why}"
    if document.prices:
        oldest = min(price.as_of for price in document.prices)
        yield f"prices of {oldest} and later, with their sources in --json; how the sizes were checked: docs/sizes.md"
