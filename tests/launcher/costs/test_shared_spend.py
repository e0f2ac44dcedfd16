"""The money of a run from the records of all its launchers: never less than it was."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.costs.shared_spend import DatedRecord, LifeSpend, SpendRecord, spent_elsewhere

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def life(machine: str, usd: str | int | Decimal, *, ended: bool = False, number: str = "0") -> LifeSpend:
    return LifeSpend(
        machine=machine, life=number, cloud="aws", usd=Decimal(usd), usd_per_hour=Decimal(3), started=NOON, ended=ended
    )  # fmt: skip


def record(*lives: LifeSpend, age: timedelta = timedelta(0)) -> DatedRecord:
    return DatedRecord(SpendRecord(run="run", launcher="l", by="a@b", at=NOON, lives=lives), age)


def test_a_life_of_several_records_counts_once_at_its_highest() -> None:
    found = spent_elsewhere([], [record(life("m", 2, ended=True)), record(life("m", 5, ended=True))])
    assert (found.spend.usd, found.unknown_lives, found.open) == (5, 1, ())


def test_an_open_life_goes_on_costing_its_price() -> None:
    found = spent_elsewhere([], [record(life("m", 2), age=2 * HOUR)])
    assert (found.spend.usd, found.spend.usd_per_hour) == (8, 3)
    assert found.spend.committed == Decimal("0.075")  # half a minute of a shard, and a minute of teardown


def test_an_end_that_anybody_saw_is_an_end() -> None:
    found = spent_elsewhere([], [record(life("m", 2), age=2 * HOUR), record(life("m", 3, ended=True))])
    assert (found.spend.usd, found.open) == (3, ())


def test_what_this_ledger_follows_is_not_counted_twice() -> None:
    others = [record(life("m", 2), life("m", 7, number="1"), age=9 * HOUR)]
    found = spent_elsewhere([life("m", 5), life("m", 6, number="1")], others)
    assert (found.spend.usd, found.unknown_usd) == (1, 0)


def test_a_life_that_only_seems_over_is_counted_until_somebody_knows() -> None:
    mine, others = life("m", 2, ended=True), [record(life("m", 2), age=HOUR)]
    assert spent_elsewhere([mine], others).spend.usd == 0
    doubted = spent_elsewhere([mine], others, {mine.key})
    assert (doubted.spend.usd, doubted.open[0].machine) == (3, "m")


@pytest.mark.parametrize("usd", ["-1", "NaN"])
def test_an_amount_below_nothing_is_refused(usd: str) -> None:
    with pytest.raises(ValueError, match="are no cost"):
        life("m", usd)


AMOUNTS = st.decimals("0", "100", places=2)


@st.composite
def lives(draw: st.DrawFn) -> LifeSpend:
    machine, number = f"m{draw(st.integers(0, 2))}", str(draw(st.integers(0, 1)))
    return life(machine, draw(AMOUNTS), ended=draw(st.booleans()), number=number)


@st.composite
def dated(draw: st.DrawFn) -> DatedRecord:
    return record(*draw(st.lists(lives(), max_size=4)), age=draw(st.integers(0, 9)) * HOUR)


RECORDS = st.lists(dated(), max_size=4)


@given(RECORDS, AMOUNTS, st.booleans())
def test_one_more_machine_never_makes_it_less(
    records: Sequence[DatedRecord], usd: Decimal, ended: bool
) -> None:
    more = record(life("new", usd, ended=ended))
    assert spent_elsewhere([], [*records, more]).spend.usd >= spent_elsewhere([], records).spend.usd + usd


@given(RECORDS, st.lists(lives(), max_size=4))
def test_own_and_other_money_is_never_below_the_records(
    records: Sequence[DatedRecord], own: Sequence[LifeSpend]
) -> None:
    """Whatever this ledger knows or has lost, the sum is at least what any record says of each life."""
    mine = {one.key: one for one in own}
    total = (
        sum((one.usd for one in mine.values()), Decimal(0))
        + spent_elsewhere(mine.values(), records).spend.usd
    )
    highest: dict[tuple[str, str], Decimal] = {}
    for one in (one for found in records for one in found.record.lives):
        highest[one.key] = max(highest.get(one.key, Decimal(0)), one.usd)
    assert total >= sum(highest.values())
