"""How the lowest of a few spot quotes rises as it ages, and how much of that an expected price foresees, as JSON.

    python -m benchmarks.few_quotes

On the recorded prices of ../shared/traces: subsets of nine AWS zones of the V100. The spread that a small subset borrows
is that of all nine; as prices of one GPU they are the nearest to other types of a cloud that was recorded.
"""

import gzip
import json
import sys
from dataclasses import replace
from itertools import combinations
from math import log
from pathlib import Path
from statistics import fmean, median, variance

from pricing.expected_price import LEAST_PLACES, TypePrices, own_weight

TRACES = Path(__file__).parent.parent.parent / "shared" / "traces" / "v100_spot_prices_aws_2023.json.gz"
TICKS_A_DAY = 86_400 // 195  # a price each 195 seconds
DAYS = (7, 14, 28)
SIZES = (2, 3, 4, 6)


def main() -> int:
    if not TRACES.exists():
        print(f"there are no recorded prices at {TRACES}", file=sys.stderr)
        return 1
    recorded: dict[str, list[float]] = json.loads(gzip.decompress(TRACES.read_bytes()))
    prices = [[log(usd) for usd in zone[::TICKS_A_DAY]] for zone in recorded.values()]  # a price a day
    rows = [risen(prices, days, size) for days in DAYS for size in SIZES]
    print(json.dumps({"schema": "embedfleet/bench-few-quotes/1", "rises": rows}, indent=1))
    return 0


def risen(prices: list[list[float]], days: int, size: int) -> dict[str, float]:
    """The mean rise in per cent of the lowest of so many quotes in so many days."""
    beside_quote, beside_expected = list[float](), list[float]()
    for day in range(min(len(zone) for zone in prices) - days):
        everywhere = variance(zone[day] for zone in prices)
        for zones in combinations(prices, size):
            lowest = min(zones, key=lambda zone: zone[day])
            quotes = [zone[day] for zone in zones]
            found = TypePrices(median(quotes), variance(quotes), size)
            if size < LEAST_PLACES:
                found = replace(found, variance=everywhere, borrowed=True)
            expected = found.middle + own_weight(found, days) * (lowest[day] - found.middle)
            beside_quote.append(lowest[day + days] - lowest[day])
            beside_expected.append(lowest[day + days] - max(lowest[day], expected))
    return {
        "quotes": size,
        "days": days,
        "beside_the_quote_percent": round(100 * fmean(beside_quote), 2),
        "beside_the_expected_price_percent": round(100 * fmean(beside_expected), 2),
    }


if __name__ == "__main__":
    sys.exit(main())
