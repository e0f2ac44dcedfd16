"""The simulated cloud: answers after a minute, cold starts, losses, dollars, and when the work is done."""

from dataclasses import replace

import numpy as np
import pytest

from launcher.simulator.market import Market
from launcher.simulator.replayed_cloud import AnswerOf, PlaceAnswer, ReplayedCloud, Stage, merged_answers
from launcher.simulator.scenario import Outage, Scenario
from tests.launcher.simulator.cases import COLD, SPEED, list_kind, market, scenario, spot_kind


def cloud_of(case: Scenario, world: Market) -> ReplayedCloud:
    return ReplayedCloud(case, world, np.random.default_rng(7))


def run_until(cloud: ReplayedCloud, seconds: float) -> None:
    """Let time pass, over all that a launcher would notice."""
    while cloud.now < seconds and cloud.finished is None:
        cloud.advance(seconds)


def test_machine_comes_after_a_minute_and_works_after_its_cold_start() -> None:
    case = scenario(spot_kind("a"))
    cloud = cloud_of(case, market(case, [8]))
    cloud.start("m0", 0, 0, [0])
    cloud.advance(3600)
    assert cloud.now == 60.0  # the answer is news
    assert [(one.what, one.held) for one in cloud.answers] == [(AnswerOf.CAME, 1)]
    assert cloud.usd == 0.0  # billed from the answer on
    run_until(cloud, 60 + COLD + 600)
    assert cloud.tokens == pytest.approx(600 * SPEED)
    assert cloud.usd == pytest.approx((COLD + 600) / 3600)


def test_asks_are_answered_in_part_and_tried_again() -> None:
    case = scenario(spot_kind("a"))
    cloud = cloud_of(case, market(case, [2] * 10 + [3]))
    for number in range(4):
        cloud.start(f"m{number}", 0, number, [0])
    cloud.advance(120)
    merged = merged_answers(cloud.answers)
    assert [(one.what, one.count) for one in merged] == [(AnswerOf.CAME, 2), (AnswerOf.NONE, 2)]
    told = len(cloud.answers)
    run_until(cloud, 620)
    assert sum(cloud.held) == 3
    assert [one.what for one in cloud.answers[told:]] == [AnswerOf.CAME]  # said once an ask


def test_places_are_tried_in_their_order() -> None:
    case = scenario(spot_kind("a"), spot_kind("b"))
    cloud = cloud_of(case, market(case, [0], [8]))
    cloud.start("m0", 0, 0, [0, 1])
    cloud.advance(120)
    assert [(one.kind, one.what) for one in cloud.answers] == [(0, AnswerOf.NONE), (1, AnswerOf.CAME)]


def test_machines_over_the_market_are_taken_with_half_a_shard() -> None:
    case = scenario(spot_kind("a"))
    cloud = cloud_of(case, market(case, [4] * 30 + [1]))
    for number in range(3):
        cloud.start(f"m{number}", 0, number, [0])
    run_until(cloud, 1800)
    assert (cloud.losses, cloud.held) == (2, [1])
    assert cloud.tokens == pytest.approx(3 * SPEED * (1800 - 360) - 2 * case.shard_tokens / 2)
    taken = [m for m in cloud.machines.values() if m.taken]
    assert len(taken) == 2
    assert {m.stage for m in taken} == {Stage.ASKED}
    assert cloud.answers[-1] == PlaceAnswer(1800.0, 0, AnswerOf.TAKEN, 2, 1)


def test_on_demand_is_never_taken_and_not_had_in_an_outage() -> None:
    case = replace(scenario(list_kind()), outages=(Outage("aws/us", 600, 1200),))
    cloud = cloud_of(case, market(case))
    cloud.start("m0", 0, 0, [0])
    run_until(cloud, 700)
    cloud.start("m1", 0, 1, [0])
    run_until(cloud, 1190)
    assert cloud.held == [1]
    run_until(cloud, 1300)
    assert (cloud.held, cloud.losses) == ([2], 0)
    assert cloud.usd_on_demand == cloud.usd > 0


def test_end_loses_half_a_shard_and_drain_does_not() -> None:
    case = replace(scenario(spot_kind("a")), teardown=60.0)
    cloud = cloud_of(case, market(case, [8]))
    cloud.start("m0", 0, 0, [0])
    cloud.start("m1", 0, 1, [0])
    run_until(cloud, 3600)
    before = cloud.tokens
    cloud.end("m0")
    assert cloud.tokens == before - case.shard_tokens / 2
    assert cloud.usd == pytest.approx(2 * (3600 - 60) / 3600 + 60 / 3600)  # billed until it is gone
    cloud.drain("m1")
    run_until(cloud, 3700)
    assert cloud.tokens == pytest.approx(before - case.shard_tokens / 2 + 30 * SPEED)
    assert cloud.machines == {}


def test_finish_is_exact_and_ends_all_machines() -> None:
    case = scenario(spot_kind("a"), hours=1.0, machines=2)
    cloud = cloud_of(case, market(case, [8]))
    cloud.start("m0", 0, 0, [0])
    cloud.start("m1", 0, 1, [0])
    run_until(cloud, 9999)
    assert cloud.finished == pytest.approx(60 + COLD + 3600)
    assert cloud.tokens_left == 0.0
    assert cloud.machines == {}
    assert cloud.usd == pytest.approx(2 * (COLD + 3600) / 3600)


def test_prices_change_by_the_minute() -> None:
    case = scenario(spot_kind("a"))
    world = market(case, [8])
    world.kinds[0].usd_per_hour[:] = [60.0] * 10 + [120.0] * 2990  # a dollar a minute, then two
    world.kinds[0].spent[:] = [min(m, 10) + 2.0 * max(0, m - 10) for m in range(3000)]
    assert world.kinds[0].usd(570.0, 630.0) == pytest.approx(0.5 + 1.0)
