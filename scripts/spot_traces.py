"""Make the spot traces that come with embedfleet from probes and prices: `python -m scripts.spot_traces`.

Reads ../shared/traces: availability probes and spot prices from the public artifact of the SkyNomad paper (Apache-2.0,
see launcher/data/traces/NOTICE). Writes a row for each change of a zone's availability or price.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "traces"
FOLDER = ROOT / "launcher" / "data" / "traces"
V100, L4 = "cant-be-late/aws-02-15-2023", "skynomad/L4-e2e"

Row = tuple[str, float, int, float]  # place, seconds, available, USD per hour
Prices = Mapping[str, Sequence[float]]  # by zone, one for each tick


def main() -> None:
    probes = list(_probes())
    _write("aws-v100-2023", probes, V100, _v100_prices())
    _write("aws-l4-2025", probes, L4, _l4_prices())


def _probes() -> Iterator[dict[str, str]]:
    with gzip.open(SHARED / "spot_availability.csv.gz", "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _v100_prices() -> Prices:
    with gzip.open(SHARED / "v100_spot_prices_aws_2023.json.gz", "rt", encoding="utf-8") as file:
        found: dict[str, list[float]] = json.load(file)
    return {key.partition("_")[0]: usd for key, usd in found.items()}


def _l4_prices() -> Prices:
    """Prices by zone; the moments are those of the probes, about a minute apart."""
    found: dict[str, list[tuple[datetime, float]]] = {}
    with gzip.open(SHARED / "l4_spot_prices_aws_2025-12.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            moment = datetime.fromisoformat(row["time"])
            found.setdefault(row["zone"], []).append((moment, float(row["spot_price"])))
    return {zone: [usd for _, usd in sorted(rows)] for zone, rows in found.items()}


def _write(name: str, probes: Sequence[Mapping[str, str]], source: str, prices: Prices) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("place", "at", "available", "usd_per_hour"))
    mine = [probe for probe in probes if probe["source"] == source]
    for zone, ticks in groupby(mine, key=lambda probe: probe["zone"]):
        rows = [_row(zone, probe, prices[zone]) for probe in ticks]
        last = None
        for row in rows[:-1]:
            if row[2:] != last:
                writer.writerow((row[0], f"{row[1]:.0f}", row[2], f"{row[3]:g}"))
            last = row[2:]
        place, at, available, usd = rows[-1]  # always: it says how long the trace is
        writer.writerow((place, f"{at:.0f}", available, f"{usd:g}"))
    FOLDER.mkdir(parents=True, exist_ok=True)
    body = gzip.compress(text.getvalue().encode(), mtime=0)
    (FOLDER / f"{name}.csv.gz").write_bytes(body)
    print(f"{name}: {len(mine):,} probes, {text.getvalue().count(chr(10)) - 1:,} rows, {len(body):,} bytes")


def _row(zone: str, probe: Mapping[str, str], prices: Sequence[float]) -> Row:
    tick = int(probe["tick"])
    at = tick * float(probe["gap_seconds"])
    usd = prices[min(tick, len(prices) - 1)]
    return f"aws/{zone.rstrip('abcdef')}/{zone}", at, int(probe["available"]), usd


if __name__ == "__main__":
    main()
