"""Decide on a fleet: the cheapest that keeps every limit at P90, what else there is, what binds, and what is possible.

Pure; knows kinds of machines and limits, not where they came from. The solver prices machines; what costs by the hour
of the whole run (SkyPilot's controller) makes a slow fleet dear, so deadlines shorter than the asked one are tried too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import ceil, inf

from launcher.errors import Infeasible
from launcher.estimate import HOUR, Estimate, Kind, Rest, Share, exact, itemise, per_million
from launcher.optimize import (
    Caps,
    Group,
    Market,
    Need,
    choose,
    floors,
    least_budget,
    least_machines,
    market,
    soonest,
)
from launcher.risk import outcome
from launcher.speed import Spread

POINTS = 10  # of the frontier, at least
ROUGH = 0.02  # of the cost: the gap of a point of the frontier
REGIONS = 24  # tried, of those that could be cheapest
TRIES = 6  # to meet a limit at P90 before giving up
CLEAR = Decimal("0.005")  # of the cost: what is within this of the optimum is as cheap


@dataclass(frozen=True, slots=True)
class Asked:
    """The work and its limits."""

    tokens: Spread
    rest: Rest
    deadline_hours: float | None = None
    budget: Decimal | None = None
    machines: int | None = None
    machines_per_region: int | None = None  # hard, because the user said so
    obtainable: Mapping[Group, int] = field(default_factory=dict[Group, int])  # soft: what is known to be had
    quota: Mapping[Group, int] = field(default_factory=dict[Group, int])  # GPUs
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way to do the same work. `more` is USD above the chosen one at P50; None: unknown."""

    name: str
    estimate: Estimate
    more: Decimal | None


@dataclass(frozen=True, slots=True)
class Decision:
    chosen: Estimate
    gap: float  # of the solver, of the cost
    frontier: tuple[Estimate, ...]  # soonest first
    alternatives: tuple[Alternative, ...]  # cheapest first
    binding: tuple[str, ...]


def estimate(shares: Sequence[Share], asked: Asked) -> Estimate:
    """The fleet with its spread."""
    found = outcome(shares, asked.rest, asked.tokens, asked.seed)
    each = None if found.usd is None else per_million(found.usd.p50, asked.tokens.mid)
    return Estimate(tuple(shares), found.hours, found.usd, itemise(shares, asked.rest), each)


def decide(kinds: Sequence[Kind], asked: Asked) -> Decision:
    """The decision.

    Raises:
        Infeasible: no fleet keeps the limits; the message names the one that binds and the nearest that would do.
    """
    search = _Search(market(kinds, Need(asked.tokens.mid, asked.tokens.high)), asked)
    if not search.market.kinds:
        raise Infeasible(
            "no machine fits the limits of the job and has a known price and speed",
            hint="loosen limits.gpus, clouds, regions or spot in the job file",
        )
    return search.decide()


def alone(kind: Kind, asked: Asked) -> Estimate | None:
    """One kind doing all the work, as many machines as the deadline needs at the slow end; no limit on their number.

    None: they would not have started by then.
    """
    one = market([kind], Need(asked.tokens.mid, asked.tokens.high))
    capacity = float(one.capacity(asked.deadline_hours)[0]) if one.kinds else inf
    machines = ceil(1 / capacity) if capacity > 0 else None
    return None if machines is None else estimate([Share(kind, machines or 1, asked.tokens.mid)], asked)


@dataclass(slots=True)
class _Search:
    market: Market
    asked: Asked
    gaps: dict[tuple[Share, ...], float] = field(default_factory=dict[tuple[Share, ...], float])

    def decide(self) -> Decision:
        caps, times = self.caps()
        least = soonest(self.market, caps)
        if least is None:
            raise self.impossible()
        deadline = self.asked.deadline_hours
        frontier = self.frontier(caps, least)
        inside = [e for e in frontier if self.keeps(e)]
        if deadline is not None:
            on_the_dot = self.at(self.market, caps, deadline)
            inside += [on_the_dot] if on_the_dot else []
        if not inside:
            raise self.infeasible(caps, frontier)
        chosen = self.polish(caps, min(inside, key=price))
        others = list(self.others(caps, chosen))
        chosen = min([chosen, *(e for _, e in others)], key=price)
        alternatives = sorted(
            (Alternative(name, e, more(e, chosen)) for name, e in others), key=lambda a: price(a.estimate)
        )
        gap = self.gaps.get(chosen.shares, 0.0)
        return Decision(chosen, gap, tuple(frontier), tuple(alternatives), self.binding(caps, times, chosen))

    def caps(self) -> tuple[Caps, int]:
        """The limits on numbers, and how many times what is known to be obtainable in a region they let have.

        That is soft: where no fleet is on time with it, twice as much is tried, and so on.
        """
        asked = self.asked
        hard = Caps(asked.machines, asked.machines_per_region, {}, asked.quota)
        if asked.machines_per_region is not None or not asked.obtainable:
            return hard, 1
        free = _Search(self.market, replace(asked, budget=None), self.gaps)
        if free.at(self.market, hard, asked.deadline_hours) is None:
            return hard, 1  # not for want of machines in a region
        times = 1
        while True:
            most = {group: machines * times for group, machines in asked.obtainable.items()}
            soft = replace(hard, obtainable=most)
            if free.at(self.market, soft, asked.deadline_hours) is not None:
                return soft, times
            times *= 2

    def at(self, part: Market, caps: Caps, hours: float | None) -> Estimate | None:
        """The cheapest fleet that makes the deadline and the budget at P90."""
        aim, budget = hours, self.asked.budget
        usd = None if budget is None else float(budget - self.fixed(0.0))
        for _ in range(TRIES):
            found = choose(part, aim, replace(caps, usd=usd))
            if found is None:
                return None
            made = estimate(found.shares, self.asked)
            late = hours is not None and made.hours.high > hours
            dear = budget is not None and made.usd is not None and made.usd.p90 > budget
            if not late and not dear:
                self.gaps[made.shares] = found.gap
                return made
            if late and aim and hours:
                aim *= min(0.995, hours / made.hours.high * 0.998)
            if dear and usd is not None and made.usd and budget is not None:
                usd = min(usd, found.usd) * min(0.995, float(budget / made.usd.p90))
        return None

    def fixed(self, hours: float) -> Decimal:
        """What is not the machines', when the run takes so long."""
        rest = self.asked.rest
        return (rest.storage or Decimal(0)) + (rest.controller_usd_per_hour or Decimal(0)) * exact(
            hours or 0.0
        )

    def keeps(self, made: Estimate) -> bool:
        asked = self.asked
        in_time = asked.deadline_hours is None or made.hours.high <= asked.deadline_hours
        return in_time and (asked.budget is None or made.usd is None or made.usd.p90 <= asked.budget)

    def frontier(self, caps: Caps, least: float) -> list[Estimate]:
        """Fleets from the soonest to the cheapest, each cheaper than all before it; limits in dollars are left aside."""
        cheap = choose(self.market, None, caps)
        assert cheap, "what can be done soon can be done late"
        last = estimate(cheap.shares, self.asked)
        ratio = max(last.hours.high, least * 1.05) / least
        made = [last]
        for n in range(POINTS + 1):
            found = choose(self.market, least * ratio ** (n / (POINTS + 1)), caps, ROUGH)
            if found:
                made.append(estimate(found.shares, self.asked))
                self.gaps[made[-1].shares] = found.gap
        out: list[Estimate] = []
        for one in sorted(made, key=lambda e: (e.hours.high, price(e))):
            if not out or price(one) < price(out[-1]):
                out.append(one)
        return out

    def polish(self, caps: Caps, best: Estimate) -> Estimate:
        """Deadlines about the best one, for the points of the frontier are far apart; only where hours cost something."""
        hourly = best.items["controller"]
        if best.usd is None or not hourly or hourly < CLEAR * best.usd.p50:
            return best
        for factor in (0.75, 0.9, 1.1, 1.3):
            hours = best.hours.high * factor
            if self.asked.deadline_hours is None or hours <= self.asked.deadline_hours:
                made = self.at(self.market, caps, hours)
                if made and price(made) < price(best):
                    best = made
        return best

    def others(self, caps: Caps, chosen: Estimate) -> Iterator[tuple[str, Estimate]]:
        """Under the same limits: one GPU type, one region, one purchase kind."""
        hours = self.asked.deadline_hours or chosen.hours.high

        def under(wanted: Callable[[Kind], bool]) -> Estimate | None:
            return self.at(self.market.where(wanted), caps, hours)

        for gpu in sorted({kind.gpu for kind in self.market.kinds}):
            made = under(lambda kind, gpu=gpu: kind.gpu == gpu)
            if made:
                yield f"only {gpu}", made
        for spot, name in ((False, "only on demand"), (True, "only spot")):
            made = under(lambda kind, spot=spot: kind.spot == spot)
            if made:
                yield name, made
        region = self.region(caps, hours, under)
        if region:
            yield region

    def region(
        self, caps: Caps, hours: float, under: Callable[[Callable[[Kind], bool]], Estimate | None]
    ) -> tuple[str, Estimate] | None:
        """The best single region: tried from the one that could cost least, until none left can be cheaper."""
        best: tuple[str, Estimate] | None = None
        besides = self.fixed(min((kind.cold_start.mid for kind in self.market.kinds), default=0.0) / HOUR)
        for least, (cloud, region) in sorted(floors(self.market, hours, caps))[:REGIONS]:
            if best and exact(least) + besides >= price(best[1]):
                break
            made = under(
                lambda kind, cloud=cloud, region=region: (kind.cloud, kind.region) == (cloud, region)
            )
            if made and (best is None or price(made) < price(best[1])):
                best = (f"only {cloud} {region}", made)
        return best

    def binding(self, caps: Caps, times: int, chosen: Estimate) -> tuple[str, ...]:
        """Which limits keep something cheaper out, in words; and where the plan leans on luck."""
        asked, out = self.asked, list[str]()

        def gain(looser: Caps, hours: float | None) -> str | None:
            made = self.at(self.market, looser, hours)
            if made and made.usd and chosen.usd and made.usd.p50 < chosen.usd.p50 * (1 - CLEAR):
                return f"without it ${made.usd.p50:,.2f} in {span(made.hours.mid)}"
            return None

        deadline = asked.deadline_hours
        if deadline is not None and (saved := gain(caps, deadline * 4)):
            out.append(
                f"limits.deadline {span(deadline)}: four times as long, {saved.removeprefix('without it ')}"
            )
        if asked.machines is not None and (saved := gain(replace(caps, machines=None), deadline)):
            out.append(f"limits.machines {asked.machines}: {saved}")
        if asked.machines_per_region is not None and (saved := gain(replace(caps, per_group=None), deadline)):
            out.append(f"limits.machines_per_region {asked.machines_per_region}: {saved}")
        if asked.quota and (saved := gain(replace(caps, quota={}), deadline)):
            out.append(f"quota: {saved}")
        if times == 1 and caps.obtainable and (saved := gain(replace(caps, obtainable={}), deadline)):
            out.append(f"machines known to be obtainable in a region: {saved}")
        if times > 1:
            out.append(
                "no fleet makes the deadline with the machines known to be obtainable in a region: "
                f"up to {times} times as many are taken"
            )
        return tuple(out)

    def impossible(self) -> Infeasible:
        return Infeasible(
            "the quota leaves no machine for this job, however long it may take",
            hint="raise `quota:` in the job file to at least the GPUs of one machine",
        )

    def infeasible(self, caps: Caps, frontier: Sequence[Estimate]) -> Infeasible:
        """Which limit binds, and the nearest value that would do."""
        asked = self.asked
        deadline, budget = asked.deadline_hours, asked.budget
        timely = [e for e in frontier if deadline is None or e.hours.high <= deadline]
        if deadline is not None and not timely:
            without_budget = _Search(self.market, replace(asked, budget=None))
            made = without_budget.at(self.market, caps, deadline)
            if made is None:
                return self.late(caps, frontier)
            timely = [made]
        least = least_budget(self.market, deadline, caps)
        sums = [e.usd.p90 for e in timely if e.usd]
        if least is not None:
            sums.append(exact(least) + self.fixed(deadline or 0.0))
        nearest = min(sums)
        when = f" in {span(deadline)}" if deadline is not None else ""
        return Infeasible(
            f"nothing costs at most ${budget}{when} (P90); the least is ${nearest:,.2f}",
            hint=f"set limits.budget to ${ceil(nearest * Decimal('1.02'))}, or a later deadline",
        )

    def late(self, caps: Caps, frontier: Sequence[Estimate]) -> Infeasible:
        asked = self.asked
        assert asked.deadline_hours is not None
        best = min(frontier, key=lambda e: e.hours.high)
        limit, more = "", ""
        if asked.machines is not None:
            limit = f" with at most {asked.machines} machines (limits.machines)"
            fewest = least_machines(self.market, asked.deadline_hours, caps)
            if fewest is not None and fewest > asked.machines:
                more = f", or limits.machines to {ceil(fewest * 1.05)}"
        elif asked.quota and self.at(self.market, replace(caps, quota={}), asked.deadline_hours):
            limit, more = " within the quota", ", or raise the quota"
        elif asked.machines_per_region is not None:
            limit = f" with at most {asked.machines_per_region} machines a region"
            more = ", or raise limits.machines_per_region"
        return Infeasible(
            f"nothing finishes in {span(asked.deadline_hours)}{limit}; "
            f"soonest: {best.machines} machines, most {best.kind.name}, {span(best.hours.high)} (P90)",
            hint=f"set limits.deadline to {up(best.hours.high)}{more}",
        )


def price(made: Estimate) -> Decimal:
    """What it costs at the median, to sort by; the unknown last."""
    return made.usd.p50 if made.usd else Decimal("Infinity")


def more(made: Estimate, chosen: Estimate) -> Decimal | None:
    """USD above the chosen one; None: unknown."""
    return made.usd.p50 - chosen.usd.p50 if made.usd and chosen.usd else None


def span(hours: float) -> str:
    """A duration in words, short."""
    for size, unit in ((24.0, "d"), (1.0, "h"), (1 / 60, "min")):
        if hours >= (100 if unit == "d" else 2 * size):
            return f"{hours / size:.3g} {unit}"
    return f"{hours * 3600:.3g} s"


def up(hours: float) -> str:
    """A duration for the job file that is not shorter."""
    if hours < 1 / 30:
        return f"{ceil(hours * 3600)}s"
    return f"{ceil(hours * 60)}m" if hours < 2 else f"{ceil(hours * 10) / 10:g}h"
