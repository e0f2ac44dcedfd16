"""What a GPU can do, and the one name we call it by.

The figures live in `snapshot/gpus.csv`, each row with its source and how sure it is. Every peak is the dense
one, never the doubled figure for sparse matrices. The ceiling is what kernels have been measured to reach,
and differs from the peak by GPU (A100 60 %, L4 38 %, T4 34 %), which is why it is a column and not a share.

Does not know prices, nor what an engine makes of a ceiling: that is `launcher/speed.py`.
"""

import csv
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from io import StringIO

# Of the best square matrix product a GPU has been seen to reach (MAMF), the share that the kernels of a real
# transformer reach. Both are measured on two GPUs: A100 188.9 / 271.2 = 0.70, H100 632 / 794.5 = 0.80. Their
# geometric mean stands in where only the MAMF is known.
CEILING_OF_MAMF = 0.74


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str
    memory_gb: float
    fp16_tflops: float | None  # dense
    bf16_tflops: float | None  # dense; None where the hardware has no bfloat16
    fp32_tflops: float | None
    bandwidth_gb_s: float | None
    compute_capability: str | None  # "8.9", or AMD's "gfx942"
    ceiling_tflops: float | None  # half precision, measured on transformer kernels; None: nobody measured
    ceiling_source: str
    source: str
    sure: str


class UnknownGpuError(LookupError):
    """A name that is no GPU of ours; `nearest` holds names that are."""

    def __init__(self, name: str, nearest: tuple[str, ...]) -> None:
        super().__init__(f"unknown GPU {name!r}" + (f"; nearest: {', '.join(nearest)}" if nearest else ""))
        self.name = name
        self.nearest = nearest


def gpus() -> tuple[Gpu, ...]:
    """Every GPU we have facts about, in the order of the file."""
    return tuple(_table()[0].values())


def canonical(name: str) -> str | None:
    """Our name for a GPU that others call "nvidia a100 80gb" (A100-80GB); None when it is none of ours."""
    return _table()[1].get(_squeeze(name))


def gpu(name: str) -> Gpu:
    """The facts about a GPU under any of its names."""
    known = canonical(name)
    if known is None:
        raise UnknownGpuError(name, nearest(name))
    return _table()[0][known]


def nearest(name: str) -> tuple[str, ...]:
    """At most three canonical names that look like `name`, the likeliest first."""
    names = _table()[1]
    close = get_close_matches(_squeeze(name), names, n=6, cutoff=0.5)
    return tuple(dict.fromkeys(names[c] for c in close))[:3]


def _squeeze(name: str) -> str:
    """The part of a name that people agree on: no case, no spaces, no maker."""
    bare = "".join(c for c in name.casefold() if c.isalnum())
    for maker in ("nvidia", "amd", "tesla", "geforce", "quadro", "instinct"):
        bare = bare.removeprefix(maker)
    return bare


@cache
def _table() -> tuple[dict[str, Gpu], dict[str, str]]:
    """The facts by canonical name, and the canonical name by every squeezed one."""
    facts: dict[str, Gpu] = {}
    names: dict[str, str] = {}
    text = files("pricing").joinpath("snapshot", "gpus.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(StringIO(text)):
        ceiling, where = _ceiling(row)
        name = row["gpu"]
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
        )
        for alias in (name, *filter(None, row["aliases"].split(";"))):
            names[_squeeze(alias)] = name
    return facts, names


def _ceiling(row: dict[str, str]) -> tuple[float | None, str]:
    measured = _number(row["ceiling_tflops"])
    if measured is not None:
        return measured, row["ceiling_source"]
    mamf = _number(row["mamf_tflops"])
    if mamf is not None:
        derived = round(CEILING_OF_MAMF * mamf, 1)
        return derived, f"derived: {CEILING_OF_MAMF:g} of the measured matrix product, {mamf:g} TFLOPS (MAMF)"
    return None, "not measured"


def _number(text: str) -> float | None:
    return float(text) if text else None
