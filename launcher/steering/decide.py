"""One look: how a run stands to its deadline and its budget, and what to ask for and to end. Pure.

In this order: what was refused is given up; on-demand machines that the deadline cannot wait for; then, with spot where
a token costs no more than the level, moves to cheaper places, machines that are too dear, new machines; and on demand a
little early for what spot does not cover. At the end of the run nothing is started that would come too late.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from launcher.format import duration, plural, verb
from launcher.money import decimal_of_float
from launcher.steering.course import BudgetPressure, Course, Decision, Forecast
from launcher.steering.forecast import Money, Outlook, dollars, forecast
from launcher.steering.level import MANY, Level, level_of, machines_wanted
from launcher.steering.market.refusals import Refusals, independent_places
from launcher.steering.market.supply import Source, usd_per_token
from launcher.steering.orders import HAD_NONE
from launcher.steering.reconciliation import Ask, Reconciliation, Release
from launcher.steering.rules.budget_rules import BudgetRules, affordable, burn_until_next_look, rules_of
from launcher.steering.rules.canary import start_canary
from launcher.steering.rules.moves import end_dear, move, per_million, seconds_of_the_rest, trim
from launcher.steering.rules.on_demand import (
    must_start_at,
    net_of,
    reserve_patience,
    reserve_seconds,
    seconds_to_reserve,
    start_net,
    start_overdue,
    start_reserve,
    uncovered_rate,
)
from launcher.steering.safety_net import SafetyNet
from launcher.steering.situation import Machine, MachinePhase, Situation

TAIL_STARTS = 2.0  # nothing new is started for a run that is done within so many cold starts
# Asks that are open at once: as many as SkyPilot launches at a time (`launcher.planning.estimates.launching`). More
# would only wait in its queue, before the machines on demand that the deadline may need.
LAUNCHING_SECONDS = 180.0
LAUNCHES_AT_ONCE = 8
# Machines that ask a place which had none before; the rest of the room is for other places. One says as much as many.
RETRY_MACHINES = 1
NEXT_LOOK = timedelta(minutes=10)  # at the latest, and sooner where prices of time may change the decision
NEXT_LOOK_ON_DEMAND = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look decides: the course, and what is to be ordered for it."""

    course: Course
    asks: tuple[Ask, ...] = ()
    releases: tuple[Release, ...] = ()


def decide(situation: Situation, *, with_forecast: bool = True) -> Verdict:
    """What to do now, and why. `with_forecast` False leaves the forecast out: no order depends on it."""
    current = Reconciliation.of(situation)
    _give_up_refused(current)
    deadline = current.steering.deadline
    seconds_left = None if deadline is None else (deadline - current.now).total_seconds()
    # After the deadline none can be kept: the places are weighed as in a run without one.
    level_seconds, net = (None, None) if current.is_overdue else (seconds_left, net_of(current))
    reserve = reserve_seconds(current, net)
    level = level_of(current, level_seconds, reserve=reserve)
    money = Money(situation.spent + situation.committed, situation.budget)
    # Without a budget no forecast is asked for its dollars: it presses in no case.
    usd = None if money.budget is None else dollars(level, _outlook(current, level, net))
    rules = rules_of(current, usd, money, net, level.machine_on_demand)
    if rules.ceiling is not None:
        late = rules.budget_pressure == BudgetPressure.CONFLICT and not rules.stop
        level = level_of(current, None if late else level_seconds, rules.ceiling, 0.0 if late else reserve)
    missing = 0
    if not rules.stop:
        missing = _rent(current, level, net, rules, money)
    elif situation.machines:
        current.decisions.append(Decision("stop", rules.why, count=len(situation.machines)))
    expected = None
    if with_forecast:
        outlook = _outlook(current, level, net)
        expected = forecast(level, net, money, outlook, seconds_left)
    return Verdict(
        course=_course(current, level, net, rules, money, missing, expected),
        asks=tuple(Ask(number, count) for number, count in current.asks.items() if count),
        releases=tuple(current.releases),
    )


def _give_up_refused(current: Reconciliation) -> None:
    """End asks that their place has refused, unless on demand is asked for and there is no other such place."""
    asked = current.staying.asked
    if not asked:
        return
    others = [kind for kind in current.on_demand_kinds if current.may_ask(kind)]
    refused = list[str]()
    for machine in asked:
        kind = current.kinds.get(machine.kind)
        if kind is None:
            continue
        refusal = current.belief(kind).refused
        since = current.now - timedelta(seconds=machine.seconds)
        if refusal is not None and since <= refusal and (kind.spot or others):
            refused.append(machine.name)
    if refused:
        names = set(refused)
        current.release([m for m in current.machines if m.name in names], what=HAD_NONE, reason=HAD_NONE)


def _rent(
    current: Reconciliation, level: Level, net: SafetyNet | None, rules: BudgetRules, money: Money
) -> int:
    """Order what is worth its price; return how many machines on demand the deadline needs now."""
    trim(current, net, rules)
    leased_out = _is_leased_out(current)
    if leased_out:
        _shrink(current, seconds_of_the_rest(current, level))
    if leased_out or _is_nearly_done_late(current):
        return 0
    if net is not None:
        started = start_net(current, net, rules, money)
        if started:
            return started
    rest = seconds_of_the_rest(current, level)
    cold = min((kind.cold_start for kind in current.kinds.values()), default=0.0)
    if current.machines and rest < TAIL_STARTS * cold and _may_wait(net):
        _shrink(current, rest)
        return 0
    if not level.has_spot:
        return _ask_on_demand(current, level, net, money)
    end_dear(current, level, net, rules)
    _ask(current, level, net, rules, money)
    move(current, level, net, rules, money)
    if net is not None:
        return start_reserve(current, net, rules, money) or start_canary(current, level, net, rules, money)
    return start_overdue(current, level, money) if current.is_overdue else 0


def _is_leased_out(current: Reconciliation) -> bool:
    """Whether the machines that work hold all shards that are left: none is left for another machine."""
    shards = current.situation.shards_left
    working = [
        m for m in current.situation.machines if m.phase == MachinePhase.WORKING and m.kind in current.kinds
    ]
    return shards is not None and sum(current.kinds[m.kind].workers for m in working) >= shards


def _is_nearly_done_late(current: Reconciliation) -> bool:
    """Whether the deadline is over, and machines that work are done before a further one would be of use.

    Until the deadline the net starts even then, as they may be lost. After it there is none that it could keep.
    """
    deadline, staying = current.steering.deadline, current.staying
    rate = staying.rate([m for m in staying.machines if m.phase == MachinePhase.WORKING])
    if deadline is None or current.now < deadline or not rate:
        return False
    cold = min((kind.cold_start for kind in current.kinds.values()), default=0.0)
    return current.situation.tokens_left / rate < TAIL_STARTS * cold


def _may_wait(net: SafetyNet | None) -> bool:
    return net is None or net.margin > 0


def _ask(
    current: Reconciliation, level: Level, net: SafetyNet | None, rules: BudgetRules, money: Money
) -> None:
    """Ask the cheapest places whose token costs no more than the level.

    As many machines as the work needs, and as cover what on demand would start for: spot that may be there comes first.
    """
    wanted = machines_wanted(current, level)
    workers = sum(current.kinds[m.kind].workers for m in current.machines if m.kind in current.kinds)
    shards = current.situation.shards_left
    at_once = LAUNCHING_SECONDS * current.steering.launches_per_second
    launches = max(LAUNCHES_AT_ONCE, int(min(MANY, at_once))) - len(current.staying.asked)
    hanging = len(current.staying.hanging)
    for source in level.sources:
        kind = source.kind
        uncovered = uncovered_rate(current, net, rules)
        missing = wanted + hanging - current.room.total
        if (missing <= 0 and not uncovered) or launches <= current.asks.total():
            return
        if not level.is_worth(source) or not current.may_ask(kind):
            continue
        likely = kind.tokens_per_second * current.chance_of(kind)
        covering = min(MANY, ceil(uncovered / likely)) if likely > 0 else 0
        count = min(current.room.of(kind), max(missing, covering), launches - current.asks.total())
        if source.is_full(current.held(kind.number)) or current.belief(kind).refusals:
            # It had no more: so few ask whether it has some again, those of earlier looks that wait included.
            count = min(count, RETRY_MACHINES - current.staying.asked_of[kind.number])
        if shards is not None:
            count = min(count, -(-(shards - workers) // kind.workers))
        count = min(count, affordable(current, money, kind.number)) if count > 0 else 0
        if count > 0:
            workers += count * kind.workers
            current.ask(
                kind,
                count,
                what="ask",
                reason=_why(current, source, level),
                usd=count * current.start_usd(kind),
            )


def _ask_on_demand(current: Reconciliation, level: Level, net: SafetyNet | None, money: Money) -> int:
    """Where no spot machine is cheaper: as many machines on demand as the time needs; return how many were asked for."""
    steering, situation = current.steering, current.situation
    tokens = max(situation.tokens_left, steering.tokens_left_p90 or 0.0)
    asked = 0
    for kind in sorted(current.kinds.values(), key=usd_per_token):
        if kind.spot or not current.may_ask(kind):
            continue
        seconds = level.seconds_left
        if net is not None:
            seconds -= kind.cold_start_p90 + steering.answer_seconds + steering.shard_seconds
        elif steering.planned_seconds:
            seconds = steering.planned_seconds
        needed = ceil(tokens / kind.tokens_per_second_p10 / seconds) if seconds > 0 else level.most
        count = min(current.room.of(kind), needed - current.room.total)
        count = min(count, affordable(current, money, kind.number)) if count > 0 else 0
        if count > 0:
            enough = f"{plural(needed, 'machine')} on demand {verb(needed, 'is', 'are')} enough"
            reason = f"{enough} for the rest in {duration(seconds)}, at the slow end of the speed"
            current.ask(kind, count, what="ask", reason=reason, usd=count * current.start_usd(kind))
            asked += count
    return asked


def _why(current: Reconciliation, source: Source, level: Level) -> str:
    price = "?" if level.price is None else per_million(level.price)
    return (
        f"${source.kind.usd_per_hour:.4f} an hour, {per_million(source.usd_per_token)} a million tokens with its start; "
        f"the level is {price}{_passed_over(current, source, level)}"
    )


def _passed_over(current: Reconciliation, source: Source, level: Level) -> str:
    """Which cheaper places are not asked although they are worth it, because they had none or took some; else ""."""
    cheaper = [s.kind for s in level.sources if s.usd_per_token < source.usd_per_token]
    waits = {
        kind.key[0]: (retry, refused)
        for kind in cheaper
        if (retry := current.retries.get(kind.number)) is not None
        and retry > current.now
        and (refused := current.belief(kind).refused) is not None
    }
    if not waits:
        return ""
    soonest = min(retry for retry, _ in waits.values())
    latest = max(failed for _, failed in waits.values())
    seconds = (current.now - latest).total_seconds()
    failed = f"{duration(seconds)} ago" if seconds else "now"
    again = duration((soonest - current.now).total_seconds())
    if len(waits) > 1:
        return f"; {len(waits)} cheaper places failed, the last {failed}, and are asked again in {again} at the earliest"
    return f"; cheaper {next(iter(waits))} failed {failed}, and is asked again in {again}"


def _shrink(current: Reconciliation, rest: float) -> None:
    """At the end of the run: machines that come too late are ended, then those for which no shard is left."""
    too_late = [
        m
        for m in current.machines
        if m.phase != MachinePhase.WORKING
        and m.kind in current.kinds
        and (current.kinds[m.kind].cold_start - (m.seconds if m.phase == MachinePhase.COLD else 0.0)) > rest
    ]
    working = [m for m in current.machines if m.phase == MachinePhase.WORKING]
    if too_late and working:
        current.release(
            too_late, what="end", reason=f"the work is done in {rest:.0f} s, before it would embed"
        )
    shards = current.situation.shards_left
    if shards is None:
        return
    spare = sum(current.kinds[m.kind].workers for m in working if m.kind in current.kinds) - shards
    idle = list[Machine]()
    for machine in current.staying.by_price(working):
        workers = current.kinds[machine.kind].workers if machine.kind in current.kinds else 1
        if workers > spare:
            break
        spare -= workers
        idle.append(machine)
    if idle:
        current.release(idle, what="drain", reason="no shard is left for it")


def _course(
    current: Reconciliation,
    level: Level,
    net: SafetyNet | None,
    rules: BudgetRules,
    money: Money,
    missing: int,
    expected: Forecast | None,
) -> Course:
    targets = tuple(sorted((number, count) for number, count in current.room.held.items() if count > 0))
    return Course(
        at=current.now,
        budget_pressure=rules.budget_pressure,
        usd_per_token=None if level.price is None else decimal_of_float(level.price),
        margin_seconds=None if net is None else net.margin_seconds,
        missing=missing,
        targets=targets,
        forecast=expected,
        decisions=tuple(current.decisions),
        next_look=_next_look(current, net, money),
        stop=rules.stop,
        says=rules.why,
    )


def _outlook(current: Reconciliation, level: Level, net: SafetyNet | None) -> Outlook:
    """What the forecast rests on beside the level."""
    return Outlook(
        tokens=current.situation.tokens_left,
        rate=current.staying.rate([m for m in current.machines if m.phase != MachinePhase.ASKED]),
        wanted=machines_wanted(current, level),
        reserve=reserve_seconds(current, net),
        patience=reserve_patience(current),
        has_net=net is not None,
        refusals=Refusals(current.steering.obtainable, independent_places(current.kinds.values())),
    )


def _next_look(current: Reconciliation, net: SafetyNet | None, money: Money) -> datetime:
    """Until when nothing changes by time alone."""
    moments = [current.now + (NEXT_LOOK_ON_DEMAND if current.staying.on_demand else NEXT_LOOK)]
    for number, retry in current.retries.items():
        if retry > current.now and current.kinds[number].spot:
            moments.append(retry)
    if net is not None:
        working = current.staying.working_spot_rate
        falling = net.free_rate - working
        if falling > 0:
            due = (net.margin - must_start_at(current, net)) / falling
            moments.append(_soon(current.now, due))
        early = seconds_to_reserve(current, net)
        if early is not None:
            moments.append(_soon(current.now, early))
    burn = burn_until_next_look(current)
    if money.left is not None and burn > 0:
        # Half of the way to the budget: prices may rise meanwhile.
        looks = max(0.0, money.left / burn - 1) * 2
        moments.append(_soon(current.now, looks * current.steering.look_seconds / 2))
    soonest = current.now + timedelta(seconds=current.steering.look_seconds)
    return max(soonest, min(moments))


def _soon(now: datetime, seconds: float) -> datetime:
    """So many seconds from now, or NEXT_LOOK: what a small difference divides may be longer than any date."""
    return now + timedelta(seconds=min(max(0.0, seconds), NEXT_LOOK.total_seconds()))
