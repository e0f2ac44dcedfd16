"""The published speeds that `benchmarks/speed.py` judges: what was measured, and by which engine of ours it is judged."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from launcher.errors import Problem
from launcher.throughput.model_shapes import from_mapping, shape
from launcher.throughput.predict import (
    ENGINES,
    FUSED_BYTES,
    IN_USE,
    UNFUSED_BYTES,
    EngineCost,
    ModelShape,
    seconds_per_text,
)
from pricing.gpu import Gpu, canonical, gpu

FACTS = Path(__file__).parents[2] / "shared" / "facts"
POINTS = (FACTS / "throughput_points.csv", FACTS / "throughput_points_2026-11.csv")
MOST_OF_PEAK = 0.85  # a higher share of peak is a mistake in the source

# The published engine names, and whose costs stand for theirs: Infinity batches and fuses as TEI does.
STANDS_FOR = {
    "vLLM": "vllm-server",
    "vLLM 0.25.1 in process": "vllm",
    "TEI": "tei",
    "Infinity": "tei",
    "Infinity-TensorRT": "tei",
    "Infinity-ONNX": "tei",
    "sentence-transformers": "sentence-transformers",
    "torch (padded batches)": "torch",
    "packed prototype (torch varlen, compiled pointwise parts)": "packed",
    "PyTorch + flash-DeBERTa kernels": "torch",
    "PyTorch + FlashAttention 2 (raw forward)": "forward",
    "PyTorch + xformers (raw forward)": "forward, own attention",
    "PyTorch (raw forward)": "forward, own attention",
}
IN_PROCESS = "offline"  # in a note: vLLM inside the measuring process

# What is measured beside our engines: vLLM's server, and a model's forward pass on tokens that lie on the GPU.
JUDGED_ENGINES: Mapping[str, EngineCost] = {
    **ENGINES,
    "vllm-server": EngineCost(0.65e-3, FUSED_BYTES, 1.15),
    "forward": EngineCost(0.0, UNFUSED_BYTES, 1.15),
    "forward, own attention": EngineCost(0.0, UNFUSED_BYTES, 1.15, scores=True),
}
JUDGED = replace(IN_USE, engines=JUDGED_ENGINES)

# Shapes that published figures are of, and that are no embedding models of `launcher/data/models.csv`.
LIKE = {
    "bert-large": "BAAI/bge-large-en-v1.5",
    "bge-large (shape)": "BAAI/bge-large-en-v1.5",
    "all-MiniLM-L6-v2 (shape)": "sentence-transformers/all-MiniLM-L6-v2",
    "qwen2-7b (shape of gte-Qwen2-7B-instruct)": "Alibaba-NLP/gte-Qwen2-7B-instruct",
    "gte-en-mlm-large": "Alibaba-NLP/gte-large-en-v1.5",
    "nomic-bert-base": "nomic-ai/nomic-embed-text-v1.5",
    "answerdotai/ModernBERT-base": "Alibaba-NLP/gte-modernbert-base",
    "knowledgator/gliformer-large-v1 (DeBERTa-v3-large)": "BAAI/bge-large-en-v1.5",
}
MODERNBERT_LARGE = replace(
    from_mapping(
        "answerdotai/ModernBERT-large",
        {"layers": 28, "hidden": 1024, "heads": 16, "intermediate": 2624, "glu": True, "max_tokens": 8192},
    ),
    window=128,
    local_layers=18,
)


@dataclass(frozen=True, slots=True)
class Point:
    """One published speed, and what it was measured on."""

    id: str
    source: str
    model: ModelShape
    gpu: Gpu
    engine: str  # of JUDGED_ENGINES
    dtype: str
    tokens: float
    speed: float
    peak_tflops: float  # dense, of that dtype

    @property
    def precise(self) -> bool:
        return self.dtype == "float32"

    @property
    def publisher(self) -> str:
        """Who measured: the points of one publisher are left out of a fit together."""
        return self.id.partition("-")[0]


def read_rows(paths: Iterable[Path]) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    return rows


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
            model = _model(row["model"])
        except Problem as problem:
            passed[row["id"]] = str(problem)
            continue
        one = Point(
            id=row["id"],
            source=row["source"],
            model=model,
            gpu=gpu(card),
            engine="vllm" if IN_PROCESS in row.get("note", "") else STANDS_FOR[row["engine"]],
            dtype="float32" if row["dtype"] == "fp32" else "half",
            tokens=float(row["seq_len"]),
            speed=float(row["per_gpu_tokens_per_s"]),
            peak_tflops=float(row["peak_tflops_used"]),
        )
        if float(row["mfu"] or 0) > MOST_OF_PEAK:
            passed[one.id] = f"a share of peak of {row['mfu']} is a mistake in the source"
        elif seconds_per_text(model, one.gpu, one.engine, [(1, one.tokens)], one.dtype, JUDGED) is None:
            passed[one.id] = f"no ceiling of {card} is known"
        else:
            out.append(one)
    return out, passed


def _model(name: str) -> ModelShape:
    return MODERNBERT_LARGE if name == MODERNBERT_LARGE.name else shape(LIKE.get(name, name))
