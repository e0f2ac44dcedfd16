"""`make bench-plan`: how long a plan takes, cold and again, and the solver alone, printed as one JSON object.

    python -m benchmarks.plan

The plan is a declared corpus on the whole snapshot: cold in a new process each time, beside an interpreter that only
imports the solver (what is between the two is ours); then again in one process, as Python and the pages of
`embedfleet ui` make plans. The solver's markets are made up, with a seed: ten GPU types in four clouds
and sixty regions each, at most 16 machines of a kind in a region.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from launcher.jobs.parse import read_job
from launcher.planning.estimates.estimate import Candidate
from launcher.planning.offers.price_book import book_of
from launcher.planning.optimizer.market import FleetLimits, TokenDemand, market_of
from launcher.planning.optimizer.solver import solve
from launcher.planning.plan import to_json
from launcher.planning.planner import make_plan
from launcher.planning.request import PlanOptions
from launcher.throughput.spread import Spread

ROUNDS = 5
SIZES = (2_000, 20_000)
CASES = (
    (3e9, 6.0, None),
    (3e9, 6.0, 400),
    (6e11, 336.0, 400),
    (6e11, 72.0, 2_000),
)  # tokens, hours, machines
GPUS = {  # USD an hour on spot, tokens a second
    "T4": (0.2, 1_500),
    "L4": (0.3, 5_000),
    "A10G": (0.4, 6_000),
    "V100": (0.7, 4_000),
    "L40S": (0.9, 16_000),
    "A100-40GB": (1.3, 14_000),
    "A100-80GB": (1.6, 15_000),
    "H100": (2.5, 40_000),
    "H200": (3.2, 42_000),
    "B200": (4.5, 80_000),
}
JOB = """
name: bench
corpus: {documents: 29.5e6, tokens_per_document: 102}
model: Alibaba-NLP/gte-Qwen2-7B-instruct
limits: {deadline: 6h, machines: 400}
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="embedfleet-bench-") as name:
        job = Path(name) / "job.yaml"
        job.write_text(JOB, encoding="utf-8")
        plan = [sys.executable, "-m", "launcher.cli", "plan", str(job), "--offline", "--json"]
        bare = [sys.executable, "-c", "import highspy"]
        process(plan)  # writes the bytecode, as the first plan after an installation does
        rounds = [(process(plan), process(bare)) for _ in range(ROUNDS)]
        again = plans_again(job)
    body = {
        "schema": "embedfleet/bench-plan/1",
        "plan_seconds": statistics.median(p["seconds"] for p, _ in rounds),
        "plan_cpu_seconds": statistics.median(p["cpu_seconds"] for p, _ in rounds),
        "plan_again_cpu_seconds": statistics.median(again),
        "plan_peak_mb": max(p["peak_mb"] for p, _ in rounds),
        "import_of_the_solver_seconds": statistics.median(b["seconds"] for _, b in rounds),
        "solver": [solver(size, *case) for size in SIZES for case in CASES],
    }
    print(json.dumps(body, indent=1))


def process(command: list[str]) -> dict[str, float]:
    """A process of its own: its wall time, its processor time and the most memory it had."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, command
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }


def plans_again(path: Path) -> list[float]:
    """Processor seconds of plans in a process that has made one before, and so has the price book."""

    def once() -> float:
        start = time.process_time()
        job, base = read_job(path)
        options = PlanOptions(on=None, probe_seconds=0.0, offers=book_of(None, offline=True).offers)
        to_json(make_plan(job, base, options, datetime.now(UTC), lambda _: None))
        return time.process_time() - start

    once()
    return [once() for _ in range(ROUNDS)]


def solver(offers: int, tokens: float, hours: float, machines: int | None) -> dict[str, Any]:
    """One choice on a made-up market, the preparation of its numbers included."""
    candidates = offered(offers)
    start = time.perf_counter()
    found = solve(
        market_of(candidates, TokenDemand(tokens, tokens)),
        hours,
        FleetLimits(machines=machines, per_group=16),
    )
    seconds = time.perf_counter() - start
    return {
        "offers": offers,
        "tokens": tokens,
        "hours": hours,
        "machines_at_most": machines,
        "seconds": round(seconds, 3),
        "lots": len(found.allocations) if found else None,
        "gap": round(found.gap, 6) if found else None,
    }


def offered(count: int, seed: int = 0) -> list[Candidate]:
    """A market of so many offers."""
    draw = random.Random(seed)
    out: list[Candidate] = []
    for number in range(count):
        gpu, (usd, rate) = draw.choice(list(GPUS.items()))
        gpus, spot = draw.choice((1, 1, 1, 2, 4, 8)), draw.random() < 0.5
        price = usd * gpus * (1 if spot else 2.5) * draw.lognormvariate(0, 0.3)
        out.append(
            Candidate(
                cloud=draw.choice(("aws", "gcp", "azure", "vast")),
                region=f"region-{draw.randrange(60)}",
                gpu=gpu,
                gpus=gpus,
                spot=spot,
                usd_per_hour=Decimal(f"{price:.4f}"),
                tokens_per_second=Spread(rate * gpus / 2, rate * gpus, rate * gpus * 2),
                speed_source="made up",
                cold_start=Spread(200, 300, 500),
                instance_type=f"type-{number}",
                hazard=Spread(0.05, 0.1, 0.3) if spot else Spread(0, 0, 0),
            )
        )
    return out


if __name__ == "__main__":
    main()
