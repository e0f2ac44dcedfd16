"""Moves to cheaper places, and machines that are let go because a token of theirs costs too much. Pure.

A move costs a cold start, so it must save three times what the start and the work that is lost meanwhile are worth. One
machine goes first, as a probe: a place's price says nothing of its capacity. It goes where a move is expected to save
most, so a place that had none just now does not keep dearer ones from being asked. On-demand machines count as the
dearest: so a fleet comes back to spot.
"""

from launcher.steering.forecast import Money
from launcher.steering.level import Level
from launcher.steering.market.supply import SECONDS_PER_HOUR, Source, usd_per_token
from launcher.steering.reconciliation import Reconciliation
from launcher.steering.rules.budget_rules import BudgetRules, affordable
from launcher.steering.rules.on_demand import may_launch, may_release
from launcher.steering.safety_net import SafetyNet
from launcher.steering.situation import Kind, Machine, MachinePhase

MOVE_FACTOR = 3.0  # a move saves at least so many times what it costs
END_FACTOR = 1.12  # a machine ends whose token costs so many times the level
LIFE_STARTS = 3.0  # a machine that works lives for so many cold starts before it is ended by choice
MOVED_AT_ONCE = 4


def trim(current: Reconciliation, net: SafetyNet | None, rules: BudgetRules) -> None:
    """End the dearest machines where more are there than may be held: a probe came, and takes the place of one.

    Where the deadline has no time for the cold start of the one that came, the dearer one works until that one does. If
    it could not be started again in time, both work until it could: the one that came regains that time. A machine that
    came and hangs goes first.
    """
    limit = current.steering.limits.machines
    there = [m for m in current.machines if m.phase != MachinePhase.ASKED]
    if limit is None or len(there) <= limit:
        return
    over = len(there) - limit
    hanging = [m for m in there if current.is_spot(m) and not current.staying.works_soon(m)][:over]
    current.release(hanging, what="end", reason="it came in the place of another and does not work")
    over -= len(hanging)
    spot = current.staying.spot
    cold = sum(1 for m in spot if m.phase == MachinePhase.COLD and current.staying.works_soon(m))
    needed = False  # whether a machine on demand stays that could not be started again in time
    for machine in current.staying.by_price([m for m in there if m not in hanging]):
        if not over:
            return
        if needed and current.is_spot(machine) and over <= current.steering.limits.probes:
            return
        if current.is_spot(machine) or may_release(current, net, rules, [machine], replaced=True):
            current.release([machine], what="end", reason="a cheaper machine came for it")
        elif cold and over <= current.steering.limits.probes:
            cold -= 1  # it works until that one does
        elif may_release(current, net, rules, [machine], handed_over=True):
            current.release([machine], what="end", reason="a cheaper machine came for it and works")
        else:
            needed = True
            continue
        over -= 1


def end_dear(current: Reconciliation, level: Level, net: SafetyNet | None, rules: BudgetRules) -> None:
    """End machines whose token costs more than the level, while the deadline is safe without them."""
    prices = [current.staying.price(number) for number in current.room.held]
    if level.price is None or max(prices, default=0.0) <= END_FACTOR * level.price:
        return
    for machine in current.staying.dearest_first:
        price = current.staying.price(machine.kind)
        if price <= END_FACTOR * level.price:
            return
        if machine.phase != MachinePhase.ASKED and not is_ripe(current, machine):
            continue
        if not current.is_spot(machine) and not current.is_speed_known:
            continue  # a canary: it is to measure the speed
        if current.is_overdue and not current.is_spot(machine):
            continue  # it works until a spot machine has come for it (`move`): its start is paid, and spot may have none
        if may_release(current, net, rules, [machine]):
            reason = (
                f"its token costs {per_million(price)} a million, the level is {per_million(level.price)}"
            )
            current.release([machine], what="end", reason=reason)


def move(
    current: Reconciliation, level: Level, net: SafetyNet | None, rules: BudgetRules, money: Money
) -> None:
    """Ask in a cheaper place for machines that take the place of the dearest."""
    rest = seconds_of_the_rest(current, level)
    replaced = _replaced(current, level, rest)
    if not replaced:
        return
    for source in _most_saving_first(current, level, rest):
        if affordable(current, money, source.kind.number) < MOVED_AT_ONCE:
            return
        dearer = replaced.get(source.kind.number)
        if dearer and _move_to(current, source, dearer, net, rules):
            return


def _replaced(current: Reconciliation, level: Level, rest: float) -> dict[int, list[Machine]]:
    """The machines that are worth replacing by ones of each kind that may be asked for, the dearest first, by number."""
    found = dict[int, list[Machine]]()
    for source in level.sources:
        kind = source.kind
        if current.may_ask(kind) and level.is_worth(source) and not _is_waiting(current, kind):
            dearer = _dearer(current, level, source, rest)
            if dearer:
                found[kind.number] = dearer
    return found


def _most_saving_first(current: Reconciliation, level: Level, rest: float) -> list[Source]:
    """The places by the dollars that an ask is expected to save: the chance of a machine, times what it would save.

    One ask goes out at a look. By price alone, cheap places without machines would be asked in turn for ever, and a
    dearer one that has some would not.
    """
    staying = current.staying
    dearest = staying.price(staying.dearest_first[0].kind) if staying.machines else 0.0

    def expected(source: Source) -> float:
        kind = source.kind
        return current.chance_of(kind) * (_saved(dearest, source, rest) - _lost(level, source))

    return sorted(level.sources, key=lambda source: (-expected(source), source.kind.number))


def _dearer(current: Reconciliation, level: Level, source: Source, rest: float) -> list[Machine]:
    """Machines that are worth replacing by ones of this source for the rest of the run, the dearest first."""
    staying, lost = current.staying, MOVE_FACTOR * _lost(level, source)
    others = (number for number in staying.held if number != source.kind.number)
    kinds = {number for number in others if _saved(staying.price(number), source, rest) > lost}
    if not kinds:
        return []
    there = [m for m in staying.dearest_first if m.kind in kinds and m.phase != MachinePhase.ASKED]
    return [m for m in there if is_ripe(current, m)]


def _saved(price: float, source: Source, rest: float) -> float:
    """USD that a machine of this source saves, beside one of this price a token, until it is lost or the run is done."""
    seconds = min(rest, SECONDS_PER_HOUR / source.falls)
    return (price - usd_per_token(source.kind)) * source.kind.tokens_per_second * seconds


def _lost(level: Level, source: Source) -> float:
    """USD of the work that is not done during the start of a machine of this source."""
    return (level.price or 0.0) * source.kind.tokens_per_second * source.kind.cold_start


def _move_to(
    current: Reconciliation, source: Source, dearer: list[Machine], net: SafetyNet | None, rules: BudgetRules
) -> bool:
    """Move some machines, or send a probe for one; whether any was asked for."""
    kind = source.kind
    proven = current.held(kind.number) > 0 and not current.belief(kind).refusals
    full = current.room.is_full
    probes = current.steering.limits.probes
    count = min(MOVED_AT_ONCE if proven else 1, len(dearer))
    reason = f"its token costs {per_million(usd_per_token(kind))} a million, the dearest here {{}}"
    reason = reason.format(per_million(current.staying.price(dearer[0].kind)))
    if full and probes:
        # Asked for beyond the limit: when they come, as many of the dearest end (`trim`).
        count = min(count, probes, current.room.of(kind, beyond=probes))
        leaving = dearer[:count]
        if count > 0 and not may_release(current, net, rules, leaving, replaced=True):
            # The deadline has no time for cold starts: the dearest end when those that come work, at once or when their
            # work has regained the time (`trim`).
            if not may_launch(current, net, count):
                return False
            leaving = []
    else:
        leaving = dearer[:count] if full or proven else []
        count = min(count, len(leaving) + current.room.of(kind), kind.may_start)
        leaving = leaving[:count]
    if count <= 0 or (leaving and not may_release(current, net, rules, leaving, replaced=True)):
        return False
    if leaving and not (full and probes):
        current.release(leaving, what="end", reason=reason)
    count = min(count, current.room.of(kind, beyond=probes if full else 0))
    if count <= 0:
        return bool(leaving)
    current.ask(kind, count, what="ask" if proven else "probe", reason=reason)
    return True


def _is_waiting(current: Reconciliation, kind: Kind) -> bool:
    """Whether machines of this kind were asked for and are not there yet."""
    return bool(current.asks[kind.number]) or any(m.kind == kind.number for m in current.staying.asked)


def is_ripe(current: Reconciliation, machine: Machine) -> bool:
    """Whether a machine may be ended by choice: one that works has lived for some cold starts first."""
    kind = current.kinds.get(machine.kind)
    if kind is None:
        return True
    return machine.phase != MachinePhase.WORKING or machine.seconds >= LIFE_STARTS * kind.cold_start


def seconds_of_the_rest(current: Reconciliation, level: Level) -> float:
    """Seconds until the run is done with the machines that are there, each after its start; or the deadline if sooner."""
    alone = current.staying.seconds_to_finish
    return level.seconds_left if alone is None else min(level.seconds_left, alone)


def per_million(usd: float) -> str:
    """USD a million tokens, as people read it."""
    return f"${usd * 1e6:.4f}"
