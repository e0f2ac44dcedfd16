"""The text of `embedfleet verify`: the verdict in a few lines."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.format import count, plain


def verdict_text(verdict: Mapping[str, Any]) -> RenderableType:
    """What was checked; every fault that is told on a line of its own."""
    good = not verdict["fault_count"]
    again = "no row was embedded again"
    if verdict["resampled"]:
        again = f"{verdict['resampled']} rows embedded again, worst cosine {verdict['worst_cosine']:.5f}"
    lines = [
        Text(
            f"{verdict['run']}: {'verified' if good else 'FAULTY'}",
            style="bold green" if good else "bold red",
        ),
        Text(
            f"{verdict['shards_done']} of {verdict['shards']} shards signed; {count(verdict['documents'])} documents of "
            f"the input, {count(verdict['rows'])} vectors, {count(verdict['failed_rows'])} rows in quarantine"
        ),
        Text(f"ids, digests and lengths checked; {again}"),
    ]
    lines += [Text(f"  {plain(fault)}", style="red") for fault in verdict["faults"]]
    return Group(*lines)
