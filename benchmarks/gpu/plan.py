"""Which engine on which model is measured, and in which order: what tells most comes first.

Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

FP8 = "vllm-fp8"
# Engines that are compared at once, on all models, before the next ones.
ROUNDS = (("packed", "vllm"), ("torch",), (FP8,))
ENGINES = tuple(engine for engines in ROUNDS for engine in engines)
FP8_MODELS = ("gte-Qwen2-7B", "bge-large")
WORKER_MODELS = ("bge-large", "MiniLM-L6")
WORKER_ENGINES = ("packed", "vllm")
MEANS = (100, 256, 32, 512)  # tokens of a text


@dataclass(frozen=True, slots=True)
class Cell:
    """An engine on a model, and what is to be measured of it."""

    model: str
    engine: str
    means: tuple[int, ...]
    worker: bool


def cells(
    models: Sequence[str], engines: Sequence[str], means: Sequence[int], *, dry: bool
) -> Iterator[Cell]:
    """All of them, in order. A dry run tries a worker and fp8 on every model."""
    for group in ROUNDS:
        for model in models:
            for engine in (one for one in group if one in engines):
                if engine != FP8 or dry or model in FP8_MODELS:
                    worker = dry or (model in WORKER_MODELS and engine in WORKER_ENGINES)
                    yield Cell(model, engine, tuple(means), worker)
