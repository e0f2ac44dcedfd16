"""How the machines of a fleet share the work, as the solver counts it. Pure.

Workers take shards from one queue until there are none. So a worker that is there sooner and is faster does more of
the work, and all end together: dearer machines do their part, too, and it does not fall to the cheapest first.
"""

import numpy as np

from launcher.planning.optimizer.highs import Floats, Ints
from launcher.planning.optimizer.market import Market


def shared_work(market: Market, index: Ints, machines: Floats) -> Floats:
    """The share of the work that the machines of each candidate at `index` do, at the slow end of speeds and starts.

    0 for machines that would be there only after the others have done it all.
    """
    rate, start = machines / market.slow_hours[index], market.slow_start[index]
    kept = rate > 0
    while True:
        end = (1.0 + float(rate[kept] @ start[kept])) / float(rate[kept].sum())
        late = kept & (start >= end)
        if not late.any():
            return np.where(kept, rate * (end - start), 0.0)
        kept &= ~late
