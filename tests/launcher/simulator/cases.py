"""Small scenarios for the tests of the simulator."""

from collections.abc import Sequence
from decimal import Decimal
from math import inf

import numpy as np

from launcher.simulator.market import Market, market_of
from launcher.simulator.scenario import Kind, Scenario, fixed_fleet
from launcher.simulator.traces import PlaceTrace
from tasks.skypilot_task import Place

SPEED = 1000.0  # tokens per second of a machine
SPOT_USD, LIST_USD = 1.0, 3.0
COLD = 300.0


def spot_kind(name: str, usd: float = SPOT_USD, cap: int = 8) -> Kind:
    return _kind(name, usd, cap, "spot")


def list_kind(name: str = "us", usd: float = LIST_USD, cap: int = 8) -> Kind:
    return _kind(name, usd, cap, "on-demand")


def _kind(name: str, usd: float, cap: int, purchase: str) -> Kind:
    return Kind(
        place=Place("aws", name, None, "g6.xlarge", Decimal(str(usd))),
        purchase=purchase,
        cap=cap,
        usd_per_hour=usd,
        tokens_per_second=SPEED,
        tokens_per_second_p10=SPEED,
        cold_start=COLD,
        cold_start_p90=COLD,  # no spread: every cold start takes just so long
        gpu="L4",
    )


def scenario(*kinds: Kind, hours: float = 2.0, machines: int = 4, ratio: float = 2.0) -> Scenario:
    """Work of so many hours of the whole fleet, with a deadline `ratio` times as long."""
    tokens = hours * 3600 * machines * SPEED
    deadline = ratio * hours * 3600
    return Scenario(
        kinds=kinds,
        tokens=tokens,
        deadline=deadline,
        machines=machines,
        shard_tokens=60 * SPEED,
        teardown=0.0,
        launches_per_second=inf,  # all are answered after a minute
        fleet=fixed_fleet(kinds, tokens, deadline, machines),
    )


def market(case: Scenario, *available: Sequence[int], minutes: int = 3000) -> Market:
    """The market in which each spot kind has so many machines by minute, and the last number ever after."""
    traces = {
        number: PlaceTrace(
            case.kinds[number].place.infra,
            np.array([*counts, *[counts[-1]] * (minutes - len(counts))], np.int32),
        )
        for number, counts in enumerate(available)
    }
    return market_of(case, traces, 0, minutes, np.random.default_rng(1))
