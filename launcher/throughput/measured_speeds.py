"""Speeds that the project measured on GPUs, by the shape of the model: `data/measured_speeds.csv`.

A speed depends on a model's shape and not on its weights, so a measurement counts for every model whose layers have the
same shape. The vocabulary and the greatest length do not matter. Rates are those of the engine alone.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import StringIO

from launcher.throughput.model_shapes import shape as shape_of
from launcher.throughput.predict import HALF_DTYPES, ModelShape
from pricing.gpu import canonical


@dataclass(frozen=True, slots=True)
class MeasuredPoint:
    """Tokens per second of one GPU at texts of `tokens` tokens in the mean."""

    model: ModelShape
    gpu: str
    engine: str
    dtype: str
    tokens: float
    tokens_per_second: float
    source: str


def measured_point(shape: ModelShape, gpu: str, engine: str, dtype: str | None) -> MeasuredPoint | None:
    """What was measured of this engine on this GPU with layers of the same shape; None: nothing was.

    `dtype` None is the engine's own; the two half-precision types are as fast as each other.
    """
    for point in measured_points():
        same = (point.gpu, point.engine) == (gpu, engine) and _layers(point.model) == _layers(shape)
        if same and (dtype is None or _half(dtype) == _half(point.dtype)):
            return point
    return None


@cache
def measured_points() -> tuple[MeasuredPoint, ...]:
    text = files("launcher").joinpath("data", "measured_speeds.csv").read_text(encoding="utf-8")
    return tuple(
        MeasuredPoint(
            model=shape_of(row["model"]),
            gpu=canonical(row["gpu"]) or row["gpu"],
            engine=row["engine"],
            dtype=row["dtype"],
            tokens=float(row["tokens"]),
            tokens_per_second=float(row["tokens_per_second"]),
            source=row["source"],
        )
        for row in csv.DictReader(StringIO(text))
    )


def _half(dtype: str) -> bool:
    return dtype in (*HALF_DTYPES, "half")


def _layers(shape: ModelShape) -> tuple[object, ...]:
    """What the arithmetic and the memory traffic of a model's layers depend on."""
    attention = (shape.heads, shape.kv_heads, shape.head_dim, shape.causal, shape.window, shape.local_layers)
    return (shape.layers, shape.hidden, shape.intermediate, shape.glu, shape.linear_params, *attention)
