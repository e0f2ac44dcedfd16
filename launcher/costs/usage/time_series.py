"""Time series of a run for charts: USD spent over time, and machines by place over time.

Pure. In floating point, because charts need no exact sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.spend import Metered

BINS = 120
MAX_PLACES = 7  # shown by name; the others together


@dataclass(frozen=True, slots=True)
class SpentPoint:
    """Dollars spent until this many seconds after the run was created."""

    seconds: float
    usd: float


@dataclass(frozen=True, slots=True)
class FleetSeries:
    """Machines by place over equal bins of time: `points[bin][place]` is their average number in the bin."""

    places: tuple[str, ...]
    seconds: float  # of all bins together
    points: tuple[tuple[float, ...], ...]


def spent_series(
    machines: Sequence[MachineTime],
    lives: Sequence[Metered],
    began: datetime,
    span: float,
    now: datetime,
) -> tuple[SpentPoint, ...]:
    """Cumulated cost of the machines at the end of each bin; time without a price counts as 0."""
    end = _end_seconds(machines, began, span, now)
    if end <= 0:
        return ()
    width = end / BINS
    spent = [0.0] * BINS
    for machine, metered in zip(machines, lives, strict=True):
        known = float(metered.total_known_usd)
        if not known:
            continue
        start, stop = _seconds(machine.started, began), _seconds(machine.ended or now, began)
        rates = [(start, float(machine.usd_per_hour or 0))]
        rates += [(_seconds(at, began), float(usd)) for at, usd in machine.rates]
        # The distribution over time is that of the prices, the total that of metering, which rounds up.
        whole = sum((b - a) * usd for a, b, usd in _rate_steps(rates, stop))
        for a, b, usd in _rate_steps(rates, stop):
            _add_rate(spent, a, b, width, known * usd / whole if whole else known / max(stop - start, 1e-9))
    points = [SpentPoint(0.0, 0.0)]
    total = 0.0
    for i, amount in enumerate(spent):
        total += amount
        points.append(SpentPoint(round((i + 1) * width, 3), round(total, 6)))
    return tuple(points)


def fleet_series(machines: Sequence[MachineTime], began: datetime, span: float, now: datetime) -> FleetSeries:
    """Average number of machines per place and bin; the places with the most machine time have a series of their own."""
    end = _end_seconds(machines, began, span, now)
    if end <= 0 or not machines:
        return FleetSeries((), 0.0, ())
    time: dict[str, float] = {}
    for m in machines:
        lived = _seconds(m.ended or now, began) - _seconds(m.started, began)
        time[m.place] = time.get(m.place, 0.0) + max(0.0, lived)
    ranked = sorted(time, key=lambda place: (-time[place], place))
    named = ranked if len(ranked) <= MAX_PLACES + 1 else [*ranked[:MAX_PLACES], "elsewhere"]
    index = {place: min(i, len(named) - 1) for i, place in enumerate(ranked)}
    width = end / BINS
    counts = [[0.0] * BINS for _ in named]
    for m in machines:
        start, stop = _seconds(m.started, began), _seconds(m.ended or now, began)
        _add_rate(counts[index[m.place]], start, stop, width, 1 / width)
    points = tuple(tuple(round(counts[p][i], 3) for p in range(len(named))) for i in range(BINS))
    return FleetSeries(tuple(named), end, points)


def _end_seconds(machines: Sequence[MachineTime], began: datetime, span: float, now: datetime) -> float:
    return max([span, *(_seconds(m.ended or now, began) for m in machines)], default=span)


def _rate_steps(rates: Sequence[tuple[float, float]], stop: float) -> list[tuple[float, float, float]]:
    ends = [at for at, _ in rates[1:]] + [stop]
    return [(a, min(b, stop), usd) for (a, usd), b in zip(rates, ends, strict=True) if a < min(b, stop)]


def _add_rate(bins: list[float], start: float, stop: float, width: float, per_second: float) -> None:
    """Add a constant rate between start and stop to the bins it overlaps."""
    start, stop = max(0.0, start), min(stop, width * len(bins))
    if start >= stop:
        return
    first, last = int(start / width), min(int(stop / width), len(bins) - 1)
    for i in range(first, last + 1):
        bins[i] += max(0.0, min(stop, (i + 1) * width) - max(start, i * width)) * per_second


def _seconds(moment: datetime, began: datetime) -> float:
    return (moment - began).total_seconds()
