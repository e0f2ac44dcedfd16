"""How long a load takes: rows as one loader wrote them where that was measured, and the build of the index. Pure.

Both were measured at 20,000 x 384 on two busy cores, client and server on one machine: a slow line is not in it.
"""

from launcher.index_sizes.size import Hours, VectorSet
from launcher.money import SECONDS_PER_HOUR
from pricing.charges.vector_stores import known, number

BUILD_CORES = 2  # of the machine that was measured


def load_hours(asked: VectorSet, store: str, build: Hours | None) -> Hours | None:
    """Hours from low to high; None: no rate of writing was measured of this store."""
    rates = [f"{store}_rows_{end}" for end in ("high", "low")]
    if not all(known("load", rate) for rate in rates):
        return None
    wide = asked.dimensions / number("build", "measured_dims")
    low, high = (asked.vectors * wide / number("load", rate) / SECONDS_PER_HOUR for rate in rates)
    return Hours(low, high) if build is None else Hours(low + build.low / BUILD_CORES, high + build.high)
