"""Monte Carlo: the middle is the arithmetic, P10 and P90 follow from the parts, and the seed decides the draws."""

from dataclasses import replace
from decimal import Decimal
from math import exp, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.planning.estimates.estimate import (
    NO_CHARGES,
    NO_PREEMPTION,
    Allocation,
    Candidate,
    RunCharges,
    itemize,
    known_total,
    wall_hours,
)
from launcher.planning.estimates.launching import TEARDOWN_SECONDS
from launcher.planning.estimates.monte_carlo import (
    DRAWS,
    PRICE_DRIFT,
    FleetOutcome,
    draw_fleet,
    median,
    quantile,
    simulate,
)
from launcher.throughput.spread import P90, Spread
from tests.support.candidates import candidate, candidates, free, sure

WORK = 3.6e9  # tokens: a thousand hours of the plain kind
UNSURE = Spread(500, 1_000, 2_000)


def of(
    *allocations: Allocation, rest: RunCharges = NO_CHARGES, tokens: Spread | None = None, seed: int = 7
) -> FleetOutcome:
    work = sum(allocation.tokens for allocation in allocations)
    return simulate(allocations, rest, tokens or sure(work), seed)


def ends(found: FleetOutcome) -> tuple[float, float, float]:
    assert found.usd is not None
    return float(found.usd.p10), float(found.usd.p50), float(found.usd.p90)


def wide(found: FleetOutcome) -> float:
    """P90 over P50 of the dollars."""
    _, middle, high = ends(found)
    return high / middle


# --- the middle


def test_middle_is_the_arithmetic() -> None:
    allocations = [
        Allocation(candidate(tokens_per_second=UNSURE, spot=True, hazard=Spread(0.1, 0.4, 1.4)), 9, WORK)
    ]
    rest = RunCharges(Decimal(12), Decimal("0.2"))
    found = of(*allocations, rest=rest)
    assert found.usd is not None
    assert found.usd.p50 == known_total(itemize(allocations, rest))
    assert found.hours.mid == wall_hours(allocations)


def test_certain_figures_have_no_spread() -> None:
    low, middle, high = ends(found := of(Allocation(candidate(), 9, WORK)))
    assert low == pytest.approx(middle)
    assert high == pytest.approx(middle)
    assert found.hours.low == pytest.approx(found.hours.high)


def test_unknown_price_leaves_the_dollars_unknown_and_not_the_hours() -> None:
    found = of(Allocation(candidate(usd_per_hour=None), 1, WORK))
    assert found.usd is None
    assert found.hours.mid > 1_000


# --- the ends


def test_speed_half_as_low_makes_hours_and_dollars_twice_as_high() -> None:
    found = of(Allocation(free(tokens_per_second=UNSURE), 4, WORK))
    assert found.hours.high == pytest.approx(2 * found.hours.mid, rel=0.05)
    assert found.hours.low == pytest.approx(found.hours.mid / 2, rel=0.05)
    assert wide(found) == pytest.approx(2, rel=0.05)


def test_predicted_speeds_vary_together() -> None:
    """Two kinds that are predicted are no surer than one; two that were measured each on its own are."""

    def of_two(source: str) -> FleetOutcome:
        pair = [free(gpu=gpu, tokens_per_second=UNSURE, speed_source=source) for gpu in ("L4", "H100")]
        return of(*(Allocation(one, 4, WORK / 2) for one in pair))

    alone = wide(of(Allocation(free(tokens_per_second=UNSURE, speed_source="predicted: a test"), 8, WORK)))
    assert wide(of_two("predicted: a test")) == pytest.approx(alone, rel=0.01)
    assert wide(of_two("measured 2026-11-01: a test")) < 0.95 * alone


def test_what_a_slow_place_leaves_the_others_do() -> None:
    """Each machine is paid until all is done, in every draw: no place is paid for a part that it does alone."""
    pair = [
        free(gpu=gpu, tokens_per_second=UNSURE, speed_source=f"measured: {gpu}") for gpu in ("L4", "H100")
    ]
    pair[1] = replace(pair[1], usd_per_hour=Decimal(5), egress_usd_per_token=Decimal("1e-9"))
    drawn = draw_fleet([Allocation(one, 2, WORK / 2) for one in pair], NO_CHARGES, sure(WORK), 7)
    assert drawn.usd is not None
    machines_usd = (drawn.hours + TEARDOWN_SECONDS / 3_600) * 2 * (1 + 5)
    egress = drawn.usd - machines_usd
    assert np.all((egress > 0) & (egress < 3.6))  # of all the work: $3.60
    assert float(np.quantile(egress, 0.9)) > 2.2  # where the other place is slow
    assert float(np.quantile(egress, 0.1)) < 1.4


def test_place_that_is_there_after_the_end_does_nothing() -> None:
    quick, late = free(), free(cloud="aws", ahead=Spread(0.0, 1.0, 3.6e6))
    drawn = draw_fleet([Allocation(quick, 2, WORK), Allocation(late, 2, 0.0)], NO_CHARGES, sure(WORK), 7)
    alone = draw_fleet([Allocation(quick, 2, WORK)], NO_CHARGES, sure(WORK), 7)
    assert np.all(drawn.hours <= alone.hours * (1 + 1e-9))
    assert float(drawn.hours.max()) == pytest.approx(float(alone.hours.max()))


def test_old_spot_price_widens_dollars_and_not_hours() -> None:
    spot = free(spot=True, floats=True, price_age_days=100.0)
    found = of(Allocation(spot, 1_000, WORK))  # an hour
    assert wide(found) == pytest.approx(exp(P90 * PRICE_DRIFT * sqrt(100)), rel=0.05)
    assert found.hours.low == pytest.approx(found.hours.high)


def test_longer_run_widens_spot_dollars() -> None:
    spot = free(spot=True, floats=True)
    assert wide(of(Allocation(spot, 1, WORK))) > wide(of(Allocation(spot, 100, WORK))) > 1


def test_list_price_does_not_drift() -> None:
    assert wide(of(Allocation(free(price_age_days=100.0), 9, WORK))) == pytest.approx(1)


def test_two_fleets_of_one_candidate_get_the_same_draws() -> None:
    spot = candidate(spot=True, tokens_per_second=UNSURE, price_age_days=30.0, floats=True)
    few, more = ends(of(Allocation(spot, 90, WORK))), ends(of(Allocation(spot, 91, WORK)))
    assert few == pytest.approx(more, rel=0.02)


def test_preemptions_cost_hours_and_dollars_at_the_high_end() -> None:
    rough = candidate(spot=True, hazard=Spread(0.1, 0.4, 1.4))
    calm = candidate(spot=True, hazard=NO_PREEMPTION)
    one, other = (of(Allocation(k, 50, WORK)) for k in (rough, calm))
    assert one.hours.high > other.hours.high
    assert ends(one)[2] > ends(other)[2]
    # 1,000 hours of work, 1.4 times an hour, 330 s each: 128 hours
    assert one.hours.high * 50 == pytest.approx(1_000 * (1 + 1.4 * 330 / 3_600) + 50 * 330 / 3_600, rel=0.03)


def test_slow_start_is_late_for_every_machine_of_its_cloud() -> None:
    slow = candidate(cold_start=Spread(100, 300, 900))
    found = of(Allocation(slow, 1_000, WORK))
    assert found.hours.high - found.hours.mid == pytest.approx(600 / 3_600, rel=0.05)
    assert ends(found)[2] - ends(found)[1] == pytest.approx(1_000 * 600 / 3_600, rel=0.05)


def test_tokens_that_were_only_sampled_are_a_95_per_cent_interval() -> None:
    found = of(Allocation(free(), 10, WORK), tokens=Spread(0.8 * WORK, WORK, 1.2 * WORK))
    assert found.hours.high == pytest.approx(found.hours.mid * (1 + 0.2 * P90 / 1.96), rel=0.02)
    assert found.hours.low == pytest.approx(found.hours.mid * (1 - 0.2 * P90 / 1.96), rel=0.02)


def test_more_texts_are_more_vectors_to_keep() -> None:
    rest = RunCharges(Decimal(1_000), Decimal(0))
    cheap = free(usd_per_hour=Decimal(0))
    found = of(Allocation(cheap, 10, WORK), rest=rest, tokens=Spread(0.8 * WORK, WORK, 1.2 * WORK))
    assert ends(found)[2] == pytest.approx(1_000 * (1 + 0.2 * P90 / 1.96), rel=0.02)


def test_what_is_not_in_the_middle_is_not_in_the_ends() -> None:
    """Egress is priced for one kind and not for the other, so its known part counts in both; nothing else varies."""
    priced = candidate(egress_usd_per_token=Decimal("1e-7"))
    unpriced = candidate(region="b", egress_usd_per_token=None)
    low, middle, high = ends(of(Allocation(priced, 2, WORK / 2), Allocation(unpriced, 2, WORK / 2)))
    assert low == pytest.approx(middle)
    assert high == pytest.approx(middle)


# --- the seed


def test_seed_gives_the_same_outcome_again() -> None:
    allocation = Allocation(
        candidate(spot=True, tokens_per_second=UNSURE, hazard=Spread(0.1, 0.4, 1.4)), 30, WORK
    )
    assert of(allocation) == of(allocation)
    assert of(allocation) != of(allocation, seed=8)


def test_another_seed_moves_the_ends_by_little() -> None:
    allocation = Allocation(
        candidate(spot=True, tokens_per_second=UNSURE, hazard=Spread(0.1, 0.4, 1.4)), 30, WORK
    )
    highs = [ends(of(allocation, seed=seed))[2] for seed in range(8)]
    assert max(highs) < 1.1 * min(highs)


# --- laws

machines = st.integers(1, 500)


@settings(max_examples=50)
@given(st.integers(0, 10_000), machines, st.floats(0, 12), st.floats(0, 1))
def test_low_is_never_above_high(seed: int, number: int, size: float, spread: float) -> None:
    one, two = candidates(seed, 2)
    tokens = 10**size
    allocations = [Allocation(one, number, tokens / 2), Allocation(two, 1, tokens / 2)]
    found = of(
        *allocations,
        rest=RunCharges(None, Decimal("0.2")),
        tokens=Spread(tokens * (1 - spread), tokens, tokens * (1 + spread)),
        seed=seed,
    )
    assert found.usd is not None
    assert 0 < found.hours.low <= found.hours.mid <= found.hours.high
    assert 0 <= found.usd.p10 <= found.usd.p50 <= found.usd.p90


@settings(max_examples=25)
@given(st.integers(0, 10_000), machines)
def test_order_of_the_allocations_changes_nothing(seed: int, number: int) -> None:
    drawn: list[Candidate] = candidates(seed, 3)
    allocations = [Allocation(one, number, WORK / 3) for one in drawn]
    there, back = of(*allocations), of(*reversed(allocations))
    assert ends(there) == pytest.approx(ends(back))
    assert there.hours.high == pytest.approx(back.hours.high)


def test_draws_are_those_of_the_quantiles() -> None:
    allocations = [Allocation(candidate(tokens_per_second=UNSURE), 9, WORK)]
    work = Spread(0.8 * WORK, WORK, 1.2 * WORK)
    drawn, found = draw_fleet(allocations, NO_CHARGES, work, 7), simulate(allocations, NO_CHARGES, work, 7)
    assert drawn.usd is not None
    assert drawn.usd.shape == drawn.work.shape == drawn.hours.shape == (DRAWS,)
    assert float(np.quantile(drawn.usd, 0.9)) == pytest.approx(ends(found)[2])
    assert float(np.median(drawn.work)) == pytest.approx(1, rel=0.02)
    assert draw_fleet([Allocation(candidate(usd_per_hour=None), 1, WORK)], NO_CHARGES, work, 7).usd is None


def test_quantiles_are_those_of_numpy_to_the_last_bit() -> None:
    random = np.random.default_rng(7)
    for _ in range(50):
        draws = random.lognormal(0.0, 1.0, 2_000)
        found = (quantile(draws, 0.1), quantile(draws, 0.9))
        assert found == tuple(np.quantile(draws, (0.1, 0.9)).tolist())
        assert median(draws) == float(np.median(draws))
