"""The known models: for each, which engine computes it, or why none does. The table is the record of a review."""

from functools import partial

import pytest

from launcher.throughput.known_layouts import known_description
from launcher.throughput.model_shapes import known
from launcher.throughput.predict import ModelShape
from tasks.models.support import check_supported

MEASURED = ("vllm", "torch")
# Models that some engine does not compute, with those that do (trusting the model's code where it has some).
FEWER: dict[str, tuple[str, ...]] = {
    "sentence-transformers/all-mpnet-base-v2": ("torch",),
    "BAAI/bge-m3": (),
    "nvidia/NV-Embed-v2": (),
    "Alibaba-NLP/gte-base-en-v1.5": ("torch",),
    "Alibaba-NLP/gte-large-en-v1.5": ("torch",),
    "Alibaba-NLP/gte-Qwen2-1.5B-instruct": ("vllm", "torch"),
    "Alibaba-NLP/gte-Qwen2-7B-instruct": ("vllm", "torch"),
    "NovaSearch/stella_en_1.5B_v5": ("torch",),
    "nomic-ai/nomic-embed-text-v1.5": ("torch",),
    "nomic-ai/nomic-embed-text-v2-moe": ("torch",),
    "Snowflake/snowflake-arctic-embed-m-v2.0": ("torch",),
    "jinaai/jina-embeddings-v3": (),
    "jinaai/jina-embeddings-v4": (),
    "jinaai/jina-embeddings-v2-base-code": ("torch",),
    "google/embeddinggemma-300m": ("torch",),
    "microsoft/codebert-base": (),
}


@pytest.mark.parametrize("shape", known(), ids=lambda shape: shape.name)
def test_every_known_model_has_its_engines(shape: ModelShape) -> None:
    described = known_description(shape)
    check = partial(check_supported, remote_code=True, transformers_version=lambda: "5.24.0")
    found = tuple(engine for engine in MEASURED if not check(described, engine))
    assert found == FEWER.get(shape.name, MEASURED)


def test_every_known_model_has_a_type() -> None:
    assert [shape.name for shape in known() if shape.model_type is None] == []


def test_own_code_is_not_run_unless_the_job_says_so() -> None:
    (shape,) = (shape for shape in known() if shape.name == "nomic-ai/nomic-embed-text-v1.5")
    (finding,) = check_supported(known_description(shape), "torch")
    assert "trust_remote_code: true" in finding.hint
