"""The constants of the speed model, fitted to published speeds; `benchmarks/speed.py` leaves sources out of it."""
# scipy comes without types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import log
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed_points import JUDGED, JUDGED_ENGINES, Point
from launcher.throughput.predict import FUSED_BYTES, Constants, flops_per_token, seconds_per_text

# What one might think of the constants without having measured: medians, and how far off they may be (a sigma of
# logarithms). The share of the ceiling in matrix products; bytes per value, fused and not; bytes per score; seconds per
# token; seconds per text of the engines in HOSTS.
PRIOR = np.log([0.8, 3.0, 20.0, 8.0, 0.2e-6, 0.5e-3, 0.2e-3, 0.1e-3, 0.2e-3, 0.2e-3])
DOUBT = np.array([0.25, 0.7, 0.7, 0.7, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
NOISE = 0.3  # of a point about its source, likewise
HOSTS: tuple[str, ...] = ("vllm-server", "vllm", "tei", "sentence-transformers", "torch")

Vector = NDArray[np.float64]


def leave_out(
    found: Sequence[Point],
    group: Callable[[Point], str],
    predict: Callable[[Sequence[Point], Sequence[Point]], Iterable[float]],
) -> list[tuple[Point, float]]:
    """Every point with the speed that is predicted from the points of the other groups."""
    out: list[tuple[Point, float]] = []
    for name in dict.fromkeys(map(group, found)):
        asked = [p for p in found if group(p) == name]
        out += zip(asked, predict([p for p in found if group(p) != name], asked), strict=True)
    return out


def fit_and_predict(known: Sequence[Point], asked: Sequence[Point]) -> list[float]:
    fitted = constants_of(fit(known))
    return [speed_by(fitted, p) for p in asked]


def one_share_of_peak(known: Sequence[Point], asked: Sequence[Point]) -> list[float]:
    """The rival: the median share of dense peak of the known points, for all."""
    work = {p.id: flops_per_token(p.model, p.tokens) for p in (*known, *asked)}
    share = median(p.speed * work[p.id] / (p.peak_tflops * 1e12) for p in known)
    return [share * p.peak_tflops * 1e12 / work[p.id] for p in asked]


def fit(known: Sequence[Point]) -> Vector:
    """The logarithms of the constants, robust against single points; each source counts by the root of its points."""
    from scipy.optimize import least_squares

    publishers = [p.publisher for p in known]
    sizes = {name: publishers.count(name) for name in publishers}

    def errors(logarithms: Vector) -> Vector:
        constants = constants_of(logarithms)
        raw = [log(speed_by(constants, p) / p.speed) / NOISE / sizes[p.publisher] ** 0.25 for p in known]
        off = np.asarray(raw, np.float64)
        robust = np.sign(off) * np.sqrt(2 * (np.sqrt(1 + off**2) - 1))
        return np.concatenate([robust, (logarithms - PRIOR) / DOUBT])

    return np.asarray(least_squares(errors, PRIOR).x, np.float64)


def constants_of(logarithms: Vector) -> Constants:
    """The model's constants; the shares of engines that are not fitted follow those that are."""
    share, fused, unfused, score, token, *host = (float(x) for x in np.exp(logarithms))
    hosts = dict(zip(HOSTS, host, strict=True))
    hosts["packed"] = hosts["tei"]
    engines = {
        name: replace(
            cost,
            host_seconds=hosts.get(name, cost.host_seconds),
            bytes_per_value=unfused if _unfused(name) else fused * cost.bytes_per_value / FUSED_BYTES,
        )
        for name, cost in JUDGED_ENGINES.items()
    }
    return Constants(engines, share, unfused, score, token)


def speed_by(constants: Constants, point: Point) -> float:
    """Tokens per second by the model of `launcher/throughput/predict.py` with these constants."""
    lengths = [(1.0, point.tokens)]
    seconds = seconds_per_text(point.model, point.gpu, point.engine, lengths, point.dtype, constants)
    assert seconds is not None
    return point.tokens / seconds


def printed(constants: Constants) -> dict[str, Any]:
    engines = constants.engines
    return {
        "matrix_efficiency": round(constants.matrix_efficiency, 3),
        "fused_bytes": round(engines["vllm"].bytes_per_value, 2),
        "unfused_bytes": round(constants.unfused_bytes, 1),
        "score_bytes": round(constants.score_bytes, 1),
        "token_us": round(constants.token_seconds * 1e6, 3),
        "host_ms": {name: round(engines[name].host_seconds * 1e3, 3) for name in HOSTS},
    }


def in_use() -> dict[str, Any]:
    return printed(JUDGED)


def _unfused(engine: str) -> bool:
    return JUDGED_ENGINES[engine].bytes_per_value == JUDGED.unfused_bytes
