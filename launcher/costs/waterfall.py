"""From what a plan said to what a run cost: every dollar of the difference, by its cause.

Pure. The plan's machine hours are priced at the plan's prices and turned step by step into those of the run: more or
fewer tokens, other machines than planned, their speed, what preemption took, starts, stragglers, waiting; what then
is left of the machines' dollars is their price. So the steps add up exactly to the difference of what is known.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from launcher.costs.attribution import MICROSECOND
from launcher.costs.machine_time import MachineTime
from launcher.costs.spend import Metered, OtherCharge, Part, Spend
from launcher.money import MICROSECONDS_PER_HOUR, USD_GRAIN, ZERO, decimal_of_float
from launcher.planning.saved_plan import SavedPlan
from tasks.protocol.receipt import Receipt
from tasks.protocol.worker_names import machine_and_slot

MACHINE_ITEMS = (
    "compute",
    "cold_start",
    "preemption",
    "idle_tail",
)  # the plan's items that machine hours pay for
OTHER_ITEMS = (
    "disk",
    "storage",
    "egress",
    "requests",
    "controller",
)  # compared each with its own kind of charge

CAUSE_TEXT = {
    "tokens": "tokens, against the plan's sample",
    "machines": "which machines did the work",
    "speed": "speed, against the plan's",
    "preemption": "lost work and new starts",
    "cold_start": "first starts, against the plan's",
    "stragglers": "waiting for the last shards",
    "waiting": "no shard to take, or a slow store",
    "teardown": "stopping, and least billing",
    "waived": "taken back at once, not charged",
    "prices": "prices an hour, against the plan's",
    "disk": "disks of the machines",
    "storage": "the vectors' first month",
    "egress": "data that left its region",
    "requests": "requests to the store",
    "controller": "SkyPilot's controller",
    "other": "charges that no plan has a word for",
    "unpriced": "planned, and not known of the run",
}


@dataclass(frozen=True, slots=True)
class CostDifference:
    cause: str
    usd: Decimal

    @property
    def words(self) -> str:
        return CAUSE_TEXT[self.cause]


@dataclass(frozen=True, slots=True)
class Waterfall:
    """`planned` plus the steps is `actual`, which is what is known of it."""

    planned: Decimal
    steps: tuple[CostDifference, ...]
    actual: Decimal


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    tokens: Decimal
    usd: Decimal  # of its compute
    usd_per_hour: Decimal  # of one machine
    tokens_per_second: Decimal  # of one machine
    metered: Decimal = Decimal(1)  # what the ledger has for one machine: here each worker is one by itself

    @property
    def usd_per_token(self) -> Decimal:
        return self.usd / self.tokens if self.tokens else ZERO


def waterfall(
    plan: SavedPlan, spend: Spend, machines: Sequence[MachineTime], receipts: Sequence[Receipt]
) -> Waterfall | None:
    """The steps from the plan's dollars to the run's; None if the plan has no dollars to compare with."""
    items = _items(plan)
    lots = planned_groups(plan)
    if items is None or not lots:
        return None
    tokens = tokens_by_group(machines, receipts, len(lots))
    planned_tokens = sum((lot.tokens for lot in lots), ZERO)
    done = sum(tokens.values(), ZERO)
    ratio = done / planned_tokens if planned_tokens else Decimal(1)
    compute = items["compute"]
    steps: dict[str, Decimal] = {"tokens": compute * ratio - compute}
    at_plan = sum((tokens[i] * lot.usd_per_token for i, lot in enumerate(lots)), ZERO)
    steps["machines"] = at_plan - compute * ratio
    spent = _time_at_plan_prices(lots, machines, spend.lives)
    steps["speed"] = spent["useful"] - at_plan
    steps["preemption"] = spent["preemption"] - items["preemption"]
    steps["cold_start"] = spent["cold_start"] - items["cold_start"]
    steps["stragglers"] = spent["idle"] - items["idle_tail"]
    steps["waiting"] = spent["waiting"]
    steps["teardown"] = spent["teardown"]
    steps["waived"] = -spend.total.waived
    steps = {cause: usd.quantize(USD_GRAIN) for cause, usd in steps.items()}
    # All that was planned for machines, all that was explained; what is left of the dollars is their price.
    base = sum((items[name] for name in MACHINE_ITEMS), ZERO)
    left = spend.total.total_known_usd - base - sum(steps.values(), ZERO)
    # Off by the last digits of what was rounded: that is no price.
    rounded = abs(left) <= len(steps) * (1 + len(machines)) * USD_GRAIN
    steps["prices"] = ZERO
    steps[max(steps, key=lambda cause: abs(steps[cause])) if rounded else "prices"] += left
    by_kind = _by_kind(spend.others)
    for kind in OTHER_ITEMS:
        if kind in by_kind:
            steps[kind] = by_kind.pop(kind) - items[kind]
        else:  # nobody knows what it cost: that is no saving
            steps["unpriced"] = steps.get("unpriced", ZERO) - items[kind]
    steps["other"] = sum(by_kind.values(), ZERO)
    planned = base + sum((items.get(kind, ZERO) for kind in OTHER_ITEMS), ZERO)
    kept = tuple(CostDifference(cause, usd) for cause, usd in steps.items() if usd)
    return Waterfall(planned, kept, spend.known_usd)


def planned_groups(plan: SavedPlan) -> list[PlannedGroup]:
    """The plan's machine groups with their share of its compute; empty if a price, a speed or tokens are unknown."""
    items = _items(plan)
    found: list[PlannedGroup] = []
    for lot in plan.lots:
        price, speed = lot.usd_per_hour, decimal_of_float(lot.tokens_per_second)
        tokens = Decimal(lot.tokens or (plan.profile.tokens if len(plan.lots) == 1 else 0))
        if price is None or not speed or not tokens:
            return []
        metered = Decimal(lot.workers or 1) if lot.cloud == "local" else Decimal(1)
        found.append(PlannedGroup(tokens, tokens / speed / 3600 * price, price, speed, metered))
    compute = sum((lot.usd for lot in found), ZERO)
    if items is None or not compute:
        return []
    share = items["compute"] / compute  # tokens per second are rounded in a plan
    return [replace(one, usd=one.usd * share) for one in found]


def tokens_by_group(
    machines: Sequence[MachineTime], receipts: Sequence[Receipt], lots: int
) -> dict[int, Decimal]:
    """Of each lot of the plan; a worker that is of none counts as the first's."""
    of = {m.name: group_of(m, lots) for m in machines}
    tokens: dict[int, int] = dict.fromkeys(range(max(1, lots)), 0)
    places: dict[str, int] = {}
    for receipt in receipts:
        if receipt.worker not in places:
            places[receipt.worker] = of.get(machine_and_slot(receipt.worker, of)[0], 0)
        tokens[places[receipt.worker]] += receipt.tokens
    return {lot: Decimal(n) for lot, n in tokens.items()}


def group_of(machine: MachineTime, lots: int) -> int:
    return machine.lot if machine.lot is not None and machine.lot < lots else 0


def replaces_preempted(machines: Sequence[MachineTime]) -> list[bool]:
    """Which lives are there because another one was taken away: each pays for one that ended before it began."""
    order = sorted(range(len(machines)), key=lambda i: machines[i].started)
    ends = sorted(
        (m.ended, m.lot or 0) for m in machines if m.ended and (m.how or m.state) in ("PREEMPTED", "LOST")
    )
    waiting: dict[int, int] = defaultdict(int)
    next_end, found = 0, [False] * len(machines)
    for i in order:
        machine = machines[i]
        while next_end < len(ends) and ends[next_end][0] <= machine.started:
            waiting[ends[next_end][1]] += 1
            next_end += 1
        lot = machine.lot or 0
        if machine.number or waiting[lot]:
            found[i] = True
            waiting[lot] = max(0, waiting[lot] - 1)
    return found


def _time_at_plan_prices(
    lots: Sequence[PlannedGroup], machines: Sequence[MachineTime], lives: Sequence[Metered]
) -> dict[str, Decimal]:
    """What each part of the machines' time would have cost at the plan's prices."""
    spent: dict[str, Decimal] = dict.fromkeys(
        ("useful", "preemption", "cold_start", "idle", "waiting", "teardown"), ZERO
    )
    for machine, metered, again in zip(machines, lives, replaces_preempted(machines), strict=True):
        if metered.usd is None:
            continue  # it has no dollars that could be explained
        lot = lots[group_of(machine, len(lots))]
        rate = lot.usd_per_hour / lot.metered
        for part, time in metered.time.items():
            spent[_cause(part, again=again)] += _hours(time) * rate
    return spent


def _cause(part: Part, *, again: bool) -> str:
    if part == "lost" or (part == "cold_start" and again):
        return "preemption"
    return part


def _hours(time: timedelta) -> Decimal:
    return Decimal(time // MICROSECOND) / MICROSECONDS_PER_HOUR


def _by_kind(others: Iterable[OtherCharge]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for other in others:
        if other.usd is not None:
            found[other.kind] += other.usd
    return dict(found)


def _items(plan: SavedPlan) -> dict[str, Decimal] | None:
    """The plan's items in dollars; one without a price counts as zero, for it is in no total of the plan."""
    items = plan.totals.items
    if items.get("compute") is None:
        return None
    return {name: items.get(name) or ZERO for name in (*MACHINE_ITEMS, *OTHER_ITEMS)}
