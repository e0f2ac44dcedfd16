"""Validate the quotes of hosted embedding APIs again: `python -m scripts.hosted_prices`.

Writes `pricing/snapshot/hosted.csv` (believed) and `hosted_rejected.csv` (each with its reason) from
`hosted_quotes.csv` and `hosted_batches.csv`. Rows whose source is litellm come from `model_prices_and_context_window` in
its wheel: USD per token times a million; a price of 0 or none is left empty.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from pricing.hosted.hosted_quotes import published_quotes, validate_hosted_quotes

SNAPSHOT = Path(__file__).parents[1] / "pricing" / "snapshot"
QUOTE_COLUMNS = (
    "provider",
    "model",
    "usd_per_million_tokens",
    "batch_usd_per_million_tokens",
    "max_input_tokens",
    "dimensions",
)
COLUMNS = (
    *QUOTE_COLUMNS,
    "tokens_per_minute",
    "open_model",
    "as_of",
    "source",
    "batch_as_of",
    "batch_source",
    "flags",
)
REJECTED_COLUMNS = (*QUOTE_COLUMNS, "as_of", "source", "reason")


def main() -> None:
    """Write both files, and say how many rows each has."""
    believed, rejected = validate_hosted_quotes(published_quotes())
    _write("hosted.csv", COLUMNS, [[_cell(getattr(one, name)) for name in COLUMNS] for one in believed])
    rows = [
        [*(_cell(getattr(one.quote, name)) for name in REJECTED_COLUMNS[:-1]), one.reason] for one in rejected
    ]
    _write("hosted_rejected.csv", REJECTED_COLUMNS, rows)
    print(f"{len(believed)} prices, {len(rejected)} rows rejected")


def _write(name: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with (SNAPSHOT / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(cast("tuple[str, ...]", value))  # flags
    return "" if value is None else str(value)


if __name__ == "__main__":
    main()
