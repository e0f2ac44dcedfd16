"""GPU specifications, and the canonical name of each GPU.

The figures are in `snapshot/gpus.csv`, each row with its source and how sure it is. Every peak is the dense one, never
the doubled figure for sparse matrices, and for GeForce cards the one with float32 accumulation, half of what is often
printed. The ceiling is the rate of matrix products in half precision that the GPU sustains. Its share of the peak
differs by GPU (A10G 95 %, A100 82 %, L4 48 %, T4 42 %), so it is a column and not a constant.

Where it was not measured, the ceiling is derived, and `ceiling_source` says so: from the best
matrix product (MAMF), from the kernels of a whole transformer, or from a GPU of the same generation.
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

# What a GPU sustains of its best matrix product (MAMF). On the H200 both are measured: 758 of 794.5 TFLOPS.
SUSTAINED_OF_MAMF = 0.954
MAMF_FACTOR = 1.1

# The kernels of a whole transformer (TensorRT demoBERT, FasterTransformer) spend a part of their time in matrix products
# and the other in memory: 0.0015 bytes per operation, that is two passes of 2 bytes over the values of a layer of BERT.
# With these two constants their rates give 256, 250 and 67 TFLOPS for A100, L40S and L4, and MAMF gives 259, 257 and 68.
KERNEL_EFFICIENCY = 0.9
KERNEL_BYTES_PER_FLOP = 0.0015
KERNEL_FACTOR = 1.1

# Derived from a relative: its share of its peak, times the square root of the ratio of watts per TFLOP of peak. On the
# seven GPUs that have a ceiling and a relative with one (T4, V100, L4, L40S, A10, A30, A100) this is off by a factor
# of 1.1 rms. MAX_SHARE_OF_PEAK is the share of the A100, the highest of a GPU of data centres with its data sheet's peak.
MAX_SHARE_OF_PEAK = 0.83
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
    ceiling_tflops: float | None  # sustained products in half precision; None: nothing to derive it from
    ceiling_source: str
    source: str
    sure: str
    watts: float | None = None
    ceiling_factor: float = (
        1.0  # what the ceiling may be off by, one standard deviation; 1 where it is measured
    )
    fp32_ceiling_tflops: float | None = None  # matrix products in float32 without TF32
    fp32_ceiling_source: str = "not measured"
    best_tflops: float | None = (
        None  # the best product in half precision: measured (MAMF), else by the ceiling
    )

    @property
    def before_ampere(self) -> bool:
        """Whether it is a GPU of NVIDIA for which FlashAttention has no kernels, and that has no bfloat16."""
        capability = self.compute_capability
        return capability is not None and not self.amd and float(capability) < AMPERE

    @property
    def amd(self) -> bool:
        return self.compute_capability is not None and self.compute_capability.startswith("gfx")


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
        fp32, best = _number(row["fp32_matrix_tflops"]), _number(row["mamf_tflops"])
        if best is None and ceiling is not None:
            best = round(ceiling / SUSTAINED_OF_MAMF, 1)
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
            fp32_ceiling_tflops=fp32,
            fp32_ceiling_source="not measured" if fp32 is None else row["fp32_matrix_source"],
            best_tflops=best,
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


def ceiling_from_kernels(tflops: float, bandwidth_gb_s: float) -> float:
    """Derive the ceiling of a GPU (TFLOPS) from the rate of the kernels of a whole transformer."""
    matrices = 1 / tflops - KERNEL_BYTES_PER_FLOP / (bandwidth_gb_s / 1e3)  # seconds per 10^12 operations
    return 1 / (KERNEL_EFFICIENCY * matrices)


def _ceiling(
    row: Mapping[str, str], rows: Mapping[str, Mapping[str, str]]
) -> tuple[float | None, str, float]:
    """The ceiling in TFLOPS, its source, and its uncertainty as a factor.

    Of a ceiling by MAMF and one by kernels the lower counts: MAMF is the best of short products, and a GPU with little
    power does not sustain it.
    """
    measured = _number(row["matrix_tflops"])
    if measured is not None:
        return measured, row["matrix_source"], 1.0
    found: list[tuple[float, str, float]] = []
    mamf, kernels = _number(row["mamf_tflops"]), _number(row["kernel_tflops"])
    if mamf is not None:
        what = f"derived: {SUSTAINED_OF_MAMF:g} of the best matrix product, {mamf:g} TFLOPS (MAMF)"
        found.append((round(SUSTAINED_OF_MAMF * mamf, 1), what, MAMF_FACTOR))
    if kernels is not None:
        what = f"derived: from kernels of a transformer, {kernels:g} TFLOPS ({row['kernel_source']})"
        by_kernels = ceiling_from_kernels(kernels, float(row["bandwidth_gb_s"]))
        found.append((round(by_kernels, 1), what, KERNEL_FACTOR))
    if found:
        return min(found)
    if row["ceiling_like"]:
        kin = rows[row["ceiling_like"]]
        theirs = _ceiling(kin, rows)[0]
        assert theirs is not None
        derived = ceiling_from_relative(
            theirs,
            float(kin["fp16_tflops"]),
            float(kin["watts"]),
            own_peak=float(row["fp16_tflops"]),
            own_watts=float(row["watts"]),
        )
        return round(derived, 1), f"derived: after {kin['gpu']}, by peak and power", RELATIVE_FACTOR
    return None, "not measured", 1.0


def _number(text: str) -> float | None:
    return float(text) if text else None
