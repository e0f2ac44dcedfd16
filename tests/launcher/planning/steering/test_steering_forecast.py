"""The section `steering` of a plan: present where the fleet is steered, and covered by the plan's digest."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from launcher.errors import Infeasible
from launcher.jobs.job import DeclaredCorpus, Job, JobLimits
from launcher.planning.estimates.estimate import NO_CHARGES, Allocation, Candidate
from launcher.planning.optimizer.search import Requirements, estimate_fleet
from launcher.planning.saved import plan_file
from launcher.planning.saved.steering_plan import SteeringPlan
from launcher.planning.steering.steering_forecast import steering_plan
from launcher.throughput.spread import Spread
from tests.support import sample_plan
from tests.support.candidates import candidate, sure

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NET = candidate(region="us-east4")
SPOT = candidate(spot=True, usd_per_hour=Decimal("0.3"))


def job(**limits: object) -> Job:
    return Job("reviews", DeclaredCorpus(1, ((1.0, 1.0),)), "hash", limits=JobLimits(**limits))  # type: ignore[arg-type]


def plan(wanted: Job, *market: Candidate) -> SteeringPlan | None:
    limits = wanted.limits
    requirements = Requirements(
        tokens=sure(36e6),
        charges=NO_CHARGES,
        deadline_hours=limits.deadline_hours,
        budget=limits.budget,
        machines=limits.machines,
        obtainable=dict.fromkeys((one.group for one in market), 100),
    )
    chosen = estimate_fleet([Allocation(market[0], 4, 36e6)], requirements)
    return steering_plan(wanted, market, requirements, chosen, NOW)


def known(found: SteeringPlan) -> tuple[Decimal, Decimal, Decimal]:
    """P10, P50 and P90 of the dollars."""
    usd = found.usd
    return usd.p10 or Decimal(0), usd.p50 or Decimal(0), usd.p90 or Decimal(0)


def test_a_job_with_a_deadline_is_steered_with_all_kinds_in_its_envelope() -> None:
    found = plan(job(deadline_hours=6.0), SPOT, NET)
    assert found is not None
    assert (found.policy, len(found.envelope.kinds)) == ("autopilot", 2)
    assert found.assumes[0] == "on-demand L4 can be had in 1 region (inferred)"
    assert found.assumes[1] == (
        "on demand is there 95 % of the time and away for 1 h at a time (assumed: nothing is recorded of it)"
    )


def test_a_job_without_limits_or_with_a_static_fleet_is_not() -> None:
    assert plan(job(), SPOT, NET) is None
    assert plan(replace(job(deadline_hours=6.0), steer="static"), SPOT, NET) is None
    here = candidate(cloud="local", region="local")
    assert plan(job(deadline_hours=6.0), here) is None


def test_spot_alone_says_that_nothing_rescues_the_deadline() -> None:
    found = plan(job(deadline_hours=6.0), SPOT)
    assert found is not None
    assert found.envelope.on_demand == 0
    assert "nothing rescues the deadline" in found.assumes[0]


def test_a_net_that_is_too_small_names_the_machines_that_it_needs() -> None:
    found = plan(job(deadline_hours=2.0, on_demand=4), SPOT, NET)
    assert found is not None
    assert "the net needs 6 machines from the first minute on, and 4 may be had" in found.assumes[0]


def test_what_the_net_assumes_names_four_machine_types() -> None:
    nets = [replace(NET, gpu=gpu) for gpu in ("L4", "T4", "A10G", "L40S", "H100", "H200")]
    found = plan(job(deadline_hours=6.0), SPOT, *nets)
    assert found is not None
    assert "A10G, H100, H200, L4 and 2 more can be had in" in found.assumes[0]


def test_the_digest_covers_what_may_be_rented() -> None:
    body = plan_file.signed({k: v for k, v in sample_plan.steered().items() if k != "digest"})
    saved = plan_file.read(body)
    assert plan_file.dump(saved) == body
    body["steering"]["envelope"]["machines"] = 33
    with pytest.raises(plan_file.BadPlan, match="was changed after it was made"):
        plan_file.read(body)


def test_the_p90_of_a_steered_plan_is_that_with_the_net() -> None:
    saved = sample_plan.saved_steered()
    assert (saved.usd_p90, saved.most_usd) == (Decimal(268), Decimal(268))
    assert "steering" not in plan_file.dump(sample_plan.saved())
    assert sample_plan.saved().usd_p90 == Decimal(131)


def test_the_forecast_holds_the_spread_of_speed_and_start() -> None:
    wide = replace(SPOT, tokens_per_second=Spread(600, 1_000, 1_500))
    sure_one, wide_one = plan(job(deadline_hours=12.0), SPOT, NET), plan(job(deadline_hours=12.0), wide, NET)
    assert sure_one is not None
    assert wide_one is not None
    low, middle, high = known(sure_one)
    assert low <= middle <= high
    assert known(wide_one)[2] / known(wide_one)[1] > high / middle
    assert sure_one.hours is not None
    assert sure_one.hours.p10 <= sure_one.hours.p50 <= sure_one.hours.p90 <= 12.0


def test_on_demand_alone_takes_as_many_machines_as_the_deadline_needs() -> None:
    found = plan(replace(job(deadline_hours=6.0, machines=5), steer="on-demand"), NET)
    assert found is not None
    assert found.hours is not None
    assert found.hours.p50 == pytest.approx(10 / 2 + 300 / 3_600, abs=0.01)  # two of the five that may be had
    assert found.usd.p50 is not None
    assert found.usd.p50 >= 10
    assert found.chance_late is not None
    assert 0 < found.chance_late < 0.005  # refused for the hours that three idle machines leave


def test_a_promise_of_deadline_and_budget_that_is_too_dear_is_refused_with_the_price() -> None:
    both = job(deadline_hours=6.0, budget=Decimal(2), when_short="deadline")
    with pytest.raises(
        Infeasible, match=r"limits.when_short is deadline, and keeping it costs up to \$"
    ) as caught:
        plan(both, SPOT, NET)
    assert "set limits.budget to $" in caught.value.hint
    late = plan(replace(both, limits=replace(both.limits, when_short="late")), SPOT, NET)
    assert late is not None
    assert late.chance_over_budget is not None
    assert late.chance_over_budget > 0.5


def test_a_tiny_job_pays_and_waits_for_one_start() -> None:
    """Ten tokens: 3 minutes for the controller, 5 for a machine, half a shard; the machine ends a minute later."""
    net = replace(NET, ahead=Spread(120, 180, 300), cold_start=Spread(200, 300, 500))
    requirements = Requirements(tokens=sure(10), charges=NO_CHARGES, deadline_hours=1.0)
    chosen = estimate_fleet([Allocation(net, 1, 10)], requirements)
    found = steering_plan(job(deadline_hours=1.0), [net], requirements, chosen, NOW)
    assert found is not None
    _, p50, p90 = known(found)
    assert float(p50) == pytest.approx((300 + 30 + 60) / 3_600, rel=1e-3)  # at a dollar an hour
    assert p90 > p50
    hours = found.hours
    assert hours is not None
    assert hours.p10 == pytest.approx((120 + 200 + 30) / 3_600, abs=1e-3)
    assert hours.p50 == pytest.approx((180 + 300 + 30) / 3_600, abs=1e-3)
    assert hours.p90 == pytest.approx((300 + 500 + 30) / 3_600, abs=1e-3)


def test_a_run_that_is_late_in_the_middle_is_late_more_often_than_not() -> None:
    """Spot alone, and more work than it is likely to do in time: P50 and the chance to be late say the same."""
    for hours in (2.0, 2.5, 4.0):
        found = plan(job(deadline_hours=hours, machines=20), SPOT)
        assert found is not None
        assert found.hours is not None
        assert found.chance_late is not None
        assert found.hours.p50 > hours
        assert found.chance_late > 0.5


def test_egress_is_that_of_the_places_that_do_the_work() -> None:
    """36M tokens at 1e-7 USD are $3.60 wherever they are done; a dearer way from on demand counts for its share."""

    def more(spot: str, net: str) -> tuple[Decimal, Decimal]:
        market = (
            replace(SPOT, egress_usd_per_token=Decimal(spot)),
            replace(NET, egress_usd_per_token=Decimal(net)),
        )
        plain, found = plan(job(deadline_hours=6.0), SPOT, NET), plan(job(deadline_hours=6.0), *market)
        assert plain is not None
        assert found is not None
        return known(found)[1] - known(plain)[1], known(found)[2] - known(plain)[2]

    assert more("1e-7", "1e-7")[0] == pytest.approx(Decimal("3.6"), abs=Decimal("0.0001"))
    middle, high = more("1e-7", "1e-6")
    assert Decimal("3.6") < middle < high < 36
