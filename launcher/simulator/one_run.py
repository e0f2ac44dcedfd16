"""One simulated run: look, order, let time pass, until the work is done. Pure."""

import math
from decimal import Decimal

from numpy.random import Generator

from launcher.fleet.scheduling.slots import add_taken
from launcher.planning.estimates.estimate import SHARD_SECONDS
from launcher.simulator.market import Market
from launcher.simulator.policies import Observation, Policy
from launcher.simulator.replayed_cloud import ReplayedCloud, Stage
from launcher.simulator.scenario import FIRST_MINUTE, Curve, RunOutcome, Scenario
from launcher.steering.orders import Drain, Start

LOOK_SECONDS = 60.0  # looks are on a grid of one minute
EXTRA_SECONDS = 24 * 3600.0  # simulated beyond the deadline, at least
CURVE_POINTS = 240


def horizon(deadline: float) -> float:
    """Seconds of a run that are simulated: three deadlines, or a day beyond the deadline."""
    return deadline + max(2 * deadline, EXTRA_SECONDS)


def simulate_run(
    scenario: Scenario, market: Market, policy: Policy, random: Generator, *, curve: bool = False
) -> RunOutcome:
    """Simulate one run of a policy in a market. `curve`: keep how it went."""
    cloud = ReplayedCloud(scenario, market, random)
    kinds = {kind.key: number for number, kind in enumerate(scenario.kinds)}
    places = {
        group.number: {
            place: kinds[place.infra, place.instance_type, group.purchase or ""] for place in group.places
        }
        for group in policy.groups
    }
    ended, told, looks, kept = dict[str, int](), 0, 0, Curve()
    end, step = horizon(scenario.deadline), horizon(scenario.deadline) / CURVE_POINTS
    over_budget, pace = False, None
    while cloud.finished is None and cloud.now < end:
        committed, pace = _committed(cloud), pace if pace is not None else _pace(cloud)
        observation = Observation(
            seconds=cloud.now,
            tokens_left=cloud.tokens_left,
            machines=list(cloud.machines.values()),
            ended=ended,
            prices=cloud.prices(),
            answers=cloud.answers[told:],
            spent=cloud.usd,
            committed=committed,
            pace=pace,
        )
        over_budget = over_budget or _is_over(scenario.budget, cloud.usd)
        told, looks = len(cloud.answers), looks + 1
        answered = policy.decide(observation)
        for order in answered.orders:
            if isinstance(order, Start):
                cloud.start(
                    order.name,
                    order.group,
                    order.slot,
                    [places[order.group][place] for place in order.places],
                )
                continue
            if order.name in cloud.machines:
                add_taken(ended, order.name)
            cloud.drain(order.name) if isinstance(order, Drain) else cloud.end(order.name)
        if curve:
            _add_point(kept, cloud, step)
        if answered.stop and not cloud.machines:
            break
        soonest = min(
            end, max(answered.next_look, cloud.now + LOOK_SECONDS)
        )  # inf: time alone changes nothing
        until = math.ceil(soonest / LOOK_SECONDS) * LOOK_SECONDS
        cloud.advance(min(until, end))
    if curve:
        _add_point(kept, cloud, 0.0)
    return _outcome(cloud, looks, kept, over_budget=over_budget or _is_over(scenario.budget, cloud.usd))


def _pace(cloud: ReplayedCloud) -> float | None:
    """The measured speed as a share of the planned one, once a machine has worked for a minute."""
    working = (m for m in cloud.machines.values() if m.stage == Stage.WORKING)
    known = any(cloud.now - machine.worked_from >= FIRST_MINUTE for machine in working)
    return cloud.scenario.slower if known else None


def _is_over(budget: Decimal | None, spent: float) -> bool:
    return budget is not None and spent > float(budget)


def _committed(cloud: ReplayedCloud) -> float:
    """USD that are billed even if the run stops now: half a shard and the teardown of each machine."""
    seconds = SHARD_SECONDS / 2 + cloud.scenario.teardown
    held = ((number, count) for number, count in enumerate(cloud.held) if count)
    return sum(count * cloud.price(number) * seconds / 3600 for number, count in held)


def _add_point(curve: Curve, cloud: ReplayedCloud, step: float) -> None:
    if curve.hours and cloud.now / 3600 - curve.hours[-1] < step / 3600:
        return
    spot = sum(n for n, kind in zip(cloud.held, cloud.scenario.kinds, strict=True) if kind.spot)
    curve.hours.append(cloud.now / 3600)
    curve.usd.append(cloud.usd)
    curve.done.append(min(1.0, cloud.tokens / cloud.scenario.tokens))
    curve.spot.append(spot)
    curve.on_demand.append(sum(cloud.held) - spot)


def _outcome(cloud: ReplayedCloud, looks: int, curve: Curve, *, over_budget: bool) -> RunOutcome:
    waiting = [m for m in cloud.machines if cloud.machines[m].stage != Stage.ASKED]
    for name in waiting:  # not done within the horizon: what still runs is ended
        cloud.end(name)
    return RunOutcome(
        hours=None if cloud.finished is None else cloud.finished / 3600,
        late=cloud.finished is None or cloud.finished > cloud.scenario.deadline,
        usd=cloud.usd,
        usd_on_demand=cloud.usd_on_demand,
        starts=cloud.starts,
        asks=cloud.asks,
        losses=cloud.losses,
        most_machines=cloud.most_machines,
        over_budget=over_budget,
        looks=looks,
        curve=curve,
    )
