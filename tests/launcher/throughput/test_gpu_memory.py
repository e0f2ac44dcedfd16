from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.throughput.gpu_memory import BASE_GB, fit_model, needs_gb
from launcher.throughput.model_shapes import known, shape
from launcher.throughput.predict import ENGINES, ModelShape
from pricing.gpu import Gpu, gpu, gpus

BASE = shape("BAAI/bge-base-en-v1.5")
SEVEN = shape("Alibaba-NLP/gte-Qwen2-7B-instruct")
QWEN = shape("Qwen/Qwen3-Embedding-0.6B")
EIGHT = shape("Qwen/Qwen3-Embedding-8B")

models = st.sampled_from(known())
cards = st.sampled_from(gpus())
engines = st.sampled_from(sorted(ENGINES))


def reason(shape: ModelShape, card: Gpu, engine: str = "vllm", dtype: str | None = None) -> str:
    found = fit_model(shape, card, engine=engine, dtype=dtype)
    assert not found.ok
    assert found.reason
    return found.reason


def test_bert_base_needs_its_weights_a_batch_and_the_engine() -> None:
    # 109 M x 2 bytes; 8,192 tokens x 2 bytes x (4 x 768 + 2 x 3072); 1 GB: 0.218 + 0.151 + 1.0
    assert needs_gb(BASE, "vllm", "float16") == pytest.approx(1.369, abs=0.001)


def test_decoder_keeps_the_keys_and_values_of_its_longest_text() -> None:
    # 28 layers x 2 x 8 heads x 128 x 2 bytes x (32,768 - 512) tokens
    longer = needs_gb(QWEN, "vllm", "bfloat16") - needs_gb(QWEN, "vllm", "bfloat16", 512)
    assert longer == pytest.approx(28 * 2 * 8 * 128 * 2 * (32_768 - 512) / 1e9)


def test_published_model_fits_into_the_gpu_it_was_published_on() -> None:
    found = fit_model(SEVEN, gpu("L4"))
    assert (found.ok, found.dtype, found.reason) == (True, "bfloat16", None)
    assert found.needs_gb == pytest.approx(19.8, abs=0.1)
    assert found.has_gb == pytest.approx(21.6)


def test_7b_model_does_not_fit_into_a_t4() -> None:
    assert reason(SEVEN, gpu("T4")) == "needs 19.8 GB in float16, T4 has 14.4 GB to fill"


def test_model_may_fit_when_its_texts_are_cut() -> None:
    assert not fit_model(EIGHT, gpu("L4")).ok
    assert fit_model(EIGHT, gpu("L4"), tokens=1024).ok


def test_sixth_of_an_a10_has_a_sixth_of_its_memory() -> None:
    found = fit_model(QWEN, gpu("A10"), share=0.167)
    assert found.has_gb == pytest.approx(24 * 0.167 * 0.9)
    assert found.reason == "needs 6.2 GB in bfloat16, A10 has 3.6 GB in 0.167 of it to fill"


def test_bert_base_fits_into_a_sixth_of_an_a10() -> None:
    assert fit_model(BASE, gpu("A10"), share=0.167).ok


def test_several_gpus_are_no_larger_gpu() -> None:
    assert fit_model(BASE, gpu("L4"), share=8).has_gb == fit_model(BASE, gpu("L4")).has_gb


@pytest.mark.parametrize(
    ("card", "engine", "dtype"),
    [
        ("L4", "vllm", "bfloat16"),
        ("T4", "vllm", "float16"),
        ("V100", "torch", "float16"),
        ("RTX6000", "vllm", "float16"),
        ("MI300X", "vllm", "bfloat16"),
        ("L4", "sentence-transformers", "float32"),
    ],
)
def test_dtype_follows_from_the_hardware_and_the_engine(card: str, engine: str, dtype: str) -> None:
    found = fit_model(BASE, gpu(card), engine=engine)
    assert (found.ok, found.dtype) == (True, dtype)


def test_bfloat16_that_is_asked_of_a_t4_is_refused() -> None:
    assert reason(BASE, gpu("T4"), dtype="bfloat16") == "T4 has no bfloat16 (compute capability 7.5, 8.0 has)"


@pytest.mark.parametrize(
    ("card", "engine", "said"),
    [
        ("P100", "vllm", "vllm needs compute capability 7.5, P100 has 6.0"),
        ("V100", "vllm", "vllm needs compute capability 7.5, V100 has 7.0"),
        ("V100", "tei", "tei needs compute capability 7.5, V100 has 7.0"),
        ("P100", "torch", "torch needs compute capability 7, P100 has 6.0"),
        ("MI300X", "tei", "tei is not known to run on MI300X (gfx942)"),
        ("Inferentia2", "vllm", "Inferentia2 is no GPU: vllm does not run there"),
    ],
)
def test_engine_that_does_not_run_on_a_gpu_is_refused_with_the_reason(
    card: str, engine: str, said: str
) -> None:
    assert reason(BASE, gpu(card), engine) == said


def test_torch_runs_on_a_v100() -> None:
    assert fit_model(BASE, gpu("V100"), engine="torch").ok


def test_gpu_before_ampere_is_noted_to_be_slower_on_long_texts() -> None:
    assert fit_model(BASE, gpu("A10")).note is None
    assert fit_model(BASE, gpu("T4"), engine="torch").note == (
        "T4 has neither FlashAttention nor bfloat16: float16, and attention by slower kernels, more so on long texts"
    )
    assert (fit_model(BASE, gpu("T4")).note or "").endswith("; vllm was not measured on it")
    assert fit_model(BASE, gpu("MI300X")).note == "no speed of vllm was measured on GPUs of AMD"


def test_model_that_overflows_in_float16_does_not_run_without_bfloat16() -> None:
    gemma = shape("google/embeddinggemma-300m")
    assert (
        reason(gemma, gpu("T4")) == "google/embeddinggemma-300m overflows in float16, and T4 has no bfloat16"
    )
    assert (
        reason(gemma, gpu("A100-40GB"), dtype="float16") == "google/embeddinggemma-300m overflows in float16"
    )
    assert fit_model(gemma, gpu("A100-40GB")).ok
    assert fit_model(gemma, gpu("T4"), dtype="float32").ok


def test_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="no engine 'onnx'"):
        fit_model(BASE, gpu("L4"), engine="onnx")


@given(models, cards, engines)
def test_what_is_needed_is_more_than_the_weights_and_the_engine(
    one: ModelShape, card: Gpu, engine: str
) -> None:
    assert fit_model(one, card, engine=engine).needs_gb > one.params_total * 2 / 1e9 + BASE_GB[engine]


@given(models, cards, engines, st.floats(min_value=0.05, max_value=1))
def test_model_that_fits_into_a_part_fits_into_the_whole(
    one: ModelShape, card: Gpu, engine: str, share: float
) -> None:
    assert fit_model(one, card, engine=engine).ok or not fit_model(one, card, share, engine).ok


@given(models, cards, engines, st.integers(min_value=1, max_value=40_000))
def test_shorter_texts_never_need_more(one: ModelShape, card: Gpu, engine: str, tokens: int) -> None:
    assert (
        fit_model(one, card, engine=engine, tokens=tokens).needs_gb
        <= fit_model(one, card, engine=engine).needs_gb
    )


@given(models, cards, engines)
def test_model_that_does_not_fit_says_why_and_one_that_fits_does_not(
    one: ModelShape, card: Gpu, engine: str
) -> None:
    found = fit_model(one, card, engine=engine)
    assert found.ok == (found.reason is None)


def test_more_memory_makes_it_fit() -> None:
    assert fit_model(SEVEN, replace(gpu("T4"), memory_gb=32)).ok


def test_weights_of_linear_layers_are_one_byte_in_fp8() -> None:
    half, less = (needs_gb(SEVEN, "vllm", "bfloat16", 512, one) for one in (None, "fp8"))
    assert half - less == pytest.approx(SEVEN.linear_params / 1e9)


def test_model_that_is_too_large_in_bfloat16_fits_in_fp8() -> None:
    small = replace(gpu("L4"), memory_gb=16.0)
    assert not fit_model(SEVEN, small, tokens=512).ok
    assert fit_model(SEVEN, small, tokens=512, precision="fp8").ok
