"""The law of money of a steered run: it may use the whole budget and no more, whatever becomes of its launchers."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings

from launcher.steering.situation import Limits, Steering
from tests.launcher.fleet.budget.test_any_ledger_lost import EVENTS, POLL, TOLERANCE, Event, happen
from tests.support.provider import Laptop, Provider
from tests.support.runs import NOON

BUDGET = Decimal(10)  # a tenth of it is eight minutes of two machines
STEERING = Steering(started=NOON, deadline=NOON + timedelta(hours=12), limits=Limits(machines=2))


def test_machines_of_a_steered_run_work_into_the_last_tenth_of_the_budget(tmp_path: Path) -> None:
    """The allowance is for machines without a launcher: while one steers, they do not drain at nine tenths."""
    provider = Provider()
    laptop = Laptop(provider, tmp_path, BUDGET, steering=STEERING)
    started: set[str] = set()
    while not laptop.money.held:
        laptop.poll()
        provider.pass_seconds(POLL)
        started |= set(provider.machines)
        assert provider.clock.now < NOON + timedelta(hours=2)
    for _ in range(30):
        laptop.poll()
        provider.pass_seconds(POLL)
    assert not provider.living()
    assert len(started) == 2, started
    assert provider.usd() <= BUDGET


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(events=EVENTS)
@example(events=[("lose", 0), ("lose", 1), ("poll", 40)])
@example(events=[("poll", 40), ("asleep", 120), ("poll", 40)])
def test_steered_launchers_spend_no_more_than_was_agreed(
    folders: Iterator[Path], events: list[Event]
) -> None:
    """Three quarters are spent before anything happens: what happens, happens near the end of the money."""
    provider = Provider()
    laptops = [Laptop(provider, next(folders), BUDGET, steering=STEERING) for _ in range(2)]
    while provider.usd() < BUDGET * 3 / 4:
        for laptop in laptops:
            laptop.poll()
        provider.pass_seconds(60)
    for event in [*events, ("poll", 30), ("asleep", 600)]:
        happen(provider, laptops, event)
        assert provider.usd() <= BUDGET + TOLERANCE, f"after {event}: ${provider.usd():.2f} of ${BUDGET}"
    for laptop in laptops:
        laptop.ledger.close()
