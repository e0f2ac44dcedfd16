"""On-demand machines for the deadline: when they start, and which machines may go without putting it at risk. Pure."""

from collections.abc import Sequence

from launcher.format import duration
from launcher.steering.forecast import Money
from launcher.steering.level import Level
from launcher.steering.market.supply import SECONDS_PER_HOUR, usd_per_token
from launcher.steering.reconciliation import Reconciliation
from launcher.steering.rules.budget_rules import BudgetRules, affordable
from launcher.steering.safety_net import SafetyNet, safety_net, seconds_to_work
from launcher.steering.situation import Kind, Machine, MachinePhase

# Coming back from on demand costs a cold start of work a machine, for which a fleet at its limit has no room: so the net
# starts this many cold starts early for machines that no spot machine covers, and on-demand machines end only while so
# many cold starts of each are in hand.
RESERVE_STARTS = 8.0
RETURN_STARTS = 5.0
HYSTERESIS = 2.0  # times the reserve at which machines start, before one ends that no spot machine covers
OVERDUE_STARTS = 10.0  # cold starts for which each machine works that starts on demand after the deadline
LOOKS = 2.0  # a machine that was ended is gone, and its place free, within so many looks


def net_of(current: Reconciliation) -> SafetyNet | None:
    """The safety net as if no spot machine were held; None without a deadline, or with nothing to rent on demand."""
    deadline = current.steering.deadline
    rented = current.on_demand_kinds
    if deadline is None or not rented:
        return None
    started = [(machine, current.kinds[machine.kind]) for machine in current.staying.on_demand]
    return safety_net(
        started,
        _free(current, rented),
        seconds_left=(deadline - current.now).total_seconds(),
        tokens_left=max(current.situation.tokens_left, current.steering.tokens_left_p90 or 0.0),
        steering=current.steering,
        queue=[m.name for m in sorted(current.staying.asked, key=lambda m: -m.seconds)],
    )


def _free(current: Reconciliation, rented: Sequence[Kind]) -> list[tuple[Kind, int]]:
    """On-demand machines that may still be asked for, the cheapest a token first, once spot machines make room."""
    room = current.room.without([m.kind for m in current.staying.spot])
    found = list[tuple[Kind, int]]()
    open_kinds = [kind for kind in rented if current.may_ask(kind)] or rented
    for kind in sorted(open_kinds, key=lambda kind: (usd_per_token(kind), kind.number)):
        count = room.of(kind)
        if count:
            found.append((kind, count))
            room.add(kind.number, count)
    return found


def start_net(current: Reconciliation, net: SafetyNet, rules: BudgetRules, money: Money) -> int:
    """Start the on-demand machines that cannot wait for another look; return how many.

    Spot machines that work cover as many of them. If spot fails right after this look, the next one is soon enough.
    """
    working = current.staying.working_spot_rate
    if not rules.net or net.free_rate <= working or net.margin > must_start_at(current, net):
        return 0
    wait = duration(max(0.0, net.margin_seconds or 0.0))
    reason = f"on demand could wait {wait} more for the deadline, and spot that works covers {working:.0f} tokens/s of "
    return _start(current, net, working, f"{reason}{net.free_rate:.0f}", money)


def must_start_at(current: Reconciliation, net: SafetyNet) -> float:
    """The margin in tokens at which the net must start: what it may lose until the next look, and one in reserve."""
    return LOOKS * net.free_rate * current.steering.look_seconds


def reserve_seconds(current: Reconciliation, net: SafetyNet | None) -> float:
    """How long before the last moment on-demand machines start for what no spot machine covers, their start included."""
    if net is None or not net.free_rate:
        return 0.0
    uncovered = max(0.0, 1 - current.likely_spot_rate / net.free_rate)
    start = max(kind.cold_start_p90 for kind in current.on_demand_kinds)
    return uncovered * (RESERVE_STARTS * _cold(current) + start + current.steering.answer_seconds)


def reserve_patience(current: Reconciliation) -> float:
    """For how many seconds a machine on demand that starts early may be refused before the deadline is at risk."""
    return RESERVE_STARTS * _cold(current)


def start_reserve(current: Reconciliation, net: SafetyNet, rules: BudgetRules, money: Money) -> int:
    """Start on-demand machines a few cold starts early, for those that no spot machine covers; return how many.

    As few as leave each of the others its reserve: while spot stays away, more start as the margin falls.
    """
    uncovered = uncovered_rate(current, net, rules)
    if not uncovered:
        return 0
    hand = duration(max(0.0, net.margin_seconds or 0.0))
    covered = net.free_rate - uncovered
    return _start(current, net, covered, f"no spot for these, and {hand} of slack are left", money)


def uncovered_rate(current: Reconciliation, net: SafetyNet | None, rules: BudgetRules) -> float:
    """Tokens a second of machines on demand that have neither their reserve in hand nor spot that is likely to come."""
    if net is None or not rules.net or not rules.reserve:
        return 0.0
    covered = current.likely_spot_rate + current.likely_asked_rate + may_stay_uncovered(current, net)
    return max(0.0, net.free_rate - covered)


def seconds_to_reserve(current: Reconciliation, net: SafetyNet) -> float | None:
    """Seconds until the next machine starts early, if spot stays as it is; None: none does by time alone."""
    asked = ((current.kinds[number], count) for number, count in current.asks.items())
    free = net.free_rate - sum(kind.tokens_per_second_p10 * n for kind, n in asked if not kind.spot)
    falling = free - current.staying.working_spot_rate
    uncovered = max(0.0, free - current.likely_spot_rate - current.likely_asked_rate)
    seconds = (net.margin - reserve_patience(current) * uncovered) / falling if falling > 0 else 0.0
    return seconds if seconds > 0 else None


def may_stay_uncovered(current: Reconciliation, net: SafetyNet) -> float:
    """Tokens a second of on-demand machines for each of which the reserve of cold starts is in hand."""
    reserve = reserve_patience(current)
    return max(0.0, net.margin) / reserve if reserve else net.free_rate


def start_overdue(current: Reconciliation, level: Level, money: Money) -> int:
    """After the deadline: machines on demand where spot has none at all; return how many were asked for.

    As few as may be at work for OVERDUE_STARTS cold starts each: their dollars a token are the same for any number. And
    only while all that is left on demand is within the budget, and within what was agreed to at the launch.
    """
    kind = level.listed
    if current.may_work_soon or kind is None or level.machine_on_demand is None or not current.may_ask(kind):
        return 0
    usd, agreed = level.machine_on_demand * current.situation.tokens_left, current.steering.agreed_usd
    left = [
        bound for bound in (money.left, None if agreed is None else agreed - money.bound) if bound is not None
    ]
    if usd > min(left, default=usd):
        return 0
    each = OVERDUE_STARTS * kind.cold_start * kind.tokens_per_second
    wanted = max(1, int(current.situation.tokens_left / each)) if each > 0 else 1
    count = min(wanted, current.room.of(kind), affordable(current, money, kind.number))
    if count <= 0:
        return 0
    reason = f"the deadline has passed and no place has spot: the rest is ${usd:.2f} on demand"
    current.ask(kind, count, what="net", reason=reason, usd=usd)
    return count


def _start(current: Reconciliation, net: SafetyNet, covered: float, reason: str, money: Money) -> int:
    """Ask for on-demand machines until those that are not started are covered, and make room for them."""
    left, wanted = net.free_rate, list[tuple[Kind, int]]()
    for number, free in net.free:
        kind = current.kinds[number]
        count = 0
        while count < free and left > covered + 1e-9:
            count, left = count + 1, left - kind.tokens_per_second_p10
        if count:
            wanted.append((kind, count))
    started = 0
    for kind, most in wanted:
        count = min(most, affordable(current, money, kind.number))
        _make_room(current, kind, count)
        asked = min(count, current.room.of(kind), affordable(current, money, kind.number))
        if asked:
            usd = _dearer(current, kind) * _tokens_of(current, asked * kind.tokens_per_second)
            current.ask(kind, asked, what="net", reason=reason, usd=usd)
            started += asked
    return started


def _dearer(current: Reconciliation, kind: Kind) -> float:
    """USD a token that an on-demand kind costs more than the cheapest spot kind."""
    spot = min((usd_per_token(k) for k in current.kinds.values() if k.spot), default=0.0)
    return max(0.0, usd_per_token(kind) - spot)


def _tokens_of(current: Reconciliation, tokens_per_second: float) -> float:
    """Tokens that machines of this speed together do beside those that stay, within an hour."""
    tokens, rate = current.situation.tokens_left, current.staying.rate(current.machines) + tokens_per_second
    return min(tokens * tokens_per_second / rate, tokens_per_second * SECONDS_PER_HOUR) if rate > 0 else 0.0


def _make_room(current: Reconciliation, kind: Kind, count: int) -> None:
    """End spot machines that do not work yet until so many machines of a kind have room."""
    waiting = [m for m in current.staying.spot if m.phase != MachinePhase.WORKING]
    waiting.sort(key=lambda m: (m.phase != MachinePhase.ASKED, m.seconds))
    for machine in waiting:
        if current.room.of(kind) >= count:
            return
        current.release([machine], what="end", reason="makes room for a machine on demand")


def may_release(
    current: Reconciliation,
    net: SafetyNet | None,
    rules: BudgetRules,
    machines: Sequence[Machine],
    *,
    replaced: bool = False,
    handed_over: bool = False,
) -> bool:
    """Whether the deadline is still safe without these machines and those that this look has let go already.

    `replaced`: others come for them. If none do, the reserve of returning must be in hand as well. `handed_over`: others
    work in their place by then, so no work is lost.
    """
    if net is None:
        return True
    gone = {m.name for m in machines}
    machines = [*current.let_go, *machines]
    margin, free = net.margin, net.free_rate
    cost = 0.0
    for machine in machines:
        kind = current.kinds.get(machine.kind)
        if kind is None:
            continue
        if not kind.spot:
            wait = kind.cold_start_p90 + current.steering.answer_seconds
            wait -= seconds_to_work(machine, kind, current.steering.answer_seconds)
            margin -= kind.tokens_per_second_p10 * max(0.0, wait)
            free += kind.tokens_per_second_p10
        if not handed_over:
            cost += RETURN_STARTS * kind.cold_start * kind.tokens_per_second
    covered = current.staying.rate([m for m in current.staying.working_spot if m.name not in gone])
    if rules.reserve and not replaced and not handed_over:
        cost += HYSTERESIS * RESERVE_STARTS * _cold(current) * max(0.0, free - covered)
    return margin > cost + LOOKS * free * current.steering.look_seconds


def may_launch(current: Reconciliation, net: SafetyNet | None, count: int) -> bool:
    """Whether so many more machines may be in SkyPilot's launch queue before those that the net may need."""
    if net is None:
        return True
    queue = net.free_rate * count / current.steering.launches_per_second
    return net.margin - queue > must_start_at(current, net)


def _cold(current: Reconciliation) -> float:
    """Seconds of a cold start on demand."""
    return max((kind.cold_start for kind in current.on_demand_kinds), default=0.0)
