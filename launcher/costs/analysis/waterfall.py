"""Cost waterfall: the difference between planned and actual cost of a run, divided by cause.

Pure. The run's machine hours are valued at the plan's prices and compared step by step with the planned ones: number of
tokens, choice of machines, their speed, preemption, cold starts, stragglers, waiting. The remaining difference of the
machines' cost is due to their prices. So the steps add up exactly to the known difference.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from launcher.costs.usage.attribution import MICROSECOND
from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.spend import Metered, OtherCharge, Part, Spend
from launcher.costs.usage.work_done import Work, work_of
from launcher.money import MICROSECONDS_PER_HOUR, SECONDS_PER_HOUR, USD_GRAIN, ZERO, decimal_of_float
from launcher.planning.saved.saved_plan import SavedPlan
from tasks.protocol.messages.worker_names import machine_and_slot

MACHINE_ITEMS = (
    "compute",
    "cold_start",
    "preemption",
    "idle_tail",
    "teardown",
)  # the plan's items for machine hours
OTHER_ITEMS = (
    "disk",
    "storage",
    "egress",
    "requests",
    "controller",
)  # each is compared with its own kind of charge

CAUSE_TEXT = {
    "tokens": "tokens, vs. the plan's sample",
    "machines": "which machines did the work",
    "speed": "speed, vs. the plan",
    "preemption": "lost work and new starts",
    "cold_start": "first starts, vs. the plan",
    "stragglers": "waiting for the last shards",
    "waiting": "no shard to take, or a slow store",
    "teardown": "stopping, and minimum billing",
    "waived": "preempted early, not charged",
    "prices": "prices per hour, vs. the plan",
    "disk": "disks of the machines",
    "storage": "the vectors' first month",
    "egress": "data that left its region",
    "requests": "requests to the store",
    "controller": "SkyPilot's controller",
    "other": "charges that are not in the plan",
    "unpriced": "planned, but unknown for the run",
}


@dataclass(frozen=True, slots=True)
class CostDifference:
    """One cause, and by how many USD it made the run more expensive than planned."""

    cause: str
    usd: Decimal

    @property
    def description(self) -> str:
        return CAUSE_TEXT[self.cause]


@dataclass(frozen=True, slots=True)
class Waterfall:
    """`planned` plus the steps is `actual`, the known part of the actual cost."""

    planned: Decimal
    steps: tuple[CostDifference, ...]
    actual: Decimal


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """A machine group of the plan, as far as the waterfall needs it."""

    tokens: Decimal
    usd: Decimal  # of the plan's item "compute"
    usd_per_hour: Decimal  # of one machine
    tokens_per_second: Decimal  # of one machine
    ledger_machines: Decimal = Decimal(
        1
    )  # per planned machine: on this machine the ledger has one per worker

    @property
    def usd_per_token(self) -> Decimal:
        return self.usd / self.tokens if self.tokens else ZERO


def waterfall(
    plan: SavedPlan, spend: Spend, machines: Sequence[MachineTime], receipts: Work
) -> Waterfall | None:
    """The steps from planned to actual cost; None if the plan has no cost to compare with."""
    items = _items(plan)
    groups = planned_groups(plan)
    if items is None or not groups:
        return None
    tokens = tokens_by_group(machines, receipts, len(groups))
    steps = _machine_steps(items, groups, tokens, _time_at_plan_prices(groups, machines, spend.lives))
    steps["waived"] = -spend.total.waived
    steps = {cause: usd.quantize(USD_GRAIN) for cause, usd in steps.items()}
    # What the steps so far do not explain of the machines' cost is due to their prices.
    planned_machines = sum((items[name] for name in MACHINE_ITEMS), ZERO)
    left = spend.total.total_known_usd - planned_machines - sum(steps.values(), ZERO)
    # A remainder within the rounding of the steps is not due to prices.
    rounded = abs(left) <= len(steps) * (1 + len(machines)) * USD_GRAIN
    steps["prices"] = ZERO
    steps[max(steps, key=lambda cause: abs(steps[cause])) if rounded else "prices"] += left
    steps |= _other_steps(items, spend.others)
    planned = planned_machines + sum((items.get(kind, ZERO) for kind in OTHER_ITEMS), ZERO)
    kept = tuple(CostDifference(cause, usd) for cause, usd in steps.items() if usd)
    return Waterfall(planned, kept, spend.known_usd)


def planned_groups(plan: SavedPlan) -> list[PlannedGroup]:
    """The plan's machine groups with their share of its compute; empty if a price, a speed or tokens are unknown.

    Also empty of a plan that is steered: what is rented then are kinds of its envelope, and not these groups.
    """
    if plan.steering is not None:
        return []
    items = _items(plan)
    found: list[PlannedGroup] = []
    for group in plan.lots:
        price, speed = group.usd_per_hour, decimal_of_float(group.tokens_per_second)
        tokens = Decimal(group.tokens or (plan.profile.tokens if len(plan.lots) == 1 else 0))
        if price is None or not speed or not tokens:
            return []
        found.append(
            PlannedGroup(
                tokens=tokens,
                usd=tokens / speed / Decimal(SECONDS_PER_HOUR) * price,
                usd_per_hour=price,
                tokens_per_second=speed,
                ledger_machines=Decimal(group.workers or 1) if group.cloud == "local" else Decimal(1),
            )
        )
    compute = sum((group.usd for group in found), ZERO)
    if items is None or not compute:
        return []
    share = items["compute"] / compute  # not exactly 1, because tokens per second are rounded in a plan
    return [replace(one, usd=one.usd * share) for one in found]


def tokens_by_group(machines: Sequence[MachineTime], receipts: Work, groups: int) -> dict[int, Decimal]:
    """Tokens done by each machine group; a worker without a group counts for the first."""
    of_machine = {m.name: group_of(m, groups) for m in machines}
    work = work_of(receipts)
    tokens: dict[int, int] = dict.fromkeys(range(max(1, groups)), 0)
    for worker, places in work.by_worker():
        tokens[of_machine.get(machine_and_slot(worker, of_machine)[0], 0)] += int(work.tokens[places].sum())
    return {group: Decimal(count) for group, count in tokens.items()}


def group_of(machine: MachineTime, groups: int) -> int:
    """The index of a machine's group in the plan; 0 if it has none."""
    return machine.group if machine.group is not None and machine.group < groups else 0


def replaces_preempted(machines: Sequence[MachineTime]) -> list[bool]:
    """Which lives replace a preempted one: each is matched with one that ended before it started."""
    order = sorted(range(len(machines)), key=lambda i: machines[i].started)
    ends = sorted(
        (m.ended, m.group or 0) for m in machines if m.ended and (m.how or m.state) in ("PREEMPTED", "LOST")
    )
    unreplaced: dict[int, int] = defaultdict(int)  # preempted lives by group
    next_end, found = 0, [False] * len(machines)
    for i in order:
        machine = machines[i]
        while next_end < len(ends) and ends[next_end][0] <= machine.started:
            unreplaced[ends[next_end][1]] += 1
            next_end += 1
        group = machine.group or 0
        if machine.number or unreplaced[group]:
            found[i] = True
            unreplaced[group] = max(0, unreplaced[group] - 1)
    return found


def _machine_steps(
    items: Mapping[str, Decimal],
    groups: Sequence[PlannedGroup],
    tokens: Mapping[int, Decimal],
    spent: Mapping[str, Decimal],
) -> dict[str, Decimal]:
    """USD by cause, before prices. `spent` is the run's machine time by part, at the plan's prices."""
    compute = items["compute"]
    planned_tokens = sum((group.tokens for group in groups), ZERO)
    ratio = sum(tokens.values(), ZERO) / planned_tokens if planned_tokens else Decimal(1)
    at_planned_speed = sum((tokens[i] * group.usd_per_token for i, group in enumerate(groups)), ZERO)
    return {
        "tokens": compute * ratio - compute,
        "machines": at_planned_speed - compute * ratio,
        "speed": spent["useful"] - at_planned_speed,
        "preemption": spent["preemption"] - items["preemption"],
        "cold_start": spent["cold_start"] - items["cold_start"],
        "stragglers": spent["idle"] - items["idle_tail"],
        "waiting": spent["waiting"],
        "teardown": spent["teardown"] - items["teardown"],
    }


def _other_steps(items: Mapping[str, Decimal], others: Iterable[OtherCharge]) -> dict[str, Decimal]:
    """USD by kind of charge other than machine hours."""
    by_kind = _by_kind(others)
    steps: dict[str, Decimal] = {}
    for kind in OTHER_ITEMS:
        if kind in by_kind:
            steps[kind] = by_kind.pop(kind) - items[kind]
        else:  # its actual cost is unknown, which is not a saving
            steps["unpriced"] = steps.get("unpriced", ZERO) - items[kind]
    steps["other"] = sum(by_kind.values(), ZERO)
    return steps


def _time_at_plan_prices(
    groups: Sequence[PlannedGroup], machines: Sequence[MachineTime], lives: Sequence[Metered]
) -> dict[str, Decimal]:
    """USD of each part of the machines' time at the plan's prices."""
    spent: dict[str, Decimal] = dict.fromkeys(
        ("useful", "preemption", "cold_start", "idle", "waiting", "teardown"), ZERO
    )
    for machine, metered, is_replacement in zip(machines, lives, replaces_preempted(machines), strict=True):
        if metered.usd is None:
            continue  # it has no cost to explain
        group = groups[group_of(machine, len(groups))]
        rate = group.usd_per_hour / group.ledger_machines
        for part, time in metered.time.items():
            spent[_cause(part, is_replacement=is_replacement)] += _hours(time) * rate
    return spent


def _cause(part: Part, *, is_replacement: bool) -> str:
    if part == "lost" or (part == "cold_start" and is_replacement):
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
    """The plan's items in USD; one without a price counts as 0, because it is in no total of the plan."""
    items = plan.totals.items
    if items.get("compute") is None:
        return None
    return {name: items.get(name) or ZERO for name in (*MACHINE_ITEMS, *OTHER_ITEMS)}
