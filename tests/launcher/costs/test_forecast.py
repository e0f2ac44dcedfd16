from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from launcher.costs.forecast import forecast

PLANNED = (Decimal(80), Decimal(100), Decimal(150))


def test_forecast_is_the_plan_before_any_work() -> None:
    found = forecast(Decimal(0), 0, 1_000, planned=PLANNED, hourly=Decimal(0), tokens_per_second=None)
    assert found is not None
    assert [round(usd, 6) for usd in (found.p10, found.p50, found.p90)] == list(PLANNED)


def test_forecast_is_the_cost_when_all_work_is_done() -> None:
    found = forecast(Decimal(93), 1_000, 1_000, planned=PLANNED, hourly=Decimal(5), tokens_per_second=10.0)
    assert found is not None
    assert {found.p10, found.p50, found.p90} == {Decimal(93)}


def test_own_price_is_used_halfway() -> None:
    # 500 tokens take 5,000 s: 50 USD.
    found = forecast(Decimal(60), 500, 1_000, planned=PLANNED, hourly=Decimal(36), tokens_per_second=0.1)
    assert found is not None
    assert round(found.p50, 6) == 110


def test_no_forecast_without_figures() -> None:
    assert forecast(Decimal(1), 10, None, planned=PLANNED, hourly=Decimal(1), tokens_per_second=1.0) is None
    assert forecast(Decimal(1), 10, 100, planned=None, hourly=Decimal(1), tokens_per_second=None) is None


@given(
    st.decimals("0", "1000", places=2),
    st.integers(0, 1_000),
    st.floats(0.01, 1e6),
    st.decimals("0", "500", places=2),
)
def test_range_holds_the_middle_and_is_at_least_what_is_spent(
    spent: Decimal, tokens: int, rate: float, hourly: Decimal
) -> None:
    found = forecast(spent, tokens, 1_000, planned=PLANNED, hourly=hourly, tokens_per_second=rate)
    assert found is not None
    assert spent <= found.p10 <= found.p50 <= found.p90
