"""Estimates: hours and dollars by arithmetic that a person can do again."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from launcher.estimate import Kind, estimate, machines_for
from launcher.profile import Count, Profile, declared
from launcher.speed import Spread

HOUR = declared(360_000, [(1.0, 100)], None, None)  # 36M tokens: an hour at 10,000 a second


def kind(**changes: object) -> Kind:
    plain = Kind(
        cloud="gcp",
        region="us-central1",
        gpu="L4",
        gpus=1.0,
        spot=True,
        usd_per_hour=Decimal("0.297"),
        tokens_per_second=Spread(8_000, 10_000, 12_500),
        speed_source="a test",
        cold_start=0.0,
    )
    return replace(plain, **changes)  # pyright: ignore[reportArgumentType]


def of(tokens: Count) -> Profile:
    return replace(HOUR, tokens=tokens)


def test_36_million_tokens_at_10000_a_second_take_an_hour() -> None:
    assert estimate(kind(), HOUR, 1).hours == Spread(0.8, 1.0, 1.25)


def test_an_hour_costs_what_an_hour_costs() -> None:
    usd = estimate(kind(), HOUR, 1).usd
    assert usd is not None
    assert (usd.p10, usd.p50, usd.p90) == (Decimal("0.2376"), Decimal("0.297"), Decimal("0.37125"))


def test_a_million_tokens_cost_their_share() -> None:
    found = estimate(kind(usd_per_hour=Decimal("0.72")), HOUR, 1)
    assert found.usd_per_million_tokens == Decimal("0.02")  # $0.72 for 36M


def test_two_machines_take_half_the_time_for_the_same_dollars() -> None:
    one, two = estimate(kind(), HOUR, 1), estimate(kind(), HOUR, 2)
    assert two.hours.mid == one.hours.mid / 2
    assert two.usd == one.usd


def test_every_machine_is_paid_while_it_starts() -> None:
    found = estimate(kind(cold_start=300.0, usd_per_hour=Decimal("1.20")), HOUR, 3)
    assert found.cold_start == Decimal("0.30")  # 3 machines, 5 minutes each
    assert found.compute == Decimal("1.20")
    assert found.usd is not None
    assert found.usd.p50 == Decimal("1.50")


def test_the_start_is_part_of_the_time() -> None:
    assert estimate(kind(cold_start=360.0), HOUR, 1).hours.mid == 1.1


def test_the_items_add_up_to_the_total() -> None:
    found = estimate(kind(cold_start=77.7), HOUR, 7)
    assert found.usd is not None
    assert found.compute is not None
    assert found.cold_start is not None
    assert found.compute + found.cold_start == found.usd.p50


def test_an_unknown_price_stays_unknown() -> None:
    found = estimate(kind(usd_per_hour=None), HOUR, 1)
    assert (found.usd, found.compute, found.cold_start, found.usd_per_million_tokens) == (None,) * 4
    assert found.hours.mid == 1.0


def test_a_price_of_nothing_is_known() -> None:
    found = estimate(kind(usd_per_hour=Decimal(0)), HOUR, 1)
    assert found.usd is not None
    assert found.usd.p90 == 0


def test_a_corpus_without_tokens_has_no_price_per_token() -> None:
    assert estimate(kind(), of(Count(0, 0, 0)), 1).usd_per_million_tokens is None


def test_few_tokens_on_a_fast_machine_are_the_low_end() -> None:
    found = estimate(kind(), of(Count(36e6, 18e6, 72e6)), 1)
    assert (found.hours.low, found.hours.high) == (0.4, 2.5)


# --- how many machines


def test_without_a_deadline_one_machine_will_do() -> None:
    assert machines_for(kind(), HOUR, None, 400) == 1


def test_the_slow_end_makes_the_deadline() -> None:
    assert machines_for(kind(), HOUR, 1.25, None) == 1
    assert machines_for(kind(), HOUR, 1.2, None) == 2


def test_the_start_takes_from_the_deadline() -> None:
    assert machines_for(kind(cold_start=900.0), HOUR, 0.5, None) == 5  # 4,500 s of work in 900 s


def test_there_are_never_more_machines_than_allowed() -> None:
    assert machines_for(kind(), HOUR, 0.1, 4) == 4


def test_a_deadline_before_the_start_needs_no_count() -> None:
    assert machines_for(kind(cold_start=300.0), HOUR, 0.05, None) == 1


tokens = st.floats(1, 1e13)
deadlines = st.floats(0.01, 1_000)


@given(tokens, deadlines, st.floats(0, 30))
def test_the_fewest_machines_make_the_deadline_and_one_less_does_not(
    count: float, deadline: float, start: float
) -> None:
    work, machine = of(Count(count, count, count)), kind(cold_start=start)
    number = machines_for(machine, work, deadline, None)
    assert estimate(machine, work, number).hours.high <= deadline * (1 + 1e-9)
    if number > 1:
        assert estimate(machine, work, number - 1).hours.high > deadline * (1 - 1e-9)


@given(tokens, st.integers(1, 1_000), st.floats(0, 3_600))
def test_low_is_never_above_high(count: float, machines: int, start: float) -> None:
    found = estimate(kind(cold_start=start), of(Count(count, count * 0.9, count * 1.1)), machines)
    assert found.hours.low <= found.hours.mid <= found.hours.high
    assert found.usd is not None
    assert found.usd.p10 <= found.usd.p50 <= found.usd.p90
