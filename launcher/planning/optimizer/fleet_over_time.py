"""The cheapest fleet over time in a market that is known: a linear program over intervals. Pure.

Machines held and started in each kind and interval; the cold start is paid and does no work, and so is the teardown.
Machines may be fractions, so it is a lower bound, up to the grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from launcher.planning.optimizer import highs
from launcher.planning.optimizer.highs import Floats, Program, Rows


@dataclass(frozen=True, slots=True)
class KindOverTime:
    """One kind of machine. `most` (machines) and `usd` (of a machine) are by interval; `cold_start` is seconds."""

    tokens_per_second: float
    cold_start: float
    most: Floats
    usd: Floats


@dataclass(frozen=True, slots=True)
class FleetOverTime:
    """The cheapest fleet: USD, and machines held and started by kind (rows) and interval (columns)."""

    usd: float
    held: Floats
    started: Floats


def cheapest_over_time(
    kinds: Sequence[KindOverTime], *, tokens: float, interval: float, machines: float, teardown: float
) -> FleetOverTime | None:
    """The cheapest way to embed so many tokens; None: no fleet does. `interval` and `teardown` are seconds.

    `machines`: at most, of all kinds together.
    """
    if not kinds or not len(kinds[0].most):
        return None
    solved = highs.run(_program(kinds, tokens, interval, machines, teardown))
    if solved is None:
        return None
    held, started = np.split(solved.x, 2)
    shape = (len(kinds), len(kinds[0].most))
    return FleetOverTime(solved.value, held.reshape(shape), started.reshape(shape))


def _program(
    kinds: Sequence[KindOverTime], tokens: float, interval: float, machines: float, teardown: float
) -> Program:
    """Columns: machines held by kind and interval, then machines started. Rows: work, the limit, and starts."""
    intervals = len(kinds[0].most)
    count = len(kinds) * intervals
    held, started = np.arange(count), np.arange(count) + count
    speed = np.repeat([kind.tokens_per_second for kind in kinds], intervals)
    cold = np.repeat([kind.cold_start for kind in kinds], intervals)
    usd = np.concatenate([kind.usd for kind in kinds])
    first = held % intervals == 0
    scale = max(tokens, 1.0)
    work = 0
    limit = 1 + held % intervals
    start = 1 + intervals + held
    row = np.concatenate([np.full(count, work), np.full(count, work), limit, start, start, start[~first]])
    column = np.concatenate([held, started, held, held, started, held[~first] - 1])
    value = np.concatenate(
        [
            speed * interval / scale,
            -speed * cold / scale,
            np.ones(count),
            np.ones(count),
            -np.ones(count),
            -np.ones(int((~first).sum())),
        ]
    )
    rows = 1 + intervals + count
    least, highest = np.full(rows, -np.inf), np.full(rows, 0.0)
    least[work], highest[work] = 1.0, np.inf
    highest[1 : 1 + intervals] = float(machines)
    return Program(
        cost=np.concatenate([usd, usd * teardown / interval]),
        most=np.concatenate([*(kind.most for kind in kinds), np.full(count, np.inf)]),
        rows=Rows(row.astype(np.int64), column.astype(np.int64), value, least, highest),
    )
