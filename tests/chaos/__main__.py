"""`make chaos`: runs with faults, over seeds, until enough was killed and frozen; one line each, and the sum as JSON.

python -m tests.chaos --kills 1000 --zombies 200        # the whole
python -m tests.chaos --seed 7 --store s3               # one run again
"""

import argparse
import json
import os
import sys
from dataclasses import replace
from importlib import import_module

# Before any library that starts threads or reads them: children are forked.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")

from tests.chaos.fault_run import FaultPlan, Result, run_with_faults

COUNTS = (
    "runs",
    "kills",
    "zombies",
    "ends",
    "workers",
    "parts",
    "rows",
    "lost",
    "doubled",
    "different",
    "changed",
    "losers",
)


def fault_plan_of(seed: int, store: str | None) -> FaultPlan:
    """Each seed has its own: every third on a bucket of each kind, every fifth with wrong clocks, every seventh full."""
    kind = store or ("folder", "s3", "gcs")[seed % 3]
    fault_plan = FaultPlan(seed, kind, skew=seed % 5 == 0, full=kind == "folder" and seed % 7 == 0)
    if kind == "folder" and seed % 2:
        # Tiny shards: who is frozen is often frozen while it signs.
        return replace(
            fault_plan, shards=1_200, documents=8, ttl=1.0, seconds=0.3, kills=0.8, stops=3.0, workers=8
        )
    # A bucket on loopback serves a few hundred requests a second.
    return (
        fault_plan
        if kind == "folder"
        else replace(fault_plan, shards=80, ttl=3.0, workers=5, kills=1.5, stops=0.4)
    )


def line(result: Result) -> str:
    v, w = result.verdict, result.fault_plan
    return (
        f"seed {w.seed} on {w.store}{' skewed' if w.skew else ''}{' full' if w.full else ''}: "
        f"{result.kills} killed, {result.zombies} zombies, {result.ends} told to end, {result.started} workers, "
        f"{result.parts} shards in parts, "
        f"{result.seconds:.0f} s; {v.rows:,} rows: {v.lost} lost, {v.doubled} doubled, {v.different} different; "
        f"{v.losers} files of losers beside {v.files}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seed", type=int, help="one run")
    parser.add_argument("--store", choices=("folder", "s3", "gcs"))
    parser.add_argument("--kills", type=int, default=100, help="runs until so many were killed")
    parser.add_argument(
        "--zombies", type=int, default=20, help="and so many woke after their lease had run out"
    )
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--shards", type=int)
    parser.add_argument(
        "--quiet", action="store_true", help="no faults: how much is done twice when nothing happens"
    )
    parser.add_argument("--calm", action="store_true", help="kills and zombies alone")
    arguments = parser.parse_args()
    import_module("tasks.worker")  # the forks have it all

    total = dict.fromkeys(COUNTS, 0)
    bad: list[str] = []
    seed = arguments.seed if arguments.seed is not None else arguments.first
    while True:
        fault_plan = fault_plan_of(seed, arguments.store)
        if arguments.shards:
            fault_plan = replace(fault_plan, shards=arguments.shards)
        if arguments.quiet:
            fault_plan = replace(
                fault_plan, kills=None, stops=None, ends=None, errors=False, skew=False, full=False
            )
        if arguments.calm:
            fault_plan = replace(fault_plan, errors=False, skew=False, full=False)
        result = run_with_faults(fault_plan)
        print(line(result), flush=True)
        v = result.verdict
        found = (
            1,
            result.kills,
            result.zombies,
            result.ends,
            result.started,
            result.parts,
            v.rows,
            v.lost,
            v.doubled,
            v.different,
        )
        for name, count in zip(total, (*found, len(result.changed), v.losers), strict=True):
            total[name] += count
        if not result.good:
            bad.append(f"seed {seed}")
            for fault in [*v.faults, *result.changed][:20]:
                print(f"  {fault}", flush=True)
        enough = total["kills"] >= arguments.kills and total["zombies"] >= arguments.zombies
        if arguments.seed is not None or arguments.quiet or enough or len(bad) > 3:
            break
        seed += 1
    print(json.dumps(total | {"bad": bad}))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
