"""The law of money: whatever becomes of launchers and ledgers, a run costs no more than was agreed.

Simulated on a provider that bills by itself; ledgers, store, tracker, policy and budget are the real ones.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.provider import PRICE, Laptop, Provider

LIMIT = Decimal(2)  # 33 minutes of one machine
POLL = 10.0  # seconds
# What a fleet may cost beyond the limit: all machines, of two laptops that both start some, for one polling interval and
# their teardown, on top of what the budget reckons with already.
TOLERANCE = 4 * PRICE * (Decimal(POLL) + 60) / 3600

Event = tuple[str, int]
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("poll"), st.integers(1, 40)),  # so many turns of both launchers
        st.tuples(st.just("alone"), st.integers(0, 1)),  # ten turns of one of them
        st.tuples(st.just("lose"), st.integers(0, 1)),  # the ledger of one is gone
        st.tuples(st.just("restart"), st.integers(0, 1)),
        st.tuples(st.just("asleep"), st.integers(1, 120)),  # minutes in which no launcher is at work
        st.tuples(st.just("preempt"), st.integers(0, 3)),
    ),
    max_size=10,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(events=EVENTS)
@example(events=[("poll", 30), ("lose", 0), ("lose", 1), ("poll", 60), ("poll", 60), ("poll", 60)])
@example(events=[("alone", 0), ("asleep", 120), ("lose", 0), ("alone", 0), ("poll", 60)])
@example(events=[("alone", 0), ("alone", 0), ("alone", 1), ("lose", 0), ("asleep", 120), ("alone", 1)])
# A life that AWS takes back within its first hour is free: the money goes to the machines that are left.
@example(
    events=[("alone", 0), ("poll", 28), *[("alone", 0)] * 3, ("preempt", 0), ("poll", 19), ("asleep", 118)]
)
def test_no_more_is_spent_than_was_agreed(folders: Iterator[Path], events: list[Event]) -> None:
    provider = Provider()
    laptops = [Laptop(provider, next(folders), LIMIT) for _ in range(2)]
    for event in [*events, ("asleep", 600)]:
        happen(provider, laptops, event)
        assert provider.usd() <= LIMIT + TOLERANCE, f"after {event}: ${provider.usd():.2f} of ${LIMIT}"
    for laptop in laptops:
        laptop.ledger.close()


def happen(provider: Provider, laptops: list[Laptop], event: Event) -> None:
    what, number = event
    match what:
        case "poll":
            turn(provider, laptops, number)
        case "alone":
            turn(provider, laptops[number : number + 1], 10)
        case "lose":
            laptops[number].lose_ledger()
        case "restart":
            laptops[number].restart()
        case "asleep":
            provider.pass_seconds(60.0 * number)
        case _:
            for name in provider.living()[number : number + 1]:
                provider.machines[name].preempt(provider.clock.now)


def turn(provider: Provider, laptops: Sequence[Laptop], times: int) -> None:
    for _ in range(times):
        for laptop in laptops:
            laptop.poll()
        provider.pass_seconds(POLL)
