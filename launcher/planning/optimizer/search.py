"""Search a market for fleets that keep limits at P90: at one deadline, over all of them, and in parts of the market.

Pure. The solver prices machines at the median and times them at the slow end; what P90 really is comes from the draws
of `risk`, so a deadline or a budget is aimed at until the draws keep it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from math import sqrt

from launcher.money import decimal_of_float
from launcher.planning.estimate import Allocation, Candidate, Estimate, RunCharges, itemize, per_million
from launcher.planning.monte_carlo import simulate
from launcher.planning.optimizer.market import FleetLimits, Group, Market, region_lower_bounds
from launcher.planning.optimizer.solver import GAP, Solution, least_hours, least_slow_cost, solve
from launcher.throughput.spread import SECONDS_PER_HOUR, Spread

POINTS = 9  # of the frontier, tried at first
ENOUGH = 8  # points that a frontier should have where the market gives them
FURTHER = 12  # tried between those that are far apart
NEAR = 3 * GAP  # a gap that looking at every kind may close; of a few machines, rounding leaves a wider one
ROUGH = 0.02  # of the cost: the gap of a point of the frontier
GPUS = 6  # alone, at least, where the market has so many
REGIONS = 24  # tried, of those that could be cheapest
TRIES = 6  # to meet a limit at P90 before giving up
SLACK = 0.03  # of a deadline, that it is not worth while to use up
CLEAR = Decimal("0.005")  # of the cost: what is within this of the optimum is as cheap


@dataclass(frozen=True, slots=True)
class Requirements:
    """The work and its limits."""

    tokens: Spread
    rest: RunCharges
    deadline_hours: float | None = None
    budget: Decimal | None = None
    machines: int | None = None
    machines_per_region: int | None = None  # hard, because the user said so
    obtainable: Mapping[Group, int] = field(default_factory=dict[Group, int])  # soft: what is known to be had
    quota: Mapping[Group, int] = field(default_factory=dict[Group, int])  # GPUs
    seed: int = 0

    @property
    def caps(self) -> FleetLimits:
        """The limits on numbers. Who says how many machines a region gives knows better than what is known."""
        known = dict[Group, int]() if self.machines_per_region is not None else self.obtainable
        return FleetLimits(self.machines, self.machines_per_region, None, known, self.quota)


def estimate_fleet(shares: Sequence[Allocation], asked: Requirements) -> Estimate:
    """The fleet with its spread."""
    found = simulate(shares, asked.rest, asked.tokens, asked.seed)
    each = None if found.usd is None else per_million(found.usd.p50, asked.tokens.mid)
    return Estimate(tuple(shares), found.hours, found.usd, itemize(shares, asked.rest), each)


def machines_beyond_known(made: Estimate, asked: Requirements) -> int:
    """Machines beyond what is known to be obtainable in their regions."""
    known = asked.caps.obtainable
    taken: Counter[Group] = Counter()
    for share in made.shares:
        taken[share.kind.group] += share.machines
    return sum(max(0, n - known[group]) for group, n in taken.items() if group in known)


def median_usd(made: Estimate) -> Decimal:
    """What it costs at the median, to sort by; the unknown last."""
    return made.usd.p50 if made.usd else Decimal("Infinity")


@dataclass(slots=True)
class Search:
    """A market, what is asked of it, and how sure the solver was of each fleet."""

    market: Market
    asked: Requirements
    gaps: dict[tuple[Allocation, ...], float] = field(default_factory=dict[tuple[Allocation, ...], float])
    aims: dict[tuple[Allocation, ...], float | None] = field(
        default_factory=dict[tuple[Allocation, ...], float | None]
    )

    def made(self, found: Solution) -> Estimate:
        """What the solver chose, with its spread."""
        made = estimate_fleet(found.shares, self.asked)
        self.gaps[made.shares] = found.gap
        return made

    def keeps(self, made: Estimate) -> bool:
        """Whether deadline and budget hold at P90."""
        asked = self.asked
        in_time = asked.deadline_hours is None or made.hours.high <= asked.deadline_hours
        return in_time and (asked.budget is None or made.usd is None or made.usd.p90 <= asked.budget)

    def at(
        self,
        part: Market,
        caps: FleetLimits,
        hours: float | None,
        aim: float | None = None,
        tries: int = TRIES,
    ) -> Estimate | None:
        """The cheapest fleet that makes this deadline and the budget at P90. The solver is given `aim` at first."""
        aim, usd, budget = aim or hours, None, self.asked.budget
        for _ in range(tries):
            found = solve(part, aim, replace(caps, usd=usd))
            if found is None:
                break
            made = self.made(found)
            self.aims[made.shares] = aim
            late = hours is not None and made.hours.high > hours
            dear = budget is not None and made.usd is not None and made.usd.p90 > budget
            if not late and not dear:
                return made
            if late and aim and hours:
                aim *= min(0.995, hours / made.hours.high * 0.998)
            if dear and made.usd and budget is not None:
                if not machines_beyond_known(made, self.asked):
                    caps = replace(caps, firm=True)  # a small budget is no reason to count on luck
                usd = found.slow_usd * min(0.995, float(budget / made.usd.p90))
        return None if budget is None else self.frugal(part, caps, hours, aim)

    def frugal(
        self, part: Market, caps: FleetLimits, hours: float | None, aim: float | None
    ) -> Estimate | None:
        """The fleet that costs least when all is slow, if that is within the limits."""
        found = least_slow_cost(part, aim, caps)
        made = None if found is None else self.made(found)
        in_time = made is not None and (hours is None or made.hours.high <= hours)
        return made if made and in_time and self.keeps(made) else None

    def fitted(self, caps: FleetLimits, hours: float) -> Estimate | None:
        """The cheapest fleet for a deadline, which uses the time that the deadline leaves it.

        The slow end of every machine is later than the P90 of a fleet of several: so the solver may aim beyond.
        """
        best = self.at(self.market, caps, hours)
        if best is None and self.asked.budget is not None:
            free = Search(self.market, replace(self.asked, budget=None), self.gaps).fitted(caps, hours)
            return free if free and self.keeps(free) else None
        if best is None:
            least = least_hours(self.market, caps)
            found = solve(self.market, least, caps)
            made = self.made(found) if found else None
            return made if made and made.hours.high <= hours and self.keeps(made) else None
        if best.hours.high > hours * (1 - SLACK):
            return best
        aim = hours * hours / best.hours.high
        for reach in (aim, sqrt(aim * hours)):
            later = self.at(self.market, caps, hours, reach, tries=1)
            if later and median_usd(later) < median_usd(best):
                return later
        return best

    def frontier(self, caps: FleetLimits, least: float) -> list[Estimate]:
        """Fleets from the soonest to the cheapest, each cheaper than all before it; limits in dollars are left aside."""
        cheap = solve(self.market, None, caps)
        assert cheap, "what can be done soon can be done late"
        made = [self.made(cheap)]
        ratio = max(made[0].hours.high, least * 1.05) / least
        for n in range(POINTS + 1):
            aim = least * ratio ** (n / (POINTS + 1))
            found = solve(self.market, aim, caps, ROUGH)
            if found:
                made.append(self.made(found))
                self.aims[made[-1].shares] = aim
        points, tried = _falling(made), set[float]()
        while len(points) < ENOUGH and len(tried) < FURTHER:
            gaps = [(b.hours.high / a.hours.high, a.hours.high) for a, b in pairwise(points)]
            wide = max(((r, h) for r, h in gaps if h not in tried and r > 1.01), default=None)
            if wide is None:
                break
            tried.add(wide[1])
            found = solve(self.market, wide[1] * sqrt(wide[0]), caps, GAP)
            points = _falling([*points, self.made(found)]) if found else points
        return points

    def polish(self, caps: FleetLimits, best: Estimate) -> Estimate:
        """Deadlines about the best one, for the points of the frontier are far apart; only where hours cost something."""
        if GAP < self.gaps.get(best.shares, 0.0) <= NEAR:
            found = solve(self.market, self.aims.get(best.shares), caps, thorough=True)
            best = min(
                (m for m in (best, self.made(found) if found else best) if self.keeps(m)), key=median_usd
            )
        hourly = best.items["controller"]
        if best.usd is None or not hourly or hourly < CLEAR * best.usd.p50:
            return best
        for factor in (0.8, 1.25):
            hours = best.hours.high * factor
            if self.asked.deadline_hours is None or hours <= self.asked.deadline_hours:
                made = self.at(self.market, caps, hours)
                if made and median_usd(made) < median_usd(best):
                    best = made
        return best

    def others(self, caps: FleetLimits, chosen: Estimate) -> Iterator[tuple[str, Estimate]]:
        """Under the same limits: one GPU type, one region, one purchase kind."""
        hours = chosen.hours.high
        deadlines = [self.asked.deadline_hours] if self.asked.deadline_hours else [None, hours, 2 * hours]

        def under(wanted: Callable[[Candidate], bool]) -> Estimate | None:
            part = self.market.where(wanted)
            found = [self.at(part, caps, deadline) for deadline in deadlines]
            found += [chosen] if all(wanted(share.kind) for share in chosen.shares) else []
            return min((one for one in found if one), key=median_usd, default=None)

        yield from self.gpus(under)
        for spot, name in ((False, "only on demand"), (True, "only spot")):
            made = under(lambda kind, spot=spot: kind.spot == spot)
            if made:
                yield name, made
        region = self.region(caps, under)
        if region:
            yield region

    def gpus(
        self, under: Callable[[Callable[[Candidate], bool]], Estimate | None]
    ) -> Iterator[tuple[str, Estimate]]:
        """One GPU type alone: the best, and a few that come near; tried from the one that could cost least."""
        floor: dict[str, float] = {}
        for kind, usd in zip(self.market.kinds, self.market.work_usd + self.market.start_usd, strict=True):
            floor[kind.gpu] = min(floor.get(kind.gpu, float(usd)), float(usd))
        found: list[Decimal] = []
        for gpu, least in sorted(floor.items(), key=lambda item: (item[1], item[0])):
            if len(found) >= GPUS and decimal_of_float(least) > min(found):
                return
            made = under(lambda kind, gpu=gpu: kind.gpu == gpu)
            if made:
                found.append(median_usd(made))
                yield f"only {gpu}", made

    def region(
        self, caps: FleetLimits, under: Callable[[Callable[[Candidate], bool]], Estimate | None]
    ) -> tuple[str, Estimate] | None:
        """The best single region: tried from the one that could cost least, until none left can be cheaper."""
        best: tuple[str, Estimate] | None = None
        rest, start = self.asked.rest, min(kind.cold_start.mid for kind in self.market.kinds)
        besides = (rest.controller_usd_per_hour or Decimal(0)) * decimal_of_float(
            start / SECONDS_PER_HOUR
        ) + (rest.storage or 0)
        for least, (cloud, region) in sorted(
            region_lower_bounds(self.market, self.asked.deadline_hours, caps)
        )[:REGIONS]:
            if best and decimal_of_float(least) + besides >= median_usd(best[1]):
                break
            made = under(lambda kind, here=(cloud, region): (kind.cloud, kind.region) == here)
            if made and (best is None or median_usd(made) < median_usd(best[1])):
                best = (f"only {cloud} {region}", made)
        return best


def _falling(made: Sequence[Estimate]) -> list[Estimate]:
    """By time, and of two the later only where it is cheaper."""
    out: list[Estimate] = []
    for one in sorted(made, key=lambda e: (e.hours.high, median_usd(e))):
        if not out or median_usd(one) < median_usd(out[-1]):
            out.append(one)
    return out
