"""`make bench-speed`: how far the predicted speeds are from published ones, printed as one JSON object.

    python -m benchmarks.speed [--docs PAGE.md] [POINTS.csv ...]

Each figure is given three times. `ours` judges the constants of `launcher/throughput/predict.py`, which were fitted on
these points. `source_left_out` is the honest one: all constants are fitted anew, from priors that know of no
measurement, on every source but one, and judged on that one; `gpu_left_out` does so by GPU. Beside them stands the
simplest rival, one share of peak for all GPUs. A published figure of a pipeline that starved its GPUs stays in: a plan
meets such pipelines, too. With `--docs` the tables between the two markers of that page are written anew.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from math import exp, log, sqrt
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.speed_fit import (
    constants_of,
    fit,
    fit_and_predict,
    in_use,
    leave_out,
    one_share_of_peak,
    printed,
    speed_by,
)
from benchmarks.speed_points import JUDGED, POINTS, Point, points, read_rows
from benchmarks.speed_tables import write_tables
from launcher.throughput.predict import error_factor, size_class
from launcher.throughput.spread import P90
from pricing.gpu import Gpu, ceiling_from_relative, gpu

Errors = Sequence[tuple[Point, float]]  # logarithms of predicted over published

# Pairs of one generation, each with a ceiling of its own, on which the derivation of a ceiling is tried.
RELATIVES = (
    ("T4", "V100"),
    ("V100", "T4"),
    ("L4", "L40S"),
    ("L40S", "L4"),
    ("A10", "A40"),
    ("A30", "A100-40GB"),
    ("A100-40GB", "A30"),
)
STARVED = "skypilot"  # the publisher of the pipeline that starved its GPUs
LENGTHS = ((64, "to 64"), (200, "65 to 200"), (512, "201 to 512"), (10**9, "above 512"))  # tokens of a text


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    parser.add_argument("points", nargs="*", type=Path, default=list(POINTS))
    parser.add_argument("--docs", type=Path, help="the page whose tables are written")
    given = parser.parse_args()
    missing = [str(path) for path in given.points if not path.is_file()]
    if missing:
        why = f"no published points at {', '.join(missing)}"
        print(json.dumps({"schema": "embedfleet/bench-speed/2", "skipped": why}))
        return
    found = measure(read_rows(given.points))
    if given.docs:
        write_tables(given.docs, found)
    print(json.dumps(found, indent=2))


def measure(rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The figures over those rows that are services, fit to use, and of a model and GPU we know."""
    found, passed = points(rows)
    speeds = {
        "ours": [(p, ours_of(p)) for p in found],
        "source_left_out": leave_out(found, lambda p: p.publisher, fit_and_predict),
        "gpu_left_out": leave_out(found, lambda p: p.gpu.name, fit_and_predict),
        "one_share_of_peak_left_out": leave_out(found, lambda p: p.publisher, one_share_of_peak),
    }
    errors = {name: [(p, log(speed / p.speed)) for p, speed in pairs] for name, pairs in speeds.items()}
    left_out = {p.id: exp(e) for p, e in errors["source_left_out"]}
    return {
        "schema": "embedfleet/bench-speed/2",
        "points": len(found),
        "sources": len({p.publisher for p in found}),
        "passed_over": passed,
        **{name: judged(pairs) for name, pairs in errors.items()},
        "fitted_on_all": printed(constants_of(fit(found))),
        "in_use": in_use(),
        "each": [
            {
                "id": p.id,
                "published": p.speed,
                "ours": round(p.speed * exp(error)),
                "ratio": round(exp(error), 3),
                "left_out": round(left_out[p.id], 3),
            }
            for p, error in errors["ours"]
        ],
        "ceilings": relatives(),
    }


def ours_of(point: Point) -> float:
    """Tokens per second, as the product says."""
    return speed_by(JUDGED, point)


def judged(errors: Errors) -> dict[str, Any]:
    """Overall, without the starved pipeline, and by engine, size of model, GPU, length of text and source."""
    fed = [(p, e) for p, e in errors if p.publisher != STARVED]
    sources = by(errors, lambda p: p.publisher)
    return summary(errors) | {
        "covered_each_source_alike": round(fmean(group["covered"] for group in sources.values()), 3),
        "without_the_starved_pipeline": summary(fed),
        "by_engine": by(errors, lambda p: p.engine),
        "by_size": by(errors, lambda p: size_class(p.model)),
        "by_gpu": by(errors, lambda p: p.gpu.name),
        "by_length": by(errors, _length),
        "by_source": sources,
    }


def by(errors: Errors, key: Callable[[Point], str]) -> dict[str, Any]:
    groups: dict[str, list[tuple[Point, float]]] = {}
    for one in errors:
        groups.setdefault(key(one[0]), []).append(one)
    return {name: summary(group) for name, group in sorted(groups.items())}


def summary(errors: Errors) -> dict[str, Any]:
    """`errors` are logarithms of predicted over published. Covered: published lies from P10 to P90."""
    raw = [e for _, e in errors]
    inside = [abs(e) <= P90 * log(_factor(p)) for p, e in errors]
    return {
        "points": len(raw),
        "median_error": round(median(abs(exp(e) - 1) for e in raw), 3),
        "bias": round(exp(fmean(raw)), 3),
        "rms_factor": round(exp(sqrt(fmean(e * e for e in raw))), 3),
        "inside": sum(inside),
        "covered": round(sum(inside) / len(inside), 3),
    }


def _factor(point: Point) -> float:
    return error_factor(point.model, point.gpu, point.engine, precise=point.precise, constants=JUDGED)


def _length(point: Point) -> str:
    return next(name for most, name in LENGTHS if point.tokens <= most)


def relatives() -> dict[str, Any]:
    """How well a ceiling is derived from that of a relative, where both have one of their own."""
    ratios: dict[str, float] = {}
    for name, kin_name in RELATIVES:
        one, kin = gpu(name), gpu(kin_name)
        own, theirs = _facts(one), _facts(kin)
        derived = ceiling_from_relative(*theirs, own_peak=own[1], own_watts=own[2])
        ratios[f"{name} after {kin_name}"] = round(derived / own[0], 3)
    rms = exp(sqrt(fmean(log(r) ** 2 for r in ratios.values())))
    return {"rms_factor": round(rms, 3), "derived_over_own": ratios}


def _facts(card: Gpu) -> tuple[float, float, float]:
    """Ceiling, peak, watts."""
    assert card.ceiling_tflops
    assert card.fp16_tflops
    assert card.watts
    return card.ceiling_tflops, card.fp16_tflops, card.watts


if __name__ == "__main__":
    main()
