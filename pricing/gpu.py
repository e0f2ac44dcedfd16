"""GPU specifications, and the canonical name of each GPU.

The figures are in `snapshot/gpus.csv`, each row with its source and how sure it is. Every peak is the dense one, never
the doubled figure for sparse matrices, and for GeForce cards the one with float32 accumulation, half of what is often
printed. The ceiling is the throughput that kernels have been measured to reach. Its share of the peak differs by GPU
(A100 60 %, L4 38 %, T4 34 %), so it is a column and not a constant.

Without a measurement on transformer kernels the ceiling is derived, and `ceiling_source` says so: from a GPU of the
same generation, corrected for power, or else from the best square matrix product (MAMF) measured on the GPU.
`ceiling_factor` is the uncertainty of a derived ceiling.

Does not know prices, nor how much of a ceiling an engine reaches: that is `launcher/throughput/predict.py`.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from io import StringIO
from math import sqrt

# The share of the best square matrix product in half precision that the kernels of a real transformer reach.
# Both were measured on seven GPUs: T4 0.52, V100 0.64, L4 0.65, A40 0.82, A100 0.70, L40S 0.60, H100 0.80. The
# values are their geometric mean, and e to the standard deviation of their logarithms, rounded up.
CEILING_OF_MAMF = 0.67
MAMF_FACTOR = 1.2

# The same in float32: T4 0.95, V100 0.83, A100 0.82 (FasterTransformer at 2,048 tokens a batch and more).
CEILING_OF_FP32_MATRIX = 0.83

# Derived from a relative: its share of its peak, times the square root of the ratio of watts per TFLOP of peak. On the
# seven GPUs that have a ceiling and a relative with one (T4, V100, L4, L40S, A10, A30, A100) this is off by a factor
# of 1.1 rms, A10 the worst with 1.25. No measured GPU exceeds MAX_SHARE_OF_PEAK, the share of the A40.
MAX_SHARE_OF_PEAK = 0.667
RELATIVE_FACTOR = 1.2

AMPERE = 8.0  # compute capability from which FlashAttention runs


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str
    memory_gb: float
    fp16_tflops: float | None  # dense
    bf16_tflops: float | None  # dense; None where the hardware has no bfloat16
    fp32_tflops: float | None
    bandwidth_gb_s: float | None
    compute_capability: str | None  # "8.9", or AMD's "gfx942"
    ceiling_tflops: float | None  # half precision, on transformer kernels; None: nothing to derive it from
    ceiling_source: str
    source: str
    sure: str
    watts: float | None = None
    ceiling_factor: float = (
        1.0  # what the ceiling may be off by, one standard deviation; 1 where it is measured
    )
    fp32_ceiling_tflops: float | None = None  # float32 without TF32, always derived
    fp32_ceiling_source: str = "not measured"

    @property
    def before_ampere(self) -> bool:
        """Whether it is a GPU of NVIDIA for which FlashAttention has no kernels, and that has no bfloat16."""
        capability = self.compute_capability
        return capability is not None and not capability.startswith("gfx") and float(capability) < AMPERE


class UnknownGpuError(LookupError):
    """The name of a GPU that is not in the table; `nearest` holds similar names that are."""

    def __init__(self, name: str, nearest: tuple[str, ...]) -> None:
        super().__init__(f"unknown GPU {name!r}" + (f"; nearest: {', '.join(nearest)}" if nearest else ""))
        self.name = name
        self.nearest = nearest


def gpus() -> tuple[Gpu, ...]:
    """Every GPU in the table, in the order of the file."""
    return tuple(_table()[0].values())


def canonical(name: str) -> str | None:
    """The canonical name of a GPU, such as A100-80GB for "nvidia a100 80gb"; None if it is not in the table."""
    return _table()[1].get(_normalized(name))


def gpu(name: str) -> Gpu:
    """The specification of a GPU, found by any of its names.

    Raises:
        UnknownGpuError: the table has no such GPU.
    """
    known = canonical(name)
    if known is None:
        raise UnknownGpuError(name, nearest(name))
    return _table()[0][known]


def nearest(name: str) -> tuple[str, ...]:
    """At most three canonical names similar to `name`, the most similar first."""
    names = _table()[1]
    close = get_close_matches(_normalized(name), names, n=6, cutoff=0.5)
    return tuple(dict.fromkeys(names[c] for c in close))[:3]


def _normalized(name: str) -> str:
    """The name without case, punctuation and vendor, which sources write differently."""
    bare = "".join(c for c in name.casefold() if c.isalnum())
    for maker in ("nvidia", "amd", "tesla", "geforce", "quadro", "instinct"):
        bare = bare.removeprefix(maker)
    return bare


@cache
def _table() -> tuple[dict[str, Gpu], dict[str, str]]:
    """Specifications by canonical name, and canonical names by every normalized name."""
    facts: dict[str, Gpu] = {}
    names: dict[str, str] = {}
    text = files("pricing").joinpath("snapshot", "gpus.csv").read_text(encoding="utf-8")
    rows = {row["gpu"]: row for row in csv.DictReader(StringIO(text))}
    for name, row in rows.items():
        ceiling, where, factor = _ceiling(row, rows)
        fp32 = _number(row["fp32_matrix_tflops"])
        facts[name] = Gpu(
            name=name,
            memory_gb=float(row["memory_gb"]),
            fp16_tflops=_number(row["fp16_tflops"]),
            bf16_tflops=_number(row["bf16_tflops"]),
            fp32_tflops=_number(row["fp32_tflops"]),
            bandwidth_gb_s=_number(row["bandwidth_gb_s"]),
            compute_capability=row["compute_capability"] or None,
            ceiling_tflops=ceiling,
            ceiling_source=where,
            source=row["source"],
            sure=row["sure"],
            watts=_number(row["watts"]),
            ceiling_factor=factor,
            fp32_ceiling_tflops=None if fp32 is None else round(CEILING_OF_FP32_MATRIX * fp32, 1),
            fp32_ceiling_source="not measured"
            if fp32 is None
            else f"derived: {CEILING_OF_FP32_MATRIX:g} of the measured float32 product, {fp32:g} TFLOPS",
        )
        for alias in (name, *filter(None, row["aliases"].split(";"))):
            names[_normalized(alias)] = name
    return facts, names


def ceiling_from_relative(
    ceiling: float, peak: float, watts: float, own_peak: float, own_watts: float
) -> float:
    """Derive the ceiling of a GPU from a relative with `ceiling` and `peak` (TFLOPS) and `watts`."""
    power = (own_watts / own_peak) / (watts / peak)
    return own_peak * min(MAX_SHARE_OF_PEAK, ceiling / peak * sqrt(power))


def _ceiling(
    row: Mapping[str, str], rows: Mapping[str, Mapping[str, str]]
) -> tuple[float | None, str, float]:
    """The ceiling in TFLOPS, its source, and its uncertainty as a factor."""
    measured = _number(row["ceiling_tflops"])
    if measured is not None:
        return measured, row["ceiling_source"], 1.0
    if row["ceiling_like"]:
        kin = rows[row["ceiling_like"]]
        theirs = (float(kin[key]) for key in ("ceiling_tflops", "fp16_tflops", "watts"))
        derived = ceiling_from_relative(
            *theirs, own_peak=float(row["fp16_tflops"]), own_watts=float(row["watts"])
        )
        return round(derived, 1), f"derived: after {kin['gpu']}, by peak and power", RELATIVE_FACTOR
    mamf = _number(row["mamf_tflops"])
    if mamf is not None:
        what = f"derived: {CEILING_OF_MAMF:g} of the measured matrix product, {mamf:g} TFLOPS (MAMF)"
        return round(CEILING_OF_MAMF * mamf, 1), what, MAMF_FACTOR
    return None, "not measured", 1.0


def _number(text: str) -> float | None:
    return float(text) if text else None
