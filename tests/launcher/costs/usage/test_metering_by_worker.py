"""Metering of rented machines: several workers, billing rules, and prices that change."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given

from launcher.costs.usage.attribution import MICROSECOND
from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.metering import meter
from launcher.money import USD_GRAIN
from tasks.protocol.receipt import Receipt
from tests.support.machine_lives import LIVES, WORK, at, cloud_machine, work_of


def test_each_of_four_workers_is_a_quarter_of_the_machine() -> None:
    work = [work_of("m-0", 20, 100), work_of("m-1", 60, 100)]
    spend = meter([cloud_machine(workers=4)], work, [], at(500))
    parts = spend.machines["m"].time
    assert parts["useful"] == timedelta(seconds=30)  # 80 and 40 of the four workers' 400
    assert parts["cold_start"] == timedelta(seconds=70)


def test_minimum_and_increment_are_billed() -> None:
    short, long = cloud_machine(ended=at(12)), cloud_machine("n", ended=at(70.2))
    spend = meter([short, long], [], [], at(500))
    assert [one.total_usd for one in spend.lives] == [Decimal("0.06"), Decimal("0.071")]
    assert spend.lives[0].time["teardown"] == timedelta(seconds=48)


def test_each_second_costs_the_price_of_that_second() -> None:
    dearer = cloud_machine(rates=((at(40), Decimal("7.2")), (at(90), Decimal("0.36"))))
    spend = meter([dearer], [], [], at(500))
    assert spend.total.total_usd == Decimal("0.04") + Decimal("0.1") + Decimal("0.001")


def test_time_before_the_first_known_price_is_unknown() -> None:
    spend = meter([cloud_machine(usd_per_hour=None, rates=((at(40), Decimal("3.6")),))], [], [], at(500))
    assert spend.total.total_usd is None
    assert spend.total.total_known_usd == Decimal("0.06")
    assert spend.unknown == ("m",)


def test_ec2_machine_preempted_in_the_first_hour_is_free() -> None:
    taken = cloud_machine(purchase="spot", how="PREEMPTED")
    kept = cloud_machine("n", purchase="spot", how="STOPPED")
    spend = meter([taken, kept], [], [], at(500))
    assert [one.total_usd for one in spend.lives] == [0, Decimal("0.1")]
    assert spend.total.waived == Decimal("0.1")


@given(LIVES, WORK)
def test_parts_add_up_to_billed_time_and_price(lives: list[MachineTime], work: list[Receipt]) -> None:
    spend = meter(lives, work, [], at(5_000))
    for life, one in zip(lives, spend.lives, strict=True):
        lived = (life.ended or at(0)) - life.started
        least = max(60.0, lived.total_seconds()) if lived else 0.0
        assert least <= one.total_time.total_seconds() < least + 1
        cents = Decimal(0)
        changes = [(life.started, life.usd_per_hour or Decimal(0)), *life.rates]
        ends = [*(when for when, _ in life.rates), life.started + one.total_time]
        for (since, usd), until in zip(changes, ends, strict=True):
            cents += Decimal(max(timedelta(0), until - since) // MICROSECOND) * usd / 3_600_000_000
        if not life.rates or lived.total_seconds() >= 60:
            assert abs(one.total_known_usd - cents) <= USD_GRAIN
