"""`make bench-calibration`: what forecasts say beside what simulated runs then show, as one JSON object.

    python -m benchmarks.calibration [--seeds N] [--first-seed N] [--ratios 1.2,1.5,2,4] [--static-seeds N]

Markets are in two halves: constants of the forecast are tuned on one half alone. The chance to be late is also reported
of all markets together, because a first forecast cannot tell them apart. Recordings: those that come with
embedfleet, and one of ../shared/traces where that is there.
"""

import argparse
import json
import platform
import time
from itertools import product

from benchmarks.calibration import static, steered

SEEDS = 3
STATIC_SEEDS = 8


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.calibration", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--ratios", default=",".join(f"{ratio:g}" for ratio in steered.RATIOS))
    parser.add_argument("--static-seeds", type=int, default=STATIC_SEEDS)
    arguments = parser.parse_args()
    ratios = [float(word) for word in arguments.ratios.split(",")]
    started = time.process_time()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    cells = list(product(ratios, steered.ROOMS, steered.OBTAINABLE, seeds))
    halves = steered.halves()
    cases = {
        half: [steered.run_case(market, *cell) for market in chosen for cell in cells]
        for half, chosen in halves.items()
    }
    static_fleets = {
        half: static.report(static.run_cases(chosen, arguments.static_seeds))
        for half, chosen in halves.items()
    }
    document = {
        "machine": platform.machine(),
        "seeds": list(seeds),
        "static_seeds": list(range(arguments.static_seeds)),
        "speed_p10": steered.SPEED_P10,
        "cpu_seconds": round(time.process_time() - started, 1),
        "halves": {half: steered.half_report(some) for half, some in cases.items()},
        "all_markets": steered.late_report([case for some in cases.values() for case in some]),
        "static": static_fleets,
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
