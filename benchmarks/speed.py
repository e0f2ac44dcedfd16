"""`make bench-speed`: how far the predicted speeds are from published ones, printed as one JSON object.

    python -m benchmarks.speed [POINTS.csv]

Each figure is given twice. `ours` judges the constants of `launcher/throughput/predict.py`, which others fitted on
these and on more points. `left_out` is the honest one: all constants are fitted anew, from priors that know of no
measurement, on every source but one, and judged on that one. Beside it stands the simplest rival, one share of peak
for all GPUs. A published figure of a pipeline that starved its GPUs stays in: a plan meets such pipelines, too.
"""
# scipy comes without types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import csv
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, hypot, log, sqrt
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from launcher.errors import Problem
from launcher.throughput.model_shapes import shape
from launcher.throughput.predict import (
    ENGINES,
    ERROR_FACTOR,
    FP32_CEILING_FACTOR,
    FP32_EFFICIENCY,
    TOKEN_SECONDS,
    EngineCost,
    ModelShape,
    flops_per_token,
    seconds_per_text,
)
from launcher.throughput.spread import P90
from pricing.gpu import Gpu, canonical, ceiling_from_relative, gpu

POINTS = Path(__file__).parents[2] / "shared" / "facts" / "throughput_points.csv"

# The published engine names, and whose costs stand for theirs: Infinity batches and fuses as TEI does.
STANDS_FOR = {
    "vLLM": "vllm",
    "TEI": "tei",
    "Infinity": "tei",
    "Infinity-TensorRT": "tei",
    "Infinity-ONNX": "tei",
    "sentence-transformers": "sentence-transformers",
}

# What one might think of the constants without having measured: medians, and how far off they may be (a sigma of
# logarithms). Shares of the ceiling: fused, unfused, float32; seconds per text of three engines; seconds per token.
PRIOR = np.log([0.7, 0.45, 0.8, 0.3e-3, 0.3e-3, 0.3e-3, 0.3e-6])
DOUBT = np.array([0.35, 0.5, 0.3, 1.2, 1.2, 1.2, 1.0])
NOISE = 0.3  # of a point about its source, likewise
FITTED = ("vllm", "tei", "sentence-transformers")  # in the order of PRIOR

# Pairs of one generation, each with a ceiling of its own, on which the derivation of a ceiling is tried.
RELATIVES = (
    *(("T4", "V100"), ("V100", "T4"), ("L4", "L40S"), ("L40S", "L4")),
    *(("A10", "A40"), ("A30", "A100-40GB"), ("A100-40GB", "A30")),
)

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """One published speed, and what it was measured on."""

    id: str
    source: str
    model: ModelShape
    gpu: Gpu
    engine: str  # ours
    dtype: str
    tokens: float
    speed: float
    peak_tflops: float  # dense, of that dtype

    @property
    def precise(self) -> bool:
        return self.dtype == "float32"


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else POINTS
    if not path.is_file():
        print(json.dumps({"schema": "embedfleet/bench-speed/1", "skipped": f"no published points at {path}"}))
        return
    with path.open(encoding="utf-8", newline="") as file:
        print(json.dumps(measure(list(csv.DictReader(file))), indent=2))


def measure(rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The figures over those rows that are services, fit to use, and of a model and GPU we know."""
    found, passed = points(rows)
    ours = [(p, log(ours_of(p) / p.speed)) for p in found]
    left_out = [(p, log(speed / p.speed)) for p, speed in leave_one_out(found, fit_and_predict)]
    one_share = [(p, log(speed / p.speed)) for p, speed in leave_one_out(found, one_share_of_peak)]
    return {
        "schema": "embedfleet/bench-speed/1",
        "points": len(found),
        "sources": len({p.source for p in found}),
        "passed_over": passed,
        "interval_factor": round(exp(P90 * log(ERROR_FACTOR)), 3),
        "ours": judged(ours),
        "left_out": judged(left_out),
        "one_share_of_peak_left_out": judged(one_share),
        "fitted_on_all": constants(fit(found)),
        "in_use": {
            "fused": ENGINES["vllm"].efficiency,
            "unfused": ENGINES["torch"].efficiency,
            "float32": FP32_EFFICIENCY,
            "host_ms": {name: ENGINES[name].host_seconds * 1e3 for name in FITTED},
            "token_us": TOKEN_SECONDS * 1e6,
        },
        "each": [
            {
                "id": p.id,
                "published": p.speed,
                "ours": round(p.speed * exp(error)),
                "ratio": round(exp(error), 3),
            }
            for p, error in ours
        ],
        "ceilings": relatives(),
    }


def points(rows: Sequence[Mapping[str, str]]) -> tuple[list[Point], dict[str, str]]:
    """What can be judged, and why the rest of the services cannot."""
    out: list[Point] = []
    passed: dict[str, str] = {}
    for row in rows:
        if row["kind"] != "service" or row["fit"] != "1":
            continue
        card = canonical(row["gpu"])
        if card is None or row["engine"] not in STANDS_FOR:
            passed[row["id"]] = f"no GPU {row['gpu']} or engine {row['engine']} here"
            continue
        try:
            model = shape(row["model"])
        except Problem as problem:
            passed[row["id"]] = str(problem)
            continue
        one = Point(
            id=row["id"],
            source=row["source"],
            model=model,
            gpu=gpu(card),
            engine=STANDS_FOR[row["engine"]],
            dtype="float32" if row["dtype"] == "fp32" else "half",
            tokens=float(row["seq_len"]),
            speed=float(row["per_gpu_tokens_per_s"]),
            peak_tflops=float(row["peak_tflops_used"]),
        )
        if float(row["mfu"] or 0) > 0.85:
            passed[one.id] = f"a share of peak of {row['mfu']} is a mistake in the source"
        elif seconds_per_text(model, one.gpu, one.engine, [(1, one.tokens)], one.dtype) is None:
            passed[one.id] = f"no ceiling of {card} is known"
        else:
            out.append(one)
    return out, passed


def ours_of(point: Point, engines: Mapping[str, EngineCost] = ENGINES) -> float:
    """Tokens per second, as the product says."""
    seconds = seconds_per_text(
        point.model, point.gpu, point.engine, [(1, point.tokens)], point.dtype, engines
    )
    assert seconds is not None
    return point.tokens / seconds


def leave_one_out(
    found: Sequence[Point], predict: Callable[[Sequence[Point], Sequence[Point]], Iterable[float]]
) -> list[tuple[Point, float]]:
    """Every point with the speed that is predicted from the other sources."""
    out: list[tuple[Point, float]] = []
    for source in dict.fromkeys(p.source for p in found):
        asked = [p for p in found if p.source == source]
        out += zip(asked, predict([p for p in found if p.source != source], asked), strict=True)
    return out


def fit_and_predict(known: Sequence[Point], asked: Sequence[Point]) -> list[float]:
    fitted = fit(known)
    return [float(predicted(fitted, p)) for p in asked]


def one_share_of_peak(known: Sequence[Point], asked: Sequence[Point]) -> list[float]:
    """The rival: the median share of dense peak of the known points, for all."""
    work = {p.id: flops_per_token(p.model, p.tokens) for p in (*known, *asked)}
    share = median(p.speed * work[p.id] / (p.peak_tflops * 1e12) for p in known)
    return [share * p.peak_tflops * 1e12 / work[p.id] for p in asked]


def fit(known: Sequence[Point]) -> Vector:
    """The logarithms of the constants, robust against single points; each source counts by the root of its points."""
    from scipy.optimize import least_squares

    sizes = {source: sum(p.source == source for p in known) for source in {p.source for p in known}}

    def errors(constants: Vector) -> Vector:
        raw = [log(predicted(constants, p) / p.speed) / NOISE / sizes[p.source] ** 0.25 for p in known]
        off = np.asarray(raw, np.float64)
        robust = np.sign(off) * np.sqrt(2 * (np.sqrt(1 + off**2) - 1))
        return np.concatenate([robust, (constants - PRIOR) / DOUBT])

    return np.asarray(least_squares(errors, PRIOR).x, np.float64)


def predicted(constants: Vector, point: Point) -> float:
    """The model of `launcher/throughput/predict.py` with other constants."""
    fused, unfused, precise = np.exp(constants[:3])
    host = np.exp(constants[3 + FITTED.index(point.engine)])
    ceiling = point.gpu.fp32_ceiling_tflops if point.precise else point.gpu.ceiling_tflops
    assert ceiling
    share = precise if point.precise else unfused if point.engine == "sentence-transformers" else fused
    work = point.tokens * flops_per_token(point.model, point.tokens) / (share * ceiling * 1e12)
    return float(point.tokens / (work + host + np.exp(constants[6]) * point.tokens))


def constants(fitted: Vector) -> dict[str, Any]:
    fused, unfused, precise, *host, token = (float(x) for x in np.exp(fitted))
    return {
        "fused": round(fused, 3),
        "unfused": round(unfused, 3),
        "float32": round(precise, 3),
        "host_ms": {name: round(h * 1e3, 3) for name, h in zip(FITTED, host, strict=True)},
        "token_us": round(token * 1e6, 3),
    }


def judged(errors: Sequence[tuple[Point, float]]) -> dict[str, Any]:
    """Overall, without the starved pipeline, and by engine, GPU and source."""
    fed = [(p, e) for p, e in errors if not p.id.startswith("skypilot")]
    sources = by(errors, lambda p: p.id.partition("-")[0])
    return summary(errors) | {
        "covered_each_source_alike": round(fmean(group["covered"] for group in sources.values()), 3),
        "without_the_starved_pipeline": summary(fed),
        "by_engine": by(errors, lambda p: f"{p.engine} {p.dtype}"),
        "by_gpu": by(errors, lambda p: p.gpu.name),
        "by_source": sources,
    }


def by(errors: Sequence[tuple[Point, float]], key: Callable[[Point], str]) -> dict[str, Any]:
    groups: dict[str, list[tuple[Point, float]]] = {}
    for one in errors:
        groups.setdefault(key(one[0]), []).append(one)
    return {name: summary(group) for name, group in sorted(groups.items())}


def summary(errors: Sequence[tuple[Point, float]]) -> dict[str, Any]:
    """`errors` are logarithms of predicted over published. Covered: published lies from P10 to P90."""
    raw = [e for _, e in errors]
    inside = [abs(e) <= P90 * hypot(log(ERROR_FACTOR), log(_ceiling_factor(p))) for p, e in errors]
    return {
        "points": len(raw),
        "median_error": round(median(abs(exp(-e) - 1) for e in raw), 3),
        "bias": round(exp(fmean(raw)), 3),
        "rms_factor": round(exp(sqrt(fmean(e * e for e in raw))), 3),
        "covered": round(sum(inside) / len(inside), 3),
    }


def _ceiling_factor(point: Point) -> float:
    return FP32_CEILING_FACTOR if point.precise else point.gpu.ceiling_factor


def relatives() -> dict[str, Any]:
    """How well a ceiling is derived from that of a relative, where both are measured."""
    ratios: dict[str, float] = {}
    for name, kin_name in RELATIVES:
        one, kin = gpu(name), gpu(kin_name)
        own, theirs = _facts(one), _facts(kin)
        derived = ceiling_from_relative(*theirs, own_peak=own[1], own_watts=own[2])
        ratios[f"{name} after {kin_name}"] = round(derived / own[0], 3)
    rms = exp(sqrt(fmean(log(r) ** 2 for r in ratios.values())))
    return {"rms_factor": round(rms, 3), "derived_over_measured": ratios}


def _facts(card: Gpu) -> tuple[float, float, float]:
    """Ceiling, peak, watts."""
    assert card.ceiling_tflops
    assert card.fp16_tflops
    assert card.watts
    return card.ceiling_tflops, card.fp16_tflops, card.watts


if __name__ == "__main__":
    main()
