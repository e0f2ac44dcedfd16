"""The speed of a model in fp8, from its speed in bfloat16, until it is measured.

vLLM's documentation says "up to a 1.6x improvement in throughput". Up to: so the range goes from no gain to that, and
the middle is their geometric mean. It is taken of the arithmetic alone, because the host's work per text stays. Not
measured by us on any GPU. Pure.

Source: https://docs.vllm.ai/en/v0.32.0/features/quantization/llm_compressor/fp8/, read 2026-11-29.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt

from launcher.throughput.predict import IN_USE, ModelShape, Speed, seconds_per_text
from launcher.throughput.spread import Spread
from pricing.gpu import Gpu
from tasks.models.precision import Precision

MOST_GAIN = 1.6  # times as fast as bfloat16
FP8_GAIN = Spread(1.0, sqrt(MOST_GAIN), MOST_GAIN)


def in_reduced_precision(
    plain: Speed,
    precision: Precision,
    shape: ModelShape,
    gpu: Gpu,
    lengths: Sequence[tuple[float, float]],
    dtype: str | None = None,
) -> Speed:
    """The speed in `precision` of what is `plain` in the usual one. Its share of the ceiling is unknown."""
    low, mid, high = (
        _gain(factor, shape, gpu, plain.engine, lengths, dtype)
        for factor in (FP8_GAIN.low, FP8_GAIN.mid, FP8_GAIN.high)
    )
    rate = plain.tokens_per_second
    return replace(
        plain,
        tokens_per_second=Spread(rate.low * low, rate.mid * mid, rate.high * high),
        share_of_ceiling=None,
        source=f"{plain.source}; x{mid:.2f} for {precision}, not measured (vLLM documents up to {MOST_GAIN:g})",
    )


def _gain(
    factor: float,
    shape: ModelShape,
    gpu: Gpu,
    engine: str,
    lengths: Sequence[tuple[float, float]],
    dtype: str | None,
) -> float:
    """How many times as fast the whole is when the arithmetic is `factor` times as fast; 1 where nothing is known."""
    faster = replace(IN_USE, matrix_efficiency=IN_USE.matrix_efficiency * factor)
    before = seconds_per_text(shape, gpu, engine, lengths, dtype)
    after = seconds_per_text(shape, gpu, engine, lengths, dtype, faster)
    return before / after if before and after else 1.0
