"""One look: how a run stands to its deadline and its budget, and what to ask for and to end. Pure.

In this order: what was refused is given up; on-demand machines that the deadline cannot wait for; then, with spot where
a token costs no more than the level, moves to cheaper places, machines that are too dear, new machines; and on demand a
little early for what spot does not cover. At the end of the run nothing is started that would come too late.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from launcher.format import duration
from launcher.money import decimal_of_float
from launcher.steering import beliefs
from launcher.steering.budget_rules import BudgetRules, affordable, burn_until_next_look, rules_of
from launcher.steering.course import Course, Decision, Mood
from launcher.steering.forecast import Money, Outlook, dollars, forecast
from launcher.steering.level import MANY, Level, level_of, machines_wanted
from launcher.steering.look import Ask, Look, Release
from launcher.steering.moves import end_dear, move, per_million, seconds_of_the_rest, trim
from launcher.steering.on_demand import (
    RESERVE_STARTS,
    must_start_at,
    net_of,
    reserve_seconds,
    start_net,
    start_overdue,
    start_reserve,
)
from launcher.steering.orders import HAD_NONE
from launcher.steering.refusals import Refusals, independent_places
from launcher.steering.safety_net import Net
from launcher.steering.situation import MachinePhase, Situation
from launcher.steering.supply import Source, usd_per_token

TAIL_STARTS = 2.0  # nothing new is started for a run that is done within so many cold starts
# Asks that are open at once: as many as SkyPilot launches at a time (`launcher.planning.launching`). More would only wait
# in its queue, before the machines on demand that the deadline may need.
LAUNCHING_SECONDS = 180.0
LAUNCHES_AT_ONCE = 8
PROBES = 2  # machines that ask a place which had none before; the rest of the room is for other places
NEXT_LOOK = timedelta(minutes=10)  # at the latest, and sooner where prices of time may change the decision
NEXT_LOOK_ON_DEMAND = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look decides: the course, and what is to be ordered for it."""

    course: Course
    asks: tuple[Ask, ...] = ()
    releases: tuple[Release, ...] = ()


def decide(situation: Situation) -> Verdict:
    """What to do now, and why."""
    look = Look.of(situation)
    _give_up_refused(look)
    deadline = look.steering.deadline
    seconds_left = None if deadline is None else (deadline - look.now).total_seconds()
    # After the deadline none can be kept: the places are weighed as in a run without one.
    level_seconds, net = (None, None) if look.is_overdue else (seconds_left, net_of(look))
    level = level_of(look, level_seconds)
    money = Money(situation.spent + situation.committed, situation.budget)
    rules = rules_of(look, dollars(level, _outlook(look, level, net)), money, net, level.on_demand)
    if rules.ceiling is not None:
        late = rules.mood == Mood.CONFLICT and not rules.stop
        level = level_of(look, None if late else level_seconds, rules.ceiling)
    missing = 0
    if not rules.stop:
        missing = _rent(look, level, net, rules, money)
    elif situation.machines:
        look.decisions.append(Decision("stop", rules.why, count=len(situation.machines)))
    return Verdict(
        course=_course(look, level, net, rules, money, missing),
        asks=tuple(Ask(number, count) for number, count in look.asks.items() if count),
        releases=tuple(look.releases),
    )


def _give_up_refused(look: Look) -> None:
    """End asks that their place has refused, unless on demand is asked for and there is no other such place."""
    others = [kind for kind in look.kinds.values() if not kind.spot and look.may_ask(kind)]
    refused = list[str]()
    for machine in look.machines:
        kind = look.kinds.get(machine.kind)
        if kind is None or machine.phase != MachinePhase.ASKED:
            continue
        refusal = look.belief(kind).refused
        asked = look.now - timedelta(seconds=machine.seconds)
        if refusal is not None and asked <= refusal and (kind.spot or others):
            refused.append(machine.name)
    if refused:
        names = set(refused)
        look.release([m for m in look.machines if m.name in names], what=HAD_NONE, reason=HAD_NONE)


def _rent(look: Look, level: Level, net: Net | None, rules: BudgetRules, money: Money) -> int:
    """Order what is worth its price; return how many machines on demand the deadline needs now."""
    trim(look, net, rules)
    leased_out = _is_leased_out(look)
    if leased_out:
        _shrink(look, seconds_of_the_rest(look, level))
    if leased_out or _is_nearly_done_late(look):
        return 0
    if net is not None:
        started = start_net(look, net, rules, money)
        if started:
            return started
    rest = seconds_of_the_rest(look, level)
    cold = min((kind.cold_start for kind in look.kinds.values()), default=0.0)
    if look.machines and rest < TAIL_STARTS * cold and _may_wait(net):
        _shrink(look, rest)
        return 0
    if not level.has_spot:
        return _ask_on_demand(look, level, net, money)
    end_dear(look, level, net, rules)
    _ask(look, level, money)
    move(look, level, net, rules, money)
    if net is not None:
        return start_reserve(look, net, rules, money)
    return start_overdue(look, level, money) if look.is_overdue else 0


def _is_leased_out(look: Look) -> bool:
    """Whether the machines that work hold all shards that are left: none is left for another machine."""
    shards = look.situation.shards_left
    working = [m for m in look.situation.machines if m.phase == MachinePhase.WORKING and m.kind in look.kinds]
    return shards is not None and sum(look.kinds[m.kind].workers for m in working) >= shards


def _is_nearly_done_late(look: Look) -> bool:
    """Whether the deadline is over, and machines that work are done before a further one would be of use.

    Until the deadline the net starts even then, as they may be lost. After it there is none that it could keep.
    """
    deadline, rate = (
        look.steering.deadline,
        look.rate([m for m in look.machines if m.phase == MachinePhase.WORKING]),
    )
    if deadline is None or look.now < deadline or not rate:
        return False
    cold = min((kind.cold_start for kind in look.kinds.values()), default=0.0)
    return look.situation.tokens_left / rate < TAIL_STARTS * cold


def _may_wait(net: Net | None) -> bool:
    return net is None or net.margin > 0


def _ask(look: Look, level: Level, money: Money) -> None:
    """Ask the cheapest places whose token costs no more than the level."""
    wanted = machines_wanted(look, level)
    workers = sum(look.kinds[m.kind].workers for m in look.machines if m.kind in look.kinds)
    shards = look.situation.shards_left
    at_once = LAUNCHING_SECONDS * look.steering.launches_per_second
    launches = max(LAUNCHES_AT_ONCE, int(min(MANY, at_once))) - len(look.asked())
    hanging = sum(1 for m in look.machines if not look.works_soon(m))
    for source in level.sources:
        kind = source.kind
        if not level.is_worth(source) or not look.may_ask(kind):
            continue
        count = min(look.room.of(kind), wanted + hanging - look.room.total, launches - look.asks.total())
        if source.is_full(look.held(kind.number)) or look.belief(kind).refusals:
            count = min(count, PROBES)  # it had no more: so few ask whether it has some again
        if shards is not None:
            count = min(count, -(-(shards - workers) // kind.workers))
        count = min(count, affordable(look, money, kind.number)) if count > 0 else 0
        if count > 0:
            workers += count * kind.workers
            look.ask(kind, count, what="ask", reason=_why(source, level), usd=count * look.start_usd(kind))


def _ask_on_demand(look: Look, level: Level, net: Net | None, money: Money) -> int:
    """Where no spot machine is cheaper: as many machines on demand as the time needs; return how many were asked for."""
    steering, situation = look.steering, look.situation
    tokens = max(situation.tokens_left, steering.tokens_left_p90 or 0.0)
    asked = 0
    for kind in sorted(look.kinds.values(), key=usd_per_token):
        if kind.spot or not look.may_ask(kind):
            continue
        seconds = level.seconds_left
        if net is not None:
            seconds -= kind.cold_start_p90 + steering.answer_seconds + steering.shard_seconds
        elif steering.planned_seconds:
            seconds = steering.planned_seconds
        needed = ceil(tokens / kind.tokens_per_second_p10 / seconds) if seconds > 0 else level.most
        count = min(look.room.of(kind), needed - look.room.total)
        count = min(count, affordable(look, money, kind.number)) if count > 0 else 0
        if count > 0:
            reason = f"{needed} machines on demand do the rest in {duration(seconds)} at the slow end"
            look.ask(kind, count, what="ask", reason=reason, usd=count * look.start_usd(kind))
            asked += count
    return asked


def _why(source: Source, level: Level) -> str:
    price = "?" if level.price is None else per_million(level.price)
    return (
        f"${source.kind.usd_per_hour:.4f} an hour, {per_million(source.usd_per_token)} a million tokens with its start; "
        f"the level is {price}"
    )


def _shrink(look: Look, rest: float) -> None:
    """At the end of the run: machines that come too late are ended, then those for which no shard is left."""
    too_late = [
        m
        for m in look.machines
        if m.phase != MachinePhase.WORKING
        and m.kind in look.kinds
        and (look.kinds[m.kind].cold_start - (m.seconds if m.phase == MachinePhase.COLD else 0.0)) > rest
    ]
    working = [m for m in look.machines if m.phase == MachinePhase.WORKING]
    if too_late and working:
        look.release(too_late, what="end", reason=f"the work is done in {rest:.0f} s, before it would embed")
    shards = look.situation.shards_left
    if shards is None:
        return
    spare = sum(look.kinds[m.kind].workers for m in working if m.kind in look.kinds) - shards
    for machine in look.dearest_first(working):
        workers = look.kinds[machine.kind].workers if machine.kind in look.kinds else 1
        if workers > spare:
            return
        spare -= workers
        look.release([machine], what="drain", reason="no shard is left for it")


def _course(
    look: Look, level: Level, net: Net | None, rules: BudgetRules, money: Money, missing: int
) -> Course:
    deadline = look.steering.deadline
    expected = forecast(
        level,
        net,
        money,
        _outlook(look, level, net),
        None if deadline is None else (deadline - look.now).total_seconds(),
    )
    targets = tuple(sorted((number, count) for number, count in look.room.held.items() if count > 0))
    return Course(
        at=look.now,
        mood=rules.mood,
        usd_per_token=None if level.price is None else decimal_of_float(level.price),
        margin_seconds=None if net is None else net.margin_seconds,
        missing=missing,
        targets=targets,
        forecast=expected,
        decisions=tuple(look.decisions),
        next_look=_next_look(look, net, money),
        stop=rules.stop,
        says=rules.why,
    )


def _outlook(look: Look, level: Level, net: Net | None) -> Outlook:
    """What the forecast rests on beside the level."""
    return Outlook(
        tokens=look.situation.tokens_left,
        rate=look.rate([m for m in look.machines if m.phase != MachinePhase.ASKED]),
        wanted=machines_wanted(look, level),
        reserve=reserve_seconds(look, net),
        has_net=net is not None,
        refusals=Refusals(look.steering.obtainable, independent_places(look.kinds.values())),
    )


def _next_look(look: Look, net: Net | None, money: Money) -> datetime:
    """Until when nothing changes by time alone."""
    moments = [look.now + (NEXT_LOOK_ON_DEMAND if look.on_demand() else NEXT_LOOK)]
    for kind in look.kinds.values():
        retry = beliefs.retry_after(look.belief(kind))
        if kind.spot and retry is not None and retry > look.now:
            moments.append(retry)
    if net is not None:
        working = look.rate(look.spot(MachinePhase.WORKING))
        falling = net.free_rate - working
        if falling > 0:
            due = (net.margin - must_start_at(look, net)) / falling
            moments.append(_soon(look.now, due))
            uncovered = max(0.0, net.free_rate - look.rate(look.spot()))
            cold = max((kind.cold_start for kind in look.kinds.values() if not kind.spot), default=0.0)
            early = (net.margin - RESERVE_STARTS * cold * uncovered) / falling
            if early > 0:
                moments.append(_soon(look.now, early))
    burn = burn_until_next_look(look)
    if money.left is not None and burn > 0:
        # Half of the way to the budget: prices may rise meanwhile.
        looks = max(0.0, money.left / burn - 1) * 2
        moments.append(_soon(look.now, looks * look.steering.look_seconds / 2))
    soonest = look.now + timedelta(seconds=look.steering.look_seconds)
    return max(soonest, min(moments))


def _soon(now: datetime, seconds: float) -> datetime:
    """So many seconds from now, or NEXT_LOOK: what a small difference divides may be longer than any date."""
    return now + timedelta(seconds=min(max(0.0, seconds), NEXT_LOOK.total_seconds()))
