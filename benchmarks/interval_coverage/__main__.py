"""`make bench-intervals`: how often P10 to P90 of a plan holds what comes, by size of job, as JSON.

    python -m benchmarks.interval_coverage [--worlds N] [--runs N] [--size NAME]

Each world has true prices and the older quotes that the planner sees. The job is planned on the quotes, and the chosen
fleet is carried out several times by a simulator of its own. 80 of 100 should come inside.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.interval_coverage.world import carry_out, view_of
from launcher.errors import Infeasible
from launcher.jobs import parse
from launcher.planning import plan as plans
from launcher.planning import planner
from launcher.planning.request import PlanOptions
from launcher.throughput import model_shapes
from pricing.book import price_book
from pricing.offer import Offer

SEED = 20
GPUS = ("L4", "A10G", "A100-80GB", "H100")  # few, so that a plan takes a second and not four
CLOUDS = ("aws", "gcp")
DOUBTFUL = {
    "floor",
    "unmoved",
    "zone_id",
    "opt_in",
    "not_launchable",
}  # quotes that are not taken as true prices


@dataclass(frozen=True)
class Size:
    """A size of job. `limits` is YAML."""

    documents: str
    tokens: int
    model: str
    limits: str


SIZES = {
    "3M tokens": Size("20000", 150, "BAAI/bge-base-en-v1.5", ""),
    "200M tokens": Size("1e6", 200, "BAAI/bge-m3", "deadline: 6h, "),
    "3B tokens": Size("29.5e6", 102, "Alibaba-NLP/gte-Qwen2-7B-instruct", "deadline: 6h, "),
    "3B tokens, on demand": Size(
        "29.5e6", 102, "Alibaba-NLP/gte-Qwen2-7B-instruct", "deadline: 12h, spot: never, "
    ),
    "50B tokens": Size("100e6", 500, "Qwen/Qwen3-Embedding-0.6B", "deadline: 24h, "),
    "600B tokens": Size("1.2e9", 500, "Qwen/Qwen3-Embedding-0.6B", "deadline: 10d, "),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interval_coverage")
    parser.add_argument("--worlds", type=int, default=25, help="of each size")
    parser.add_argument("--runs", type=int, default=8, help="of each world")
    parser.add_argument("--size", action="append", choices=SIZES, help="this one alone; may be repeated")
    arguments = parser.parse_args()
    body: dict[str, Any] = {
        "schema": "embedfleet/interval-coverage/1",
        "expected": 0.8,
        "worlds": arguments.worlds,
        "runs": arguments.runs,
        "sizes": {},
    }
    for name in arguments.size or SIZES:
        body["sizes"][name] = measure(SIZES[name], arguments.worlds, arguments.runs)
        print(name, body["sizes"][name], file=sys.stderr, flush=True)
    print(json.dumps(body, indent=1))
    return 0


def measure(size: Size, worlds: int, runs: int, offers: Sequence[Offer] | None = None) -> dict[str, Any]:
    """Plans and simulated runs of one size."""
    book = [
        offer
        for offer in (price_book.load() if offers is None else offers)
        if offer.cloud in CLOUDS and offer.gpu in GPUS and not DOUBTFUL & set(offer.flags)
    ]
    job = parse.parse(
        f"name: coverage\ncorpus: {{documents: {size.documents}, tokens_per_document: {size.tokens}, "
        f"region: aws/us-east-1}}\nmodel: {size.model}\n"
        "output: {path: 's3://b/v', dtype: float16, region: aws/us-east-1}\n"
        f"limits: {{{size.limits}gpus: [{', '.join(GPUS)}], clouds: [{', '.join(CLOUDS)}]}}\n"
    )
    parameters = float(model_shapes.shape(size.model).params_total)
    now, results, refused = datetime.now(UTC), list[tuple[dict[str, Any], dict[str, float]]](), 0
    for number in range(worlds):
        dice = random.Random(f"{SEED} {number}")
        view = view_of(book, dice, now)
        options = PlanOptions(on=None, probe_seconds=0.1, offers=view.offers)
        try:
            plan = plans.to_json(planner.make_plan(job, Path(), options, now, lambda _: None))
        except Infeasible:
            refused += 1
            continue
        results += [(plan["totals"], carry_out(plan, view, parameters, dice)) for _ in range(runs)]
    deadline = job.limits.deadline_hours
    on_time = [came["hours"] <= deadline for _, came in results] if deadline else None
    return {
        "runs": len(results),
        "worlds_without_a_plan": refused,
        "hours": coverage([(quantiles(totals["hours"]), came["hours"]) for totals, came in results]),
        "usd": coverage([(quantiles(totals["usd"]), came["usd"]) for totals, came in results]),
        "kept_the_deadline": None if not on_time else round(sum(on_time) / len(on_time), 3),
        "preemptions": sum(came["preemptions"] for _, came in results) / max(1, len(results)),
    }


def quantiles(spread: dict[str, Any]) -> tuple[float, float, float]:
    """P10, P50 and P90 as numbers."""
    return float(spread["p10"]), float(spread["p50"]), float(spread["p90"])


def coverage(pairs: Sequence[tuple[tuple[float, float, float], float]]) -> dict[str, float]:
    """How many of the actual figures lie inside, below and above, and the median of actual over planned P50.

    `error` is the standard error of `inside`, if the runs were independent; those of one world are not quite.
    """
    total = len(pairs)
    if not total:
        return {"inside": 0.0, "below": 0.0, "above": 0.0, "error": 1.0, "of_p50": 0.0}
    below = sum(actual < low for (low, _, _), actual in pairs) / total
    above = sum(actual > high for (_, _, high), actual in pairs) / total
    inside = 1 - below - above
    return {
        "inside": round(inside, 3),
        "below": round(below, 3),
        "above": round(above, 3),
        "error": round(sqrt(max(inside * (1 - inside), 0.0) / total), 3),
        "of_p50": round(median(actual / mid for (_, mid, _), actual in pairs), 3),
    }


if __name__ == "__main__":
    sys.exit(main())
