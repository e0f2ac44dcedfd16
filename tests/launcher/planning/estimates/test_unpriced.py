"""What has no price never makes a fleet look cheap: it is bounded from above, ranked so, and named."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.errors import Infeasible
from launcher.planning.estimates.estimate import NO_CHARGES, Allocation, Candidate, RunCharges
from launcher.planning.estimates.unpriced import (
    bound_usd,
    is_fully_priced,
    unpriced_items,
    with_bounds,
)
from launcher.planning.optimizer.decide import decide, single_type_fleet, usd_above
from launcher.planning.optimizer.market import middle_usd
from launcher.planning.optimizer.search import Requirements, estimate_fleet, most_usd, rank_usd
from tests.support.candidates import candidate, candidates, sure

WORK = 3.6e6  # tokens that the plain candidate does in an hour
ZERO = Decimal(0)
few = settings(max_examples=8, deadline=None)


def requirements(tokens: float = 10 * WORK, hours: float | None = 24, **changes: object) -> Requirements:
    fields: dict[str, object] = {
        "tokens": sure(tokens),
        "charges": NO_CHARGES,
        "deadline_hours": hours,
        "seed": 7,
    }
    return Requirements(**fields | changes)  # type: ignore[arg-type]


def lacking(one: Candidate, leg: str, more: Decimal = ZERO) -> Candidate:
    """The candidate with a leg that has no price, bounded by what it cost before and `more`."""
    match leg:
        case "disk":
            return replace(one, disk_usd_per_hour=None, disk_at_most=(one.disk_usd_per_hour or ZERO) + more)
        case "egress":
            known = one.egress_usd_per_token or ZERO
            return replace(one, egress_usd_per_token=None, egress_missing=known + more * Decimal("1e-8"))
        case _:  # a leg is known, and another is not
            return replace(one, egress_missing=more * Decimal("1e-8"))


LEGS = ("disk", "egress", "part of egress")


def test_known_leg_stays_in_the_dollars_and_the_unknown_one_is_bounded() -> None:
    """The case of one billion chunks: 953.7 GiB of texts leave AWS for $85.83, and the way back has no price."""
    texts = Decimal("85.83") / Decimal(10 * WORK)
    one = candidate(egress_usd_per_token=texts, egress_missing=Decimal(317) / Decimal(10 * WORK))
    made = estimate_fleet([Allocation(one, 1, 10 * WORK)], requirements())
    assert float(made.items["egress"] or 0) == pytest.approx(85.83)
    assert float(made.unpriced["egress"] or 0) == pytest.approx(317)
    assert made.usd
    assert float(rank_usd(made) - made.usd.p50) == pytest.approx(317)
    assert float(most_usd(made) - made.usd.p90) == pytest.approx(317)


def test_unpriced_disk_is_bounded_by_the_hours_that_are_paid() -> None:
    priced = candidate(disk_usd_per_hour=Decimal("0.02"))
    unpriced = replace(priced, disk_usd_per_hour=None, disk_at_most=Decimal("0.02"))
    known = estimate_fleet([Allocation(priced, 3, 10 * WORK)], requirements())
    made = estimate_fleet([Allocation(unpriced, 3, 10 * WORK)], requirements())
    assert float(made.unpriced["disk"] or 0) == pytest.approx(float(known.items["disk"] or 0))
    assert float(rank_usd(made)) == pytest.approx(float(rank_usd(known)))


def test_controller_without_a_price_is_bounded_and_storage_is_only_named() -> None:
    charges = RunCharges(None, None, Decimal("0.2"))
    found = unpriced_items([Allocation(candidate(), 1, 10 * WORK)], charges)
    assert found["storage"] is None
    assert float(found["controller"] or 0) == pytest.approx(0.2 * (10 + (300 + 30) / 3600))


def test_fleet_with_all_prices_lacks_nothing() -> None:
    made = estimate_fleet([Allocation(candidate(), 1, WORK)], requirements(WORK))
    assert is_fully_priced(made)
    assert bound_usd(made.unpriced) == 0


def test_candidate_that_is_cheaper_only_by_omission_is_not_chosen() -> None:
    full = candidate(region="a", egress_usd_per_token=Decimal("2e-8"))
    omits = candidate(region="b", usd_per_hour=Decimal("1.01"), egress_usd_per_token=None)
    found = decide([full, omits], requirements(hours=None))
    assert found.chosen.main_candidate.region == "a"
    assert is_fully_priced(found.chosen)
    for one in found.alternatives:
        if not is_fully_priced(one.estimate):
            assert one.more is None


def test_difference_to_a_fleet_that_lacks_a_price_is_unknown() -> None:
    full = estimate_fleet([Allocation(candidate(), 1, WORK)], requirements())
    omits = estimate_fleet([Allocation(lacking(candidate(), "egress", Decimal(1)), 1, WORK)], requirements())
    assert usd_above(omits, full) is None
    assert usd_above(full, full) == 0
    alike = replace(full, unpriced={"storage": None})
    assert usd_above(alike, replace(alike, hours=sure(1))) == 0


def test_budget_must_hold_what_has_no_price() -> None:
    omits = lacking(candidate(), "egress", Decimal(100))  # $36 at most for the work, beside $10.1 of compute
    with pytest.raises(Infeasible, match="least is \\$46"):
        decide([omits], requirements(budget=Decimal(20)))
    assert decide([omits], requirements(budget=Decimal(47))).chosen.usd


def test_bound_of_a_candidate_is_kept_and_others_get_the_dearest_of_the_market() -> None:
    known = candidate(disk_usd_per_hour=Decimal("0.03"), egress_usd_per_token=Decimal("3e-8"))
    own = replace(known, disk_usd_per_hour=None, disk_at_most=Decimal(1), egress_missing=Decimal("5e-8"))
    none = replace(known, disk_usd_per_hour=None, egress_usd_per_token=None)
    _, first, second = with_bounds([known, own, none])
    assert first == own
    assert (second.disk_at_most, second.egress_missing) == (Decimal("0.03"), Decimal("3e-8"))


# --- laws: an unknown leg never improves an offer's rank


@few
@given(st.integers(0, 10_000), st.sampled_from(LEGS), st.decimals(0, 50, places=2))
def test_unknown_leg_never_makes_an_offer_rank_better_alone(seed: int, leg: str, more: Decimal) -> None:
    one, *others = candidates(seed, 12)
    before, after = (
        [sum(middle_usd(c, 10**9.5)) for c in with_bounds([first, *others])]
        for first in (one, lacking(one, leg, more))
    )
    assert sorted(after).index(after[0]) >= sorted(before).index(before[0])
    wanted = requirements(10**9.5)
    known, unknown = (single_type_fleet([c], wanted) for c in (one, lacking(one, leg, more)))
    assert (known is None) == (unknown is None)
    if known and unknown:
        assert rank_usd(unknown) >= rank_usd(known) * Decimal("0.999999")


@few
@given(st.integers(0, 10_000), st.sampled_from(LEGS), st.decimals(0, 50, places=2))
def test_unknown_leg_never_brings_an_offer_into_a_fleet(seed: int, leg: str, more: Decimal) -> None:
    """An offer that was not taken with all its prices is not taken without one of them."""
    found = candidates(seed, 8)
    wanted = requirements(10**9.5)
    chosen = decide(found, wanted).chosen
    taken = {allocation.candidate for allocation in chosen.allocations}
    without = [c if c in taken else lacking(c, leg, more) for c in found]
    again = decide(without, wanted)
    assert rank_usd(again.chosen) <= rank_usd(chosen) * Decimal("1.01")
    dearer = [a.candidate for a in again.chosen.allocations if a.candidate not in taken]
    assert not dearer or rank_usd(again.chosen) >= rank_usd(chosen) * Decimal("0.99")
