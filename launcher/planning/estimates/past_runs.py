"""How plans of this laptop's finished runs came true, and how much wider the next interval is because of it.

Pure. The rule, which docs/plans.md states for readers: for each finished run, how far its hours (its dollars) came from
the plan's P50, in standard deviations of the planner's own interval, above or below. Runs on this machine and rented
ones count apart, and so do plans whose speeds were measured and predicted. The mean and the standard deviation of the
last MOST_RUNS of them, taken together with PRIOR_RUNS imagined runs of mean 0 and deviation 1, say where P10 and P90 lie
for the next plan. An end of the interval only ever moves outwards, and P50 stays the sum of the items.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import exp, log, sqrt
from typing import Literal

from launcher.ledger.records import PlanOutcome
from launcher.money import decimal_of_float
from launcher.planning.estimates.estimate import UsdSpread
from launcher.throughput.spread import P90, Spread

Place = Literal["local", "rented"]
Basis = Literal["measured", "predicted"]

MOST_RUNS = 20  # older ones were of other prices, engines and drivers
# As many as it takes for runs to count as much as the planner's own belief. Of this machine that is an assumption about
# machines in general, and a few runs here say more.
PRIOR_RUNS: Mapping[Place, int] = {"local": 3, "rented": 10}
MOST_OFF = 4.0  # standard deviations: a run that came further off counts as this far
LEAST_SIGMA = 0.05  # of a logarithm: a plan that is surer than 5 % is taken as sure to 5 %


@dataclass(frozen=True, slots=True)
class FigureRecord:
    """Finished runs of which a figure compares with its plan, how many lay inside P10 to P90, and what follows.

    `low` and `high` are the standard deviations from P50 to P10 and to P90; 1.2816 is the planner's own interval.
    """

    runs: int = 0
    inside: int = 0
    low: float = P90
    high: float = P90


@dataclass(frozen=True, slots=True)
class PastRuns:
    """The last runs of one place ("local" or "rented") whose plans' speeds were "measured" or "predicted"."""

    place: Place
    basis: Basis
    runs: int  # finished, whether or not each figure compares
    hours: FigureRecord
    usd: FigureRecord
    speed: FigureRecord  # tokens per second of the machines while they work; widens nothing


Sorts = Mapping[tuple[Place, Basis], PastRuns]


def place_of(cloud: str) -> Place:
    """Where machines of a cloud are: "local" is this machine."""
    return "local" if cloud == "local" else "rented"


def basis_of(speed_sources: Iterable[str]) -> Basis:
    """Where the speeds of a fleet come from; one predicted speed makes the fleet's predicted."""
    return "predicted" if any(source.startswith("predicted") for source in speed_sources) else "measured"


def past_runs(outcomes: Sequence[PlanOutcome]) -> dict[tuple[Place, Basis], PastRuns]:
    """What the outcomes, the newest first, say about each sort of plan that has any."""
    found: dict[tuple[Place, Basis], PastRuns] = {}
    places: tuple[Place, ...] = ("local", "rented")
    bases: tuple[Basis, ...] = ("measured", "predicted")
    for place in places:
        for basis in bases:
            same = [one for one in outcomes if (one.place, one.basis) == (place, basis)][:MOST_RUNS]
            if same:
                found[place, basis] = PastRuns(
                    place=place,
                    basis=basis,
                    runs=len(same),
                    hours=_record([(o.hours_p10, o.hours, o.hours_p90, o.hours_off) for o in same], place),
                    usd=_record([(o.usd_p10, o.usd, o.usd_p90, o.usd_off) for o in same], place),
                    speed=_record([(o.speed_p10, o.speed, o.speed_p90, None) for o in same], place),
                )
    return found


def deviations(actual: float, low: float, mid: float, high: float, record: FigureRecord) -> float | None:
    """How far `actual` is from the P50 of a plan, in standard deviations of the planner's own interval.

    `record` is what had widened the plan's interval. None: an amount is 0 or less, so that no ratio says anything.
    """
    if min(actual, mid) <= 0:
        return None
    if actual >= mid:
        sigma = log(max(high, mid) / mid) / record.high
    else:
        sigma = log(mid / low) / record.low if 0 < low < mid else 0.0
    off = log(actual / mid) / max(sigma, LEAST_SIGMA)
    return max(-MOST_OFF, min(MOST_OFF, off))


def widened(own: Spread, record: FigureRecord) -> Spread:
    """The planner's own P10 and P90 as the record of past runs moves them outwards."""
    low, high = own.low, own.high
    if own.mid <= 0:
        return own
    if record.low > P90:
        sigma = log(own.mid / low) / P90 if 0 < low < own.mid else 0.0
        low = min(low, own.mid * exp(-max(sigma, LEAST_SIGMA) * record.low))
    if record.high > P90:
        sigma = log(max(high, own.mid) / own.mid) / P90
        high = max(high, own.mid * exp(max(sigma, LEAST_SIGMA) * record.high))
    return Spread(low, own.mid, high)


def widened_usd(own: UsdSpread, record: FigureRecord) -> UsdSpread:
    """The same for dollars. P50 is not touched: it is the exact sum of the items."""
    if (record.low, record.high) == (P90, P90):
        return own
    found = widened(Spread(float(own.p10), float(own.p50), float(own.p90)), record)
    low, high = decimal_of_float(found.low), decimal_of_float(found.high)
    return UsdSpread(min(low, own.p10), own.p50, max(high, own.p90))


def past_runs_text(past: PastRuns) -> str:
    """How plans of this sort came true here, and what that changes, in one sentence."""
    where = "on this machine" if past.place == "local" else "on rented machines"
    runs = "run" if past.runs == 1 else f"{past.runs} runs"
    inside = [
        f"{name} {figure.inside} of {figure.runs}" if figure.runs else f"{name} not known"
        for name, figure in (("time", past.hours), ("dollars", past.usd))
    ]
    wider = [
        name
        for name, figure in (("time", past.hours), ("dollars", past.usd))
        if max(figure.low, figure.high) > P90
    ]
    text = f"your last {runs} {where} with {past.basis} speeds: {', '.join(inside)} inside P10 to P90"
    return f"{text}; {' and '.join(wider)} given a wider interval for it" if wider else text


def _record(rows: Sequence[tuple[float | Decimal | None, ...]], place: Place) -> FigureRecord:
    """Each row is a planned P10, the actual figure, the planned P90, and the standard deviations from P50."""
    known, inside = 0, 0
    for low, actual, high, _ in rows:
        if low is not None and actual is not None and high is not None:
            known, inside = known + 1, inside + (low <= actual <= high)
    offs = [float(off) for *_, off in rows if off is not None]
    prior = PRIOR_RUNS[place]
    number = len(offs) + prior
    mean = sum(offs) / number
    spread = sqrt((sum((off - mean) ** 2 for off in offs) + prior * (1 + mean**2)) / number)
    return FigureRecord(
        runs=known,
        inside=inside,
        low=max(P90, P90 * spread - mean),
        high=max(P90, P90 * spread + mean),
    )
