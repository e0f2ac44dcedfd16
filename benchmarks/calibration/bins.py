"""What was said and what was seen of chances and shares, in bins of what was said. Pure."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

BINS = 20
SIGMAS_95 = 1.96  # standard deviations of a two-sided interval of 95 %


def wilson(seen: int, runs: int) -> tuple[float, float]:
    """The 95 % interval of a chance that was seen so many times in so many independent runs."""
    square = SIGMAS_95**2
    middle = (seen + square / 2) / (runs + square)
    half = SIGMAS_95 / (runs + square) * sqrt(seen * (runs - seen) / runs + square / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def bin_rows(pairs: Sequence[tuple[float, float]], *, chances: bool = False) -> list[dict[str, Any]]:
    """What was said and what was seen on the mean, in 20 bins of what was said; empty bins are left out.

    `chances`: what was seen is 0 or 1, and each bin has the 95 % interval of the chance that was seen.
    """
    rows = list[dict[str, Any]]()
    for number in range(BINS):
        here = [pair for pair in pairs if min(BINS - 1, int(pair[0] * BINS)) == number]
        if not here:
            continue
        said, seen = np.mean(here, axis=0)
        row: dict[str, Any] = {
            "from": number / BINS,
            "runs": len(here),
            "said": round(float(said), 3),
            "seen": round(float(seen), 3),
        }
        if chances:
            low, high = wilson(round(sum(one for _, one in here)), len(here))
            row["interval"] = [round(low, 3), round(high, 3)]
        rows.append(row)
    return rows


def chance_row(pairs: Sequence[tuple[float, float]], *, chances: bool = False) -> dict[str, Any]:
    """Means of said and seen, the mean gap of the bins weighted by runs, and the bins.

    `chances`: also the 95 % interval of the chance that was seen, and in how many bins that of what was seen there holds
    what was said.
    """
    rows = bin_rows(pairs, chances=chances)
    gap = sum(row["runs"] * abs(row["said"] - row["seen"]) for row in rows) / max(1, len(pairs))
    said, seen = np.mean(pairs, axis=0)
    found: dict[str, Any] = {
        "said": round(float(said), 3),
        "seen": round(float(seen), 3),
        "gap": round(gap, 3),
    }
    if chances:
        low, high = wilson(round(sum(one for _, one in pairs)), len(pairs))
        found["interval"] = [round(low, 3), round(high, 3)]
        within = (row["interval"][0] <= row["said"] <= row["interval"][1] for row in rows)
        found["bins_within_interval"] = f"{sum(within)} of {len(rows)}"
    return {**found, "bins": rows}
