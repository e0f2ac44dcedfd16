"""The table of `embedfleet speed`."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import compact, count, plain, share_text
from launcher.throughput.spread import Spread
from launcher.throughput.table import SpeedRow

WITH_RANGE = 2  # text lengths that are shown with their range; with more only P50 is shown
SHOWN_SOURCES = 4  # GPUs whose sources are listed; with more there is no room


def speed_text(rows: Sequence[SpeedRow]) -> RenderableType:
    """A table with a line for each GPU and a column for each text length; GPUs without a speed are listed below."""
    lengths = list(dict.fromkeys(row.tokens for row in rows))
    gpus = list(dict.fromkeys(row.gpu for row in rows))
    by = {(row.gpu, row.tokens): row for row in rows}
    table = _columns(lengths)
    without: list[str] = []
    notes: dict[str, None] = {}
    for gpu in gpus:
        found = [by[gpu, tokens] for tokens in lengths]
        notes |= {f"{gpu}: {row.note}": None for row in found if row.note}
        rates = [row.tokens_per_second for row in found if row.tokens_per_second]
        if len(rates) < len(found):
            without.append(f"{gpu}: {next(row.reason for row in found if row.reason)}")
        else:
            table.add_row(gpu, *_cells(found, rates))
    each = "per GPU" if gpus != ["cpu"] else "the whole machine"
    what = f"{each}: P50" if len(lengths) > WITH_RANGE else f"{each}: P50 (P10 to P90)"
    engines = " or ".join(dict.fromkeys(row.engine for row in rows if row.engine)) or "any engine"
    lines: list[RenderableType] = [Text(f"{plain(rows[0].model)} by {engines}, {what}", style="bold")]
    if len(without) < len(gpus):
        lines.append(table)
    if len(gpus) <= SHOWN_SOURCES:
        sources = dict.fromkeys(f"{row.gpu}: {row.source}" for row in rows if row.source)
        lines += [Text(plain(line), style="dim") for line in (*sources, *notes)]
    lines += [Text(f"no speed on {plain(line)}", style="yellow") for line in without]
    return Group(*lines)


def _columns(lengths: Sequence[int]) -> Table:
    """An empty table. Ranges and memory break between words where the screen is narrow; nothing is cut."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for title in ("GPU", "dtype"):
        table.add_column(title, no_wrap=True)
    for title in (*(f"tok/s at {count(tokens)}" for tokens in lengths), "of ceiling", "memory"):
        table.add_column(title, justify="right", no_wrap=title == "of ceiling", overflow="fold")
    table.add_column("by", no_wrap=True)
    return table


def _cells(rows: Sequence[SpeedRow], rates: Sequence[Spread]) -> list[str]:
    """The cells of a GPU, after its name; all of its rows have a speed."""
    first = rows[0]
    shares = [row.share_of_ceiling for row in rows]
    needs = [row.needs_gb for row in rows if row.needs_gb is not None]
    return [
        first.dtype or "?",
        *(
            compact(rate.mid)
            if len(rates) > WITH_RANGE
            else f"{compact(rate.mid)} ({compact(rate.low)} to {compact(rate.high)})"
            for rate in rates
        ),
        " ".join("?" if share is None else share_text(share) for share in shares),
        "?" if first.has_gb is None or not needs else f"{max(needs):.1f} of {first.has_gb:.0f} GB",
        _known_by(first.source or "?"),
    ]


def _known_by(source: str) -> str:
    """The source of a speed in a word; "derived": predicted from a ceiling that was not measured."""
    if source.startswith("predicted"):
        return "derived" if "derived" in source else "predicted"
    return "measured" if source.startswith("measured") else source
