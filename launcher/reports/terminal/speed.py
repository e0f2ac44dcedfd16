"""The table of `embedfleet speed`."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import compact, count, plain

WITH_RANGE = 2  # text lengths that are shown with their range; with more only P50 is shown
SHOWN_SOURCES = 4  # GPUs whose sources are listed; with more there is no room


def speed_text(body: list[dict[str, Any]]) -> RenderableType:
    """A table with a line for each GPU and a column for each text length; GPUs without a speed are listed below."""
    lengths = list(dict.fromkeys(row["tokens"] for row in body))
    gpus = list(dict.fromkeys(row["gpu"] for row in body))
    by = {(row["gpu"], row["tokens"]): row for row in body}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("GPU", "dtype"):
        table.add_column(title, no_wrap=True)
    for tokens in lengths:
        table.add_column(f"tok/s at {count(tokens)}", justify="right", no_wrap=True)
    table.add_column("of ceiling", justify="right", no_wrap=True)
    table.add_column("memory", justify="right", no_wrap=True)
    table.add_column("by", no_wrap=True)
    out: list[str] = []
    notes: dict[str, None] = {}
    for device in gpus:
        mine = [by[device, tokens] for tokens in lengths]
        first = mine[0]
        notes |= {f"{device}: {row['note']}": None for row in mine if row["note"]}
        if any(row["tokens_per_second"] is None for row in mine):
            out.append(f"{device}: {next(row['reason'] for row in mine if row['reason'])}")
            continue
        rates = [row["tokens_per_second"] for row in mine]
        shares = [row["share_of_ceiling"] for row in mine]
        table.add_row(
            device,
            first["dtype"] or "?",
            *(
                compact(r["mid"])
                if len(lengths) > WITH_RANGE
                else f"{compact(r['mid'])} ({compact(r['low'])} to {compact(r['high'])})"
                for r in rates
            ),
            "?" if None in shares else " ".join(f"{share:.0%}" for share in shares),
            "?"
            if first["has_gb"] is None
            else f"{max(row['needs_gb'] for row in mine):.1f} of {first['has_gb']:.0f} GB",
            _known_by(first["source"]),
        )
    each = "per GPU" if gpus != ["cpu"] else "the whole machine"
    what = f"{each}: P50" if len(lengths) > WITH_RANGE else f"{each}: P50 (P10 to P90)"
    engines = " or ".join(dict.fromkeys(row["engine"] for row in body if row["engine"])) or "any engine"
    head = f"{plain(body[0]['model'])} by {engines}, {what}"
    lines: list[RenderableType] = [Text(head, style="bold")]
    if len(out) < len(gpus):
        lines.append(table)
    if len(gpus) <= SHOWN_SOURCES:
        sources = dict.fromkeys(f"{row['gpu']}: {row['source']}" for row in body if row["source"])
        lines += [Text(plain(line), style="dim") for line in (*sources, *notes)]
    lines += [Text(f"no speed on {plain(line)}", style="yellow") for line in out]
    return Group(*lines)


def _known_by(source: str) -> str:
    """The source of a speed in a word; "derived": predicted from a ceiling that was not measured."""
    if source.startswith("predicted"):
        return "derived" if "derived" in source else "predicted"
    return "measured" if source.startswith("measured") else source
